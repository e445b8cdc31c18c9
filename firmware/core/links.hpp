// Who hears whom: what this node hears itself, and what beacons say of others.
#pragma once

#include "packet.hpp"

namespace lorrent {

constexpr int kMaxNeighbours = 64;
constexpr int kMaxLists = 40;
constexpr int kMaxListed = 40;

bool contains(const uint16_t* ids, int n, uint16_t id);

// Known is what places for nodes begin with.
struct Known {
  Millis last;  // heard of
  uint16_t id;  // kNobody: the place is free
};

struct Neighbour : Known {
  int16_t snrTenths;
  uint16_t margin;  // 1/16 dB above the weakest that is received, smoothed
};

// List is whom a node hears, by its latest beacon. A free place hears nobody.
struct List : Known {
  uint16_t epoch;
  uint8_t degree;
  uint8_t size;  // of heard: the first of more
  uint32_t sequence;
  uint16_t heard[kMaxListed];

  bool hears(uint16_t node) const;
};

class Links {
 public:
  void start(uint16_t me, int16_t floorTenths);
  // heard notes a copy sent by a neighbour, and says whether that one is new.
  bool heard(uint16_t id, int16_t snrTenths, Millis now);
  void learn(const Header& h, const uint8_t* beacon, Millis now);
  void expire(Millis now);

  // hears says whether node a hears node b, as far as is known.
  bool hears(uint16_t a, uint16_t b);
  Neighbour* neighbour(uint16_t id);  // nullptr: it is not known
  List* list(uint16_t id);
  const Neighbour* neighbours() const { return neighbours_; }  // kMaxNeighbours places
  const List (&lists() const)[kMaxLists] { return lists_; }
  int neighbourCount() const;

  // nearby is how many can bring a listener what this node can: this node, and those of
  // its listeners whom that one hears.
  int nearby(const List& listener) const;

  // way is the next hop to a node that avoids those tried; kNobody if none is known.
  uint16_t way(uint16_t to, const uint16_t* tried, int triedCount);
  // writeNeighbours writes n and the neighbours of a beacon, best first.
  void writeNeighbours(Writer& w) const;

 private:
  uint16_t me_ = kNobody;
  int16_t floorTenths_ = 0;
  Neighbour neighbours_[kMaxNeighbours] = {};
  List lists_[kMaxLists] = {};
};

}  // namespace lorrent
