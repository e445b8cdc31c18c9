// The line to a simulated radio (lora/ether), for nodes that have no other: the native
// process and the QEMU image. PROTOCOL.md, "Simulated radio".
#pragma once

#include "frame.hpp"
#include "node.hpp"

namespace lorrent {

class SimulatedRadio {
 public:
  bool set(const Radio& radio) {
    uint8_t body[Radio::kSize];
    Writer w(body);
    radio.write(w);
    receiving_ = false;
    return put(kAirSet, body, w.size());
  }
  bool send(const uint8_t* packet, size_t n) { return put(kAirSend, packet, n); }
  bool listen() { return put(kAirListen, nullptr, 0); }
  bool receiving() const { return receiving_; }

  // pending is what is to be written now, as a whole; the next call overwrites it.
  size_t pending(const uint8_t** p) const {
    *p = wire_;
    return size_;
  }

  // received takes a byte from the air, and tells the node what it completes.
  void received(uint8_t byte, Node& node, Millis now) {
    if (!in_.push(byte)) return;
    const Frame& f = in_.frame();
    if (f.type == kAirSent && f.size == 0) node.sent(now);
    if (f.type == kAirListened && f.size == 3) node.listened(f.body[0] != 0, tenths(f.body + 1), now);
    if (f.type == kAirSignal && f.size == 1) receiving_ = f.body[0] != 0;
    if (f.type == kAirHeard && f.size > 4 && f.size <= 4 + kMaxPacket) {
      node.heard(f.body + 4, f.size - 4, tenths(f.body), tenths(f.body + 2), now);
    }
  }

 private:
  static int16_t tenths(const uint8_t* p) { return static_cast<int16_t>(get16(p)); }

  bool put(uint8_t type, const uint8_t* body, size_t n) {
    size_ = encodeFrame(wire_, type, sequence_++, body, n);
    return true;
  }

  Deframer in_;
  uint8_t wire_[kMaxWire];
  size_t size_ = 0;
  uint8_t sequence_ = 0;
  bool receiving_ = false;
};

}  // namespace lorrent
