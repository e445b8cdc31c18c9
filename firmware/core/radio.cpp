#include "radio.hpp"

namespace lorrent {

Radio Radio::read(const uint8_t* p) {
  return {get32(p), get32(p + 4), p[8], p[9], p[10], p[11], static_cast<int8_t>(p[12]), get16(p + 13), p[15]};
}

void Radio::write(Writer& w) const {
  w.u32(frequencyHz).u32(bandwidthHz).u8(spreadingFactor).u8(codingRate).u8(preambleSymbols);
  w.u8(syncWord).u8(static_cast<uint8_t>(powerDBm)).u16(dutyCycle).u8(dwell);
}

bool operator==(const Radio& a, const Radio& b) {
  uint8_t x[Radio::kSize], y[Radio::kSize];
  Writer wx(x), wy(y);
  a.write(wx);
  b.write(wy);
  return equal(x, y, sizeof x);
}

bool Radio::valid() const {
  return frequencyHz >= 100000000 && frequencyHz <= 3000000000u && bandwidthHz >= 7800 && bandwidthHz <= 500000 &&
         spreadingFactor >= 5 && spreadingFactor <= 12 && codingRate >= 5 && codingRate <= 8 && preambleSymbols >= 6;
}

// micros is a time in quarters of a symbol, to the nearest microsecond.
uint32_t Radio::micros(uint64_t quarters) const {
  return static_cast<uint32_t>(((quarters << spreadingFactor) * 250000 + bandwidthHz / 2) / bandwidthHz);
}

Millis Radio::slot() const { return (micros(4 * 4) + 999) / 1000; }

// airtimeMicros follows the datasheets of SX1276 (4.1.1.7) and SX1262 (6.1.4):
// explicit header, CRC, low data rate optimisation from 16 ms a symbol on.
uint32_t Radio::airtimeMicros(size_t bytes) const {
  const int sf = spreadingFactor;
  const bool low = micros(4) >= 16000;
  const int bits = 8 * static_cast<int>(bytes) - 4 * sf + (sf < 7 ? 20 : 28) + 16;
  const int perBlock = 4 * (low ? sf - 2 : sf);
  const int symbols = 8 + (bits > 0 ? (bits + perBlock - 1) / perBlock * codingRate : 0);
  const int startQuarters = sf < 7 ? 25 : 17;
  return micros(static_cast<uint64_t>(4 * (preambleSymbols + symbols) + startQuarters));
}

}  // namespace lorrent
