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
void Relay::planBeacon(Millis now) { nextBeacon_ = now + pause_ / 2 + transmitter_.random(pause_ / 2); }

// neighbourhoodChanged makes beacons frequent again, but not all the time.
void Relay::neighbourhoodChanged(Millis now) {
  changes_++;
  if (pause_ <= 2 * kLeast || since(now, reset_) < static_cast<int32_t>(kWideLeast / 2)) return;
  reset_ = now;
  pause_ = kLeast;
  planBeacon(now);
}

void Relay::beaconTick(Millis now) {
  if (!reached(now, nextBeacon_)) return;
  links_.expire(now);
  pause_ = smaller(2 * pause_, kMost);
  planBeacon(now);
  beacon(now);
}

// beacon tells the neighbours whom this node hears; once in a while everyone, who
// need that to find ways.
void Relay::beacon(Millis now) {
  const auto passed = static_cast<Millis>(since(now, wide_));
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
  if (!wide) {
    queue(kBeaconId, kBeacons, packet, w.size(), now, now);
    return;
  }
  anyWide_ = true;
  wide_ = now;
  changes_ = 0;
  Header h;
  if (!parse(packet, w.size(), &h)) return;
  Flood* f = newFlood(h, contentHash(packet, w.size()), now);
  if (f == nullptr) return;
  const auto id = static_cast<uint16_t>(kFloodIds + (f - floods_));
  f->queued = queue(id, kBeacons, packet, w.size(), now, now) != nullptr;
}

}  // namespace lorrent
