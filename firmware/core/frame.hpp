// Frames of the board link: COBS around type, sequence, body and CRC-16, ended by
// a zero. PROTOCOL.md has the numbers.
#pragma once

#include "bytes.hpp"

namespace lorrent {

constexpr size_t kMaxBody = 300;
constexpr size_t kMaxPlain = 1 + 1 + kMaxBody + 2;
constexpr size_t kMaxStuffed = kMaxPlain + kMaxPlain / 254 + 1;
constexpr size_t kMaxWire = kMaxStuffed + 1;  // with the zero

uint16_t checksum(const uint8_t* p, size_t n, uint16_t from = 0xFFFF);

// encodeFrame writes a frame, up to kMaxWire bytes, and returns how many.
size_t encodeFrame(uint8_t* out, uint8_t type, uint8_t sequence, const uint8_t* body, size_t n);

struct Frame {
  uint8_t type;
  uint8_t sequence;
  const uint8_t* body;
  size_t size;
};

// Deframer takes frames out of a stream of bytes, and skips what is none.
class Deframer {
 public:
  // push takes one byte and says whether it completed a sound frame, which is
  // valid until the next push.
  bool push(uint8_t byte);
  const Frame& frame() const { return frame_; }
  uint16_t skipped() const { return skipped_; }

 private:
  bool decode();

  size_t size_ = 0;
  bool tooLong_ = false;
  uint16_t skipped_ = 0;
  Frame frame_{};
  uint8_t buffer_[kMaxStuffed];
};

}  // namespace lorrent
