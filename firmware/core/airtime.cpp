#include "airtime.hpp"

namespace lorrent {

void Ledger::advance(Millis now) {
  if (now - slotBegan_ >= kSlot * kSlots) {  // all of it has left the hour
    for (uint32_t& used : used_) used = 0;
    total_ = 0;
    slotBegan_ = now;
  }
  while (now - slotBegan_ >= kSlot) {
    slotBegan_ += kSlot;
    slot_ = (slot_ + 1) % kSlots;
    total_ -= used_[slot_];
    used_[slot_] = 0;
  }
}

bool Ledger::allows(uint32_t micros, uint16_t dutyCycle, unsigned percent, Millis now) {
  advance(now);
  if (dutyCycle >= 10000) return true;
  const uint32_t allowed = dutyCycle * 3600u * percent;  // µs: an hour is 3.6e9
  return total_ <= allowed && micros <= allowed - total_;
}

void Ledger::record(uint32_t micros, Millis now) {
  advance(now);
  if (micros > 0xFFFFFFFFu - total_) micros = 0xFFFFFFFFu - total_;
  used_[slot_] += micros;
  total_ += micros;
}

uint32_t Ledger::usedMillis(Millis now) {
  advance(now);
  return total_ / 1000;
}

namespace {
constexpr Millis kMemory = 120000;
constexpr uint32_t kFull = kMemory * 64;
constexpr uint32_t kFadePerSecond = 544;  // 1 - e^(-1/120), in 1/65536
}  // namespace

void Load::fade(Millis now) {
  if (now - faded_ >= 20 * kMemory) {
    airtime_ = 0;
    faded_ = now;
  }
  while (now - faded_ >= 1000) {
    faded_ += 1000;
    airtime_ -= (airtime_ * kFadePerSecond + 0xFFFF) >> 16;  // of at most kFull
  }
}

void Load::heard(uint32_t micros, Millis now) {
  fade(now);
  airtime_ = smaller(airtime_ + smaller(micros, kMemory * 1000) * 8 / 125, kFull);
}

uint16_t Load::share(Millis now) {
  fade(now);
  return static_cast<uint16_t>(airtime_ / (kFull / 10000));
}

}  // namespace lorrent
