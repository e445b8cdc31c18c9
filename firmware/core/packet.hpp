// What a relay has to know of packets on the air, version 1: their headers, never
// their keys. The first half of PROTOCOL.md has the layouts.
#pragma once

#include "link.hpp"

namespace lorrent {

enum PacketType : uint8_t { kFlood, kRouted, kAck, kBeacon, kFragment, kNack, kIdentity, kPull, kBundle };

constexpr uint16_t kNobody = 0;
constexpr uint16_t kAnybody = 0xFFFF;
constexpr uint8_t kMaxTtl = 15;

constexpr size_t kBeaconHead = 15;
constexpr size_t kHopAckSize = 16;
constexpr size_t kAckSize = 24;
constexpr size_t kOptionsAt = 2;
constexpr size_t kKeyAt = 3;
constexpr size_t kTokenAt = 16;
constexpr size_t kTokenSize = 8;

// Flags of the options.
constexpr uint8_t kDirected = 0x80;
constexpr uint8_t kOption = 0x40;

inline bool isNode(uint16_t shortId) { return shortId != kNobody && shortId != kAnybody; }

// Name is what tells packets that travel apart.
struct Name {
  uint32_t source;
  uint32_t sequence;
  uint16_t epoch;
  PacketType type;
  uint8_t attempt;

  // sameMessage is for packets that may have another type and attempt.
  bool sameMessage(const Name& other) const {
    return source == other.source && sequence == other.sequence && epoch == other.epoch;
  }
  bool operator==(const Name& other) const;
};

// Header is that of a packet that travels, or of a BUNDLE.
struct Header : Name {
  bool directed;
  bool option;  // A: by type
  uint8_t ttl;
  uint16_t tx;
  uint16_t next;  // directed ones
  uint16_t dest;

  bool onChannel() const { return type == kFlood || (type == kFragment && !directed); }
};

// parse checks all that can be checked without a key. False: it is to be dropped,
// or goes one hop and is no BUNDLE.
bool parse(const uint8_t* packet, size_t n, Header* h);

// setHop makes a packet the copy that this node transmits.
void setHop(uint8_t* packet, uint8_t ttl, uint16_t tx, uint16_t next);

// contentHash tells packets of one ID apart: of what nobody may change on the way.
uint32_t contentHash(const uint8_t* packet, size_t n);

// nextItem takes the packet at an offset out of a BUNDLE that parse accepts, as it
// would have been sent alone, and moves the offset on. It returns its size, 0 at the end.
size_t nextItem(const uint8_t* bundle, size_t n, size_t* at, uint8_t* packet);
constexpr size_t kFirstItem = 5;

}  // namespace lorrent
