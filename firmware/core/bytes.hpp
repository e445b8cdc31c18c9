// Big-endian numbers in bytes, and the few things that the C library would give.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lorrent {

uint16_t get16(const uint8_t* p);
uint32_t get24(const uint8_t* p);
uint32_t get32(const uint8_t* p);
void copy(uint8_t* to, const uint8_t* from, size_t n);
bool equal(const uint8_t* a, const uint8_t* b, size_t n);

// Writer fills a buffer of which the caller knows that it is long enough.
class Writer {
 public:
  explicit Writer(uint8_t* to) : begin_(to), at_(to) {}

  Writer& u8(uint32_t v);
  Writer& u16(uint32_t v);
  Writer& u24(uint32_t v);
  Writer& u32(uint32_t v);
  Writer& bytes(const uint8_t* from, size_t n);
  size_t size() const { return static_cast<size_t>(at_ - begin_); }

 private:
  uint8_t* begin_;
  uint8_t* at_;
};

// Times are milliseconds of a clock that goes around. Of two times less than 24
// days apart, since tells how much later now is than then, less than 0 if earlier.
using Millis = uint32_t;

inline int32_t since(Millis now, Millis then) { return static_cast<int32_t>(now - then); }
inline bool reached(Millis now, Millis due) { return since(now, due) >= 0; }

template <typename T>
T smaller(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
T larger(T a, T b) {
  return a < b ? b : a;
}

}  // namespace lorrent
