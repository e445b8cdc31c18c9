#include "links.hpp"

namespace lorrent {

namespace {
constexpr Millis kSilence = 2 * 32 * 60000;  // twice the longest pause between beacons

// find is the place of a node, in places of a size.
Known* find(Known* at, size_t size, int n, uint16_t id) {
  for (; n > 0; n--, at = reinterpret_cast<Known*>(reinterpret_cast<uint8_t*>(at) + size)) {
    if (at->id == id && id != kNobody) return at;
  }
  return nullptr;
}

// room is a free place, or that of the node not heard of for longest.
Known* room(Known* at, size_t size, int n, Millis now) {
  Known* best = at;
  for (; n > 0 && best->id != kNobody; n--, at = reinterpret_cast<Known*>(reinterpret_cast<uint8_t*>(at) + size)) {
    if (at->id == kNobody || since(now, at->last) > since(now, best->last)) best = at;
  }
  return best;
}

}  // namespace

bool contains(const uint16_t* ids, int n, uint16_t id) {
  for (int i = 0; i < n; i++) {
    if (ids[i] == id) return true;
  }
  return false;
}

bool List::hears(uint16_t node) const { return contains(heard, size, node); }

void Links::start(uint16_t me, int16_t floorTenths) {
  me_ = me;
  floorTenths_ = floorTenths;
}

Neighbour* Links::neighbour(uint16_t id) {
  return static_cast<Neighbour*>(find(neighbours_, sizeof neighbours_[0], kMaxNeighbours, id));
}

List* Links::list(uint16_t id) { return static_cast<List*>(find(lists_, sizeof lists_[0], kMaxLists, id)); }

int Links::neighbourCount() const {
  int n = 0;
  for (const Neighbour& x : neighbours_) n += x.id != kNobody;
  return n;
}

bool Links::heard(uint16_t id, int16_t snrTenths, Millis now) {
  if (id == me_) return false;
  const int margin = smaller(larger((snrTenths - floorTenths_) * 16 / 10, 0), 60 * 16);
  Neighbour* n = neighbour(id);
  const bool fresh = n == nullptr;
  if (fresh) {
    n = static_cast<Neighbour*>(room(neighbours_, sizeof *n, kMaxNeighbours, now));
    n->id = id;
    n->margin = static_cast<uint16_t>(margin);
  }
  n->last = now;
  n->snrTenths = snrTenths;
  n->margin = static_cast<uint16_t>(n->margin + (margin - n->margin) / 4);
  return fresh;
}

void Links::learn(const Header& h, const uint8_t* beacon, Millis now) {
  const auto id = static_cast<uint16_t>(h.source);
  if (id == me_) return;
  List* l = list(id);
  if (l == nullptr) {
    l = static_cast<List*>(room(lists_, sizeof *l, kMaxLists, now));
  } else if (l->epoch == h.epoch && h.sequence <= l->sequence) {
    return;
  }
  l->last = now;
  l->id = id;
  l->epoch = h.epoch;
  l->sequence = h.sequence;
  l->degree = beacon[kBeaconHead - 1];
  l->size = smaller<uint8_t>(l->degree, kMaxListed);
  for (int i = 0; i < l->size; i++) l->heard[i] = get16(beacon + kBeaconHead + 3 * i);
}

void Links::expire(Millis now) {
  for (Neighbour& n : neighbours_) {
    if (now - n.last > kSilence) n.id = kNobody;
  }
  for (List& l : lists_) {
    if (now - l.last > 2 * kSilence) l.id = kNobody, l.size = 0;
  }
}

bool Links::hears(uint16_t a, uint16_t b) {
  if (a == me_) return neighbour(b) != nullptr;
  const List* l = list(a);
  return l != nullptr && l->hears(b);
}

int Links::nearby(const List& listener) const {
  int n = 1;
  for (const List& l : lists_) n += l.hears(me_) && listener.hears(l.id);
  return n;
}

// way searches from the receiver backwards, a hop at a time, for a node that hears
// this one.
uint16_t Links::way(uint16_t to, const uint16_t* tried, int triedCount) {
  uint16_t frontier[kMaxLists + 1] = {to};
  for (int begin = 0, end = 1; begin < end;) {
    uint16_t best = kNobody;
    int bestMargin = -1;
    for (const int layer = end; begin < layer; begin++) {
      const uint16_t id = frontier[begin];
      const List* l = list(id);
      if (l == nullptr) continue;
      const Neighbour* n = neighbour(id);
      const int margin = n == nullptr ? 0 : n->margin + 1;
      if (margin > bestMargin && l->hears(me_) && !contains(tried, triedCount, id)) {
        best = id;
        bestMargin = margin;
      }
      for (int i = 0; i < l->size; i++) {
        const uint16_t next = l->heard[i];
        if (next != me_ && end <= kMaxLists && list(next) != nullptr && !contains(frontier, end, next)) frontier[end++] = next;
      }
    }
    if (best != kNobody) return best;
  }
  // Nothing says that it hears us, but we hear it.
  return neighbour(to) != nullptr && !contains(tried, triedCount, to) ? to : kNobody;
}

void Links::writeNeighbours(Writer& w) const {
  int rest = neighbourCount();
  w.u8(static_cast<uint32_t>(rest));
  for (int last = 1 << 16; rest > 0;) {
    int next = -1;  // the greatest margin below the last
    for (const Neighbour& n : neighbours_) {
      if (n.id != kNobody && n.margin < last && n.margin > next) next = n.margin;
    }
    for (const Neighbour& n : neighbours_) {
      if (n.id == kNobody || n.margin != next) continue;
      w.u16(n.id).u8(static_cast<uint32_t>(smaller(n.margin / 16, 31) << 3 | 7));
      rest--;
    }
    last = next;
  }
}

}  // namespace lorrent
