#include "links.hpp"

namespace lorrent {

namespace {
constexpr Millis kSilence = 2 * 32 * 60000;  // twice the longest pause between beacons
}

bool contains(const uint16_t* ids, int n, uint16_t id) {
  for (int i = 0; i < n; i++) {
    if (ids[i] == id) return true;
  }
  return false;
}

void Links::start(uint16_t me, int16_t floorTenths) {
  me_ = me;
  floorTenths_ = floorTenths;
}

const Neighbour* Links::neighbour(uint16_t id) const {
  for (const Neighbour& n : neighbours_) {
    if (n.id == id && id != kNobody) return &n;
  }
  return nullptr;
}

const List* Links::list(uint16_t id) const {
  for (const List& l : lists_) {
    if (l.id == id && id != kNobody) return &l;
  }
  return nullptr;
}

int Links::neighbourCount() const {
  int n = 0;
  for (const Neighbour& x : neighbours_) n += x.id != kNobody;
  return n;
}

// room is a free place, or that of the neighbour silent for longest.
Neighbour* Links::room(Millis now) {
  Neighbour* oldest = &neighbours_[0];
  for (Neighbour& n : neighbours_) {
    if (n.id == kNobody) return &n;
    if (since(now, n.last) > since(now, oldest->last)) oldest = &n;
  }
  return oldest;
}

bool Links::heard(uint16_t id, int16_t snrTenths, Millis now) {
  if (id == me_) return false;
  const int margin = smaller(larger((snrTenths - floorTenths_) * 16 / 10, 0), 60 * 16);
  auto* n = const_cast<Neighbour*>(neighbour(id));
  const bool fresh = n == nullptr;
  if (fresh) {
    n = room(now);
    *n = {id, 0, static_cast<uint16_t>(margin), now};
  }
  n->last = now;
  n->snrTenths = snrTenths;
  n->margin = static_cast<uint16_t>(n->margin + (margin - n->margin) / 4);
  return fresh;
}

void Links::learn(const Header& h, const uint8_t* beacon, Millis now) {
  const auto id = static_cast<uint16_t>(h.source);
  if (id == me_) return;
  auto* l = const_cast<List*>(list(id));
  if (l != nullptr && l->epoch == h.epoch && h.sequence <= l->sequence) return;
  if (l == nullptr) {
    l = &lists_[0];
    for (List& other : lists_) {
      if (other.id == kNobody) {
        l = &other;
        break;
      }
      if (since(now, other.at) > since(now, l->at)) l = &other;
    }
  }
  *l = {id, h.epoch, h.sequence, now, beacon[14], smaller<uint8_t>(beacon[14], kMaxListed), {}};
  for (int i = 0; i < l->size; i++) l->hears[i] = get16(beacon + kBeaconHead + 3 * i);
}

void Links::expire(Millis now) {
  for (Neighbour& n : neighbours_) {
    if (n.id != kNobody && now - n.last > kSilence) n.id = kNobody;
  }
  for (List& l : lists_) {
    if (l.id != kNobody && now - l.at > 2 * kSilence) l.id = kNobody;
  }
}

bool Links::hears(uint16_t a, uint16_t b) const {
  if (a == me_) return neighbour(b) != nullptr;
  const List* l = list(a);
  return l != nullptr && contains(l->hears, l->size, b);
}

// way searches from the receiver backwards, a hop at a time, for a node that hears
// this one.
uint16_t Links::way(uint16_t to, const uint16_t* tried, int triedCount, int* hops) const {
  uint16_t frontier[kMaxLists + 1] = {to};
  int begin = 0, end = 1;
  for (*hops = 1; begin < end; ++*hops) {
    const int layer = end;
    uint16_t best = kNobody;
    int bestMargin = -1;
    for (; begin < layer; begin++) {
      const uint16_t id = frontier[begin];
      const List* l = list(id);
      if (l == nullptr) continue;
      const Neighbour* n = neighbour(id);
      const int margin = n == nullptr ? 0 : n->margin + 1;
      if (contains(l->hears, l->size, me_) && !contains(tried, triedCount, id) && margin > bestMargin) {
        best = id;
        bestMargin = margin;
      }
      for (int i = 0; i < l->size; i++) {
        const uint16_t next = l->hears[i];
        if (next != me_ && end <= kMaxLists && list(next) != nullptr && !contains(frontier, end, next)) frontier[end++] = next;
      }
    }
    if (best != kNobody) return best;
  }
  *hops = 1;  // nothing says that it hears us, but we hear it
  return neighbour(to) != nullptr && !contains(tried, triedCount, to) ? to : kNobody;
}

void Links::writeNeighbours(Writer& w) const {
  w.u8(static_cast<uint32_t>(neighbourCount()));
  int last = 1 << 16;
  for (int written = 0; written < neighbourCount();) {
    int next = -1;  // the greatest margin below the last
    for (const Neighbour& n : neighbours_) {
      if (n.id != kNobody && n.margin < last && n.margin > next) next = n.margin;
    }
    for (const Neighbour& n : neighbours_) {
      if (n.id == kNobody || n.margin != next) continue;
      w.u16(n.id).u8(static_cast<uint32_t>(smaller(n.margin / 16, 31) << 3 | 7));
      written++;
    }
    last = next;
  }
}

}  // namespace lorrent
