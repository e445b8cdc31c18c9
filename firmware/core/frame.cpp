#include "frame.hpp"

namespace lorrent {

uint16_t checksum(const uint8_t* p, size_t n, uint16_t from) {
  uint32_t crc = from;
  for (size_t i = 0; i < n; i++) {
    crc ^= static_cast<uint32_t>(p[i]) << 8;
    for (int bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
  }
  return static_cast<uint16_t>(crc);
}

namespace {

// Stuffer writes bytes without zeros (COBS).
class Stuffer {
 public:
  explicit Stuffer(uint8_t* out) : out_(out) { open(); }

  void put(uint8_t b) {
    if (out_[code_] == 0xFF) open();
    if (b == 0) {
      open();
      return;
    }
    out_[at_++] = b;
    out_[code_]++;
  }
  void put(const uint8_t* p, size_t n) {
    for (size_t i = 0; i < n; i++) put(p[i]);
  }
  size_t finish() {
    out_[at_++] = 0;
    return at_;
  }

 private:
  void open() {
    code_ = at_;
    out_[at_++] = 1;
  }

  uint8_t* out_;
  size_t at_ = 0;
  size_t code_ = 0;  // of the block under way
};

}  // namespace

size_t encodeFrame(uint8_t* out, uint8_t type, uint8_t sequence, const uint8_t* body, size_t n) {
  const uint8_t head[2] = {type, sequence};
  const uint16_t crc = checksum(body, n, checksum(head, 2));
  Stuffer s(out);
  s.put(head, 2);
  s.put(body, n);
  s.put(static_cast<uint8_t>(crc >> 8));
  s.put(static_cast<uint8_t>(crc));
  return s.finish();
}

bool Deframer::push(uint8_t byte) {
  if (byte != 0) {
    if (size_ == kMaxStuffed) {
      tooLong_ = true;
    } else {
      buffer_[size_++] = byte;
    }
    return false;
  }
  const bool sound = !tooLong_ && size_ > 0 && decode();
  if (!sound && (tooLong_ || size_ > 0)) skipped_++;
  size_ = 0;
  tooLong_ = false;
  return sound;
}

// decode undoes the stuffing in place.
bool Deframer::decode() {
  size_t plain = 0;
  for (size_t at = 0; at < size_;) {
    const size_t code = buffer_[at];
    if (code > size_ - at) return false;
    for (size_t i = 1; i < code; i++) buffer_[plain++] = buffer_[at + i];
    at += code;
    if (code < 0xFF && at < size_) buffer_[plain++] = 0;
  }
  if (plain < 4 || plain > kMaxPlain || checksum(buffer_, plain - 2) != get16(buffer_ + plain - 2)) return false;
  frame_ = {buffer_[0], buffer_[1], buffer_ + 2, plain - 4};
  return true;
}

}  // namespace lorrent
