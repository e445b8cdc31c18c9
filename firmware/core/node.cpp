#include "node.hpp"

#include "packet.hpp"

namespace lorrent {

Node::Node(Board& board, const Identity& self)
    : self_(self),
      settings_(board, self.node),
      transmitter_(board, self.random),
      session_(board, self_, transmitter_, settings_, counters_),
      relay_(transmitter_, counters_) {}

void Node::start(Millis now) {
  transmitter_.start(now);
  settings_.load();
  transmitter_.use(settings_.stored().radio(), now);
  session_.start(now);
  alone_ = now + kHostPatience;
}

void Node::received(const uint8_t* p, size_t n, Millis now) {
  for (size_t i = 0; i < n; i++) session_.received(p[i], now);
  if (session_.attached()) relay_.stop(now);
}

void Node::heard(const uint8_t* packet, size_t n, int16_t rssi, int16_t snr, Millis now) {
  if (n == 0 || n > kMaxPacket) return;
  counters_.heard++;
  transmitter_.heard(transmitter_.radio().airtimeMicros(n), now);
  Header h;
  const bool sound = parse(packet, n, &h);
  if (sound) {  // beacons count by themselves
    const bool bundle = h.type == kBundle;
    const uint8_t* item = bundle ? packet + kFirstItem : packet;
    do {
      if ((item[1] & 0x0F) != kBeacon) transmitter_.overheard(item + (bundle ? 2 : kKeyAt), now);
      item += 2 + item[0];
    } while (bundle && item < packet + n);
  }
  session_.heard(packet, n, rssi, snr, now);
  if (sound) relay_.heard(h, packet, n, snr, now);
}

Millis Node::tick(Millis now) {
  session_.tick(now);
  if (session_.attached()) {
    alone_ = now;
  } else if (!relay_.running() && (settings_.stored().flags() & kRelayAlone) && reached(now, alone_)) {
    transmitter_.use(settings_.stored().radio(), now);
    relay_.start(settings_.stored().node(), now);
  }
  relay_.tick(now);
  return transmitter_.tick(now);
}

}  // namespace lorrent
