// The share of each source in what is relayed while the channel is busy: lora/mesh's
// rule, with fewer accounts. Sources of which nothing else is known share one, since
// whoever invents sources invents many.
#include "relay.hpp"

namespace lorrent {

namespace {
constexpr uint32_t kStrangers = 0;
constexpr uint32_t kBusy = 2500;
constexpr uint32_t kLeastSharers = 4;
constexpr Millis kFade = 40000;  // in which an eighth is forgotten: in 5 min to 1/e
}  // namespace

// account is that of a source. A new one takes the place of that with the least.
Relay::Account& Relay::account(uint32_t source) {
  for (; now_ - faded_ >= kFade; faded_ += kFade) {
    for (Account& a : accounts_) a.airtime -= a.airtime / 8;
  }
  const auto id = static_cast<uint16_t>(source);
  if (links_.neighbour(id) == nullptr && links_.list(id) == nullptr) source = kStrangers;
  Account* least = accounts_;
  for (Account& a : accounts_) {
    if (a.source == source) return a;
    if (a.airtime < least->airtime) least = &a;
  }
  *least = {source, 0};
  return *least;
}

// fair says whether a source may have something relayed.
bool Relay::fair(uint32_t source) {
  if (transmitter_.load(now_) < kBusy) return true;
  const Millis had = account(source).airtime, usual = this->usual();
  uint32_t total = 0, active = 0;
  for (const Account& a : accounts_) {
    total += a.airtime;
    active += a.airtime > usual / 4;
  }
  return had <= larger(2 * total / larger(active, kLeastSharers), 4 * usual);
}

}  // namespace lorrent
