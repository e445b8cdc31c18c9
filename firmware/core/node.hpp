// A node: the session with a host, the way to the air, and the relay that works
// while there is no host. A board's main loop feeds it:
//
//   start(now)                 once
//   received(bytes, now)       from the serial line
//   pending(), written()       to the serial line
//   heard(), sent(), listened()  from the radio
//   tick(now)                  and again after at most the time that it returns
//
// Nothing here allocates, waits, or calls anything but its Board.
#pragma once

#include "relay.hpp"
#include "session.hpp"

namespace lorrent {

class Node {
 public:
  Node(Board& board, const Identity& self);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void start(Millis now);
  void received(const uint8_t* p, size_t n, Millis now);
  size_t pending(const uint8_t** p) { return session_.out().pending(p); }
  void written(size_t n) { session_.out().written(n); }

  void heard(const uint8_t* packet, size_t n, int16_t rssiTenths, int16_t snrTenths, Millis now);
  void sent(Millis now) { transmitter_.sent(now); }
  void listened(bool taken, int16_t rssiTenths, Millis now) { transmitter_.listened(taken, rssiTenths, now); }
  Millis tick(Millis now);

  // For a display.
  bool attached() const { return session_.attached(); }
  bool relaying() const { return relay_.running(); }
  Relay& relay() { return relay_; }
  Transmitter& transmitter() { return transmitter_; }
  const Settings& settings() const { return settings_; }
  const Counters& counters() const { return counters_; }

 private:
  const Identity self_;
  Counters counters_{};
  Settings settings_;
  Transmitter transmitter_;
  Session session_;
  Relay relay_;
  Millis alone_ = 0;  // from when on it may relay
};

}  // namespace lorrent
