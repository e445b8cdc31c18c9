// Who hears whom: what this node hears itself, and what beacons say of others.
#pragma once

#include "packet.hpp"

namespace lorrent {

constexpr int kMaxNeighbours = 64;
constexpr int kMaxLists = 40;
constexpr int kMaxListed = 40;

struct Neighbour {
  uint16_t id;  // kNobody: the place is free
  int16_t snrTenths;
  uint16_t margin;  // 1/16 dB above the weakest that is received, smoothed
  Millis last;
};

// List is whom a node hears, by its latest beacon.
struct List {
  uint16_t id;  // kNobody: the place is free
  uint16_t epoch;
  uint32_t sequence;
  Millis at;
  uint8_t degree;
  uint8_t size;  // of hears: the first of more
  uint16_t hears[kMaxListed];
};

class Links {
 public:
  void start(uint16_t me, int16_t floorTenths);
  // heard notes a copy sent by a neighbour, and says whether that one is new.
  bool heard(uint16_t id, int16_t snrTenths, Millis now);
  void learn(const Header& h, const uint8_t* beacon, Millis now);
  void expire(Millis now);

  // hears says whether node a hears node b, as far as is known.
  bool hears(uint16_t a, uint16_t b) const;
  const Neighbour* neighbour(uint16_t id) const;
  const Neighbour* neighbours() const { return neighbours_; }  // kMaxNeighbours places
  const List* lists() const { return lists_; }                 // kMaxLists places
  const List* list(uint16_t id) const;
  int neighbourCount() const;

  // way is the next hop to a node that avoids those tried; kNobody if none is known.
  uint16_t way(uint16_t to, const uint16_t* tried, int triedCount, int* hops) const;
  // writeNeighbours writes n and the neighbours of a beacon, best first.
  void writeNeighbours(Writer& w) const;

 private:
  Neighbour* room(Millis now);

  uint16_t me_ = kNobody;
  int16_t floorTenths_ = 0;
  Neighbour neighbours_[kMaxNeighbours] = {};
  List lists_[kMaxLists] = {};
};

bool contains(const uint16_t* ids, int n, uint16_t id);

}  // namespace lorrent
