// Beacons of a board without a host: a Trickle timer, as in lora/mesh.
#include "relay.hpp"

namespace lorrent {

namespace {
constexpr Millis kLeast = 60000;
constexpr Millis kMost = 32 * 60000;
constexpr Millis kWideLeast = 10 * 60000;
constexpr Millis kWideMost = 60 * 60000;
}  // namespace

// planBeacon sets the next one in the second half of the pause.
void Relay::planBeacon() { nextBeacon_ = now_ + pause_ / 2 + transmitter_.random(pause_ / 2); }

// neighbourhoodChanged makes beacons frequent again, but not all the time.
void Relay::neighbourhoodChanged() {
  changes_++;
  if (pause_ <= 2 * kLeast || since(now_, reset_) < static_cast<int32_t>(kWideLeast / 2)) return;
  reset_ = now_;
  pause_ = kLeast;
  planBeacon();
}

void Relay::beaconTick() {
  if (!reached(now_, nextBeacon_)) return;
  links_.expire(now_);
  pause_ = smaller(2 * pause_, kMost);
  planBeacon();
  beacon();
}

// beacon tells the neighbours whom this node hears; once in a while everyone, who
// need that to find ways.
void Relay::beacon() {
  const auto passed = static_cast<Millis>(since(now_, wide_));
  bool wide;
  if (!anyWide_) {
    wide = passed >= 3 * kLeast && links_.neighbourCount() > 0;
  } else {
    wide = passed >= kWideMost || (passed >= kWideLeast && 4 * changes_ >= links_.neighbourCount());
  }
  uint8_t packet[kMaxPacket];
  Writer w(packet);
  w.u8(0xC0).u8(0x10 | kBeacon).u8(wide ? kMaxTtl : 0).u32(node_).u16(epoch_).u24(++beaconSequence_).u16(short_());
  links_.writeNeighbours(w);
  Flood* f = nullptr;
  Header h;
  if (wide) {
    anyWide_ = true;
    wide_ = now_;
    changes_ = 0;
    parse(packet, w.size(), &h);
    if ((f = newFlood(h, contentHash(packet, w.size()))) == nullptr) return;
    f->ttl = kMaxTtl + 1;
  }
  queue(f, packet, w.size(), 0);
}

}  // namespace lorrent
