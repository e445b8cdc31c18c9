#include "packet.hpp"

namespace lorrent {

namespace {

constexpr size_t kTxAt = 12;
constexpr size_t kNextAt = 14;
constexpr size_t kDestAt = 16;
constexpr size_t kRest = 14;  // from where on a packet is its own
constexpr size_t kItemKey = 9;
constexpr unsigned kItemDirected = 8;  // added to the type
constexpr unsigned kItemTypes = 7;
constexpr size_t kStatementSize = 68;

bool bundleFits(const uint8_t* b, size_t n) {
  size_t at = kFirstItem;
  while (at < n) {
    if (b[at] <= kItemKey || at + 2 + b[at] > n) return false;
    at += 2 + b[at];
  }
  return n > kFirstItem;
}

// Shape is what the length of a type may be, and whether A may be set.
struct Shape {
  uint8_t least, most;
  bool option;
};

// kShapes has two of each type: for packets without D, and for those with it.
constexpr Shape kShapes[] = {
    {24, 255, false}, {1, 0, false},                // FLOOD
    {1, 0, false}, {27, 255, true},                 // ROUTED
    {1, 0, false}, {kHopAckSize, kAckSize, true},   // ACK
    {kBeaconHead, 255, true}, {1, 0, false},        // BEACON
    {26, 255, false}, {29, 255, true},              // FRAG
    {1, 0, false}, {1, 0, false},                   // NACK
    {119, 139, false}, {1, 0, false},               // IDENTITY
};

bool fits(const Header& h, const uint8_t* b, size_t n) {
  if (h.type > kIdentity) return false;
  const Shape& s = kShapes[2 * h.type + h.directed];
  if (n < s.least || n > s.most || h.option > s.option) return false;
  if (h.type == kAck) return n == (h.option ? kHopAckSize : kAckSize);
  if (h.type != kBeacon) return true;
  const size_t listed = kBeaconHead + 3u * b[kBeaconHead - 1] + (h.option ? kStatementSize : 0);
  return n >= listed && (n - listed) % 5 == 0;
}

}  // namespace

bool Name::operator==(const Name& other) const {
  return type == other.type && attempt == other.attempt && sameMessage(other);
}

bool parse(const uint8_t* b, size_t n, Header* h) {
  if (n < kFirstItem || n > kMaxPacket || (b[0] & 0x0F) != 0 || b[1] >> 4 != 1) return false;
  *h = Header{};
  h->type = static_cast<PacketType>(b[1] & 0x0F);
  if (h->type == kBundle) {
    h->tx = get16(b + kKeyAt);
    return b[kOptionsAt] == 0 && isNode(h->tx) && bundleFits(b, n);
  }
  const unsigned options = b[kOptionsAt];
  h->directed = options >> 7;
  h->option = options >> 6 & 1;
  h->attempt = options >> 4 & 3;
  h->ttl = options & kMaxTtl;
  if (!fits(*h, b, n)) return false;
  h->source = get32(b + kKeyAt);
  h->epoch = get16(b + kKeyAt + 4);
  h->sequence = get24(b + kKeyAt + 6);
  h->tx = get16(b + kTxAt);
  if (!isNode(static_cast<uint16_t>(h->source)) || !isNode(h->tx)) return false;
  if (h->type != kBeacon && (h->sequence >> 23 != 0) == h->onChannel()) return false;  // the other lane
  if (!h->directed) return true;
  h->next = get16(b + kNextAt);
  h->dest = h->type == kAck ? static_cast<uint16_t>(h->source) : get16(b + kDestAt);
  return h->next != kNobody && isNode(h->dest);
}

void setHop(uint8_t* b, uint8_t ttl, uint16_t tx, uint16_t next) {
  b[kOptionsAt] = static_cast<uint8_t>((b[kOptionsAt] & ~kMaxTtl) | ttl);
  Writer(b + kTxAt).u16(tx);
  if (b[kOptionsAt] & kDirected) Writer(b + kNextAt).u16(next);
}

uint32_t contentHash(const uint8_t* b, size_t n) {
  uint32_t hash = 2166136261u;  // FNV-1a
  const bool directed = b[kOptionsAt] & kDirected;
  for (size_t i = 1; i < n; i++) {
    uint8_t v = b[i];
    if (i == kOptionsAt) v &= kDirected | kOption;
    if (i == kTxAt || i == kTxAt + 1 || (directed && (i == kNextAt || i == kNextAt + 1))) v = 0;
    hash = (hash ^ v) * 16777619u;
  }
  return hash;
}

size_t nextItem(const uint8_t* b, size_t n, size_t* at, uint8_t* packet) {
  if (*at >= n) return 0;
  const uint8_t* item = b + *at;
  const uint8_t* rest = item + 2 + kItemKey;
  const unsigned options = item[1] & kItemDirected ? *rest++ : 0;
  *at += 2u + item[0];
  Writer w(packet);
  w.u8(0xC0).u8(0x10 | (item[1] & kItemTypes)).u8(static_cast<uint8_t>(options | item[1] >> 4)).bytes(item + 2, kItemKey);
  w.bytes(b + kKeyAt, 2).bytes(rest, smaller<size_t>(b + *at - rest, kMaxPacket - kRest));
  return w.size();
}

}  // namespace lorrent
