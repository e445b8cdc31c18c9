// The past hour's own transmissions, against the duty cycle; and how busy the
// channel is with everyone's.
#pragma once

#include "radio.hpp"

namespace lorrent {

// Ledger counts in slots of 20 s: it errs by one, and always towards silence.
class Ledger {
 public:
  void start(Millis now) { slotBegan_ = now; }
  // allows says whether a transmission fits into a share (percent) of the
  // allowance, counted together with everything else.
  bool allows(uint32_t micros, uint16_t dutyCycle, unsigned percent, Millis now);
  void record(uint32_t micros, Millis now);
  uint32_t usedMillis(Millis now);

 private:
  static constexpr Millis kSlot = 20000;
  static constexpr int kSlots = 3600000 / kSlot + 1;  // a slot counts until its end has left the hour

  void advance(Millis now);

  uint32_t total_ = 0;  // µs
  int slot_ = 0;
  Millis slotBegan_ = 0;
  uint32_t used_[kSlots] = {};  // µs
};

// Load is the share of the last two minutes, fading, that the channel was taken.
class Load {
 public:
  void start(Millis now) { faded_ = now; }
  void heard(uint32_t micros, Millis now);
  uint16_t share(Millis now);  // 1/10000

 private:
  void fade(Millis now);

  uint32_t airtime_ = 0;  // 1/64 ms
  Millis faded_ = 0;
};

}  // namespace lorrent
