// Supply of screen and battery measurement.
#pragma once

#include "board.hpp"

class Power {
 public:
  // begin turns the screen's supply on; before that the I2C bus does not work.
  void begin();
  lorrent::Battery battery() const { return last_; }
  // tick measures every half minute.
  void tick(lorrent::Millis now);

 private:
  uint32_t millivolts();

  uint8_t batteryOn_ = 0;  // level that connects the divider
  lorrent::Millis measured_ = 0;
  lorrent::Battery last_ = {0, 255, false};
};
