#include "bytes.hpp"

namespace lorrent {

uint16_t get16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
uint32_t get24(const uint8_t* p) { return static_cast<uint32_t>(p[0]) << 16 | get16(p + 1); }
uint32_t get32(const uint8_t* p) { return static_cast<uint32_t>(get16(p)) << 16 | get16(p + 2); }

void copy(uint8_t* to, const uint8_t* from, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = from[i];
}

bool equal(const uint8_t* a, const uint8_t* b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

Writer& Writer::u8(uint32_t v) {
  *at_++ = static_cast<uint8_t>(v);
  return *this;
}
Writer& Writer::u16(uint32_t v) { return u8(v >> 8).u8(v); }
Writer& Writer::u24(uint32_t v) { return u8(v >> 16).u16(v); }
Writer& Writer::u32(uint32_t v) { return u16(v >> 16).u16(v); }
Writer& Writer::bytes(const uint8_t* from, size_t n) {
  copy(at_, from, n);
  at_ += n;
  return *this;
}

}  // namespace lorrent
