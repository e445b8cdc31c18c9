#include "power.hpp"

#include <Arduino.h>

#include "pins.hpp"

using lorrent::Battery;
using lorrent::Millis;

namespace {

constexpr Millis kEvery = 30000;
constexpr int kSamples = 8;
constexpr uint32_t kNone = 2500;  // mV: less than this is no lithium cell
constexpr uint32_t kFull = 4300;  // more than this comes from the charger

// percentOf follows the discharge of a lithium cell at small currents.
uint8_t percentOf(uint32_t millivolts) {
  static const uint16_t points[] = {3100, 3550, 3680, 3740, 3770, 3790, 3820, 3870, 3930, 4000, 4100};
  for (uint8_t i = 0; i < 11; i++) {
    if (millivolts >= points[i]) continue;
    if (i == 0) return 0;
    return static_cast<uint8_t>(10 * (i - 1) + 10 * (millivolts - points[i - 1]) / (points[i] - points[i - 1]));
  }
  return 100;
}

}  // namespace

void Power::begin() {
  pinMode(pins::kVext, OUTPUT);
  digitalWrite(pins::kVext, LOW);
  pinMode(pins::kLed, OUTPUT);
  digitalWrite(pins::kLed, LOW);
#if defined(LORRENT_BATTERY_SWITCH)
  // V3 and V3.1 have a pull-up at the switch, which is on when low; V3.2 has a
  // transistor and is on when high.
  pinMode(pins::kBatteryOn, INPUT);
  delay(1);
  batteryOn_ = digitalRead(pins::kBatteryOn) == HIGH ? LOW : HIGH;
#endif
  pinMode(pins::kBattery, INPUT);
  measured_ = millis() - kEvery;
}

void Power::tick(Millis now) {
  if (lorrent::since(now, measured_) < static_cast<int32_t>(kEvery)) return;
  measured_ = now;
  const uint32_t mv = millivolts();
  last_ = mv < kNone ? Battery{0, 255, false} : Battery{static_cast<uint16_t>(mv), percentOf(mv), mv > kFull};
}

// millivolts connects the divider only while it measures: it drains the battery.
uint32_t Power::millivolts() {
#if defined(LORRENT_BATTERY_SWITCH)
  pinMode(pins::kBatteryOn, OUTPUT);
  digitalWrite(pins::kBatteryOn, batteryOn_);
  delay(5);
#endif
  uint32_t sum = 0;
  for (int i = 0; i < kSamples; i++) sum += analogReadMilliVolts(pins::kBattery);
#if defined(LORRENT_BATTERY_SWITCH)
  pinMode(pins::kBatteryOn, INPUT);
#endif
  return static_cast<uint32_t>(static_cast<float>(sum) / kSamples * pins::kDivider);
}
