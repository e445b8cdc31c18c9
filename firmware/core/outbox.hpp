// Frames that wait for the serial line. What does not fit is lost, and counted; the
// last part is for answers, so that reports do not keep a host from being heard.
#pragma once

#include "frame.hpp"

namespace lorrent {

class Outbox {
 public:
  void answer(uint8_t command, uint8_t sequence, const uint8_t* body, size_t n) {
    put(command | kAnsweredBit, sequence, body, n, 0);
  }
  void report(uint8_t type, const uint8_t* body, size_t n) { put(type, sequence_++, body, n, kReserve); }

  // pending is what can be written in one go.
  size_t pending(const uint8_t** p) const {
    *p = ring_ + begin_;
    return smaller(size_, kSize - begin_);
  }
  void written(size_t n) {
    begin_ = (begin_ + n) % kSize;
    size_ -= n;
  }
  uint16_t lost() const { return lost_; }
  // delimit ends what the host may take for the begin of a frame.
  void delimit() {
    if (size_ < kSize) push(0);
  }

 private:
  static constexpr uint8_t kAnsweredBit = 0x80;
  static constexpr size_t kSize = 2048;
  static constexpr size_t kReserve = 256;

  void put(uint8_t type, uint8_t sequence, const uint8_t* body, size_t n, size_t reserve) {
    uint8_t wire[kMaxWire];
    const size_t length = encodeFrame(wire, type, sequence, body, n);
    if (size_ + length + reserve > kSize) {
      lost_++;
      return;
    }
    for (size_t i = 0; i < length; i++) push(wire[i]);
  }
  void push(uint8_t b) { ring_[(begin_ + size_++) % kSize] = b; }

  size_t begin_ = 0, size_ = 0;
  uint8_t sequence_ = 0;
  uint16_t lost_ = 0;
  uint8_t ring_[kSize];
};

}  // namespace lorrent
