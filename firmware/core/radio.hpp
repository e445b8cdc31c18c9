// Settings of a radio, and how long a packet takes with them.
#pragma once

#include "bytes.hpp"

namespace lorrent {

struct Radio {
  uint32_t frequencyHz;
  uint32_t bandwidthHz;
  uint8_t spreadingFactor;  // 5 to 12
  uint8_t codingRate;       // 5 to 8, for 4/5 to 4/8
  uint8_t preambleSymbols;
  uint8_t syncWord;
  int8_t powerDBm;
  uint16_t dutyCycle;  // 1/10000 of any hour
  uint8_t dwell;       // 10 ms, 0: no limit

  static constexpr size_t kSize = 16;

  static Radio read(const uint8_t* p);
  void write(Writer& w) const;
  bool valid() const;

  uint32_t airtimeMicros(size_t bytes) const;
  // slot is the unit of the back-off: four symbols.
  Millis slot() const;
  bool withinDwell(uint32_t micros) const { return dwell == 0 || micros <= dwell * 10000u; }
  // floorTenths is the SNR of the weakest signal that is received, 0.1 dB.
  int16_t floorTenths() const { return static_cast<int16_t>(100 - 25 * spreadingFactor); }

 private:
  uint32_t micros(uint64_t quarterSymbols) const;
};

bool operator==(const Radio& a, const Radio& b);

// europe is where a board listens before it is told otherwise.
constexpr Radio kEurope = {869525000, 250000, 9, 5, 16, 0x12, 14, 1000, 0};

}  // namespace lorrent
