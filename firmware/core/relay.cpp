#include "relay.hpp"

namespace lorrent {

namespace {
constexpr size_t kUsualSize = 64;
constexpr int kTries = 3;  // of what nobody is heard to relay
}  // namespace

void Relay::start(uint32_t node, Millis now) {
  running_ = true;
  node_ = node;
  epoch_ = static_cast<uint16_t>(transmitter_.random(1 << 16));
  links_.start(short_(), transmitter_.radio().floorTenths());
  anyWide_ = false;
  wide_ = reset_ = now;
  pause_ = 60000;
  planBeacon(now);
}

// stop keeps what is known of the neighbourhood.
void Relay::stop(Millis now) {
  if (!running_) return;
  running_ = false;
  transmitter_.cancelAll(Transmission::Owner::relay, now);
  for (Flood& f : floods_) f.used = false;
  for (Forward& f : forwards_) f.used = false;
}

void Relay::tick(Millis now) {
  if (!running_) return;
  beaconTick(now);
}

void Relay::heard(const uint8_t* packet, size_t n, int16_t snr, Millis now) {
  Header h;
  if (!running_ || !parse(packet, n, &h) || h.tx == short_()) return;
  if (links_.heard(h.tx, snr, now)) neighbourhoodChanged(now);
  switch (h.type) {
    case kFlood:
    case kIdentity:
      spread(h, packet, n, now);
      break;
    case kBundle: {
      uint8_t inner[kMaxPacket];
      Header ih;
      for (size_t at = kFirstItem, size; (size = nextItem(packet, n, &at, inner)) > 0;) {
        if (parse(inner, size, &ih) && ih.onChannel()) spread(ih, inner, size, now);
      }
      break;
    }
    case kBeacon:
      links_.learn(h, packet, now);
      if (h.ttl > 0 || static_cast<uint16_t>(h.source) != h.tx) spread(h, packet, n, now);
      break;
    case kFragment:
      h.directed ? directed(h, packet, n, now) : spread(h, packet, n, now);
      break;
    case kRouted:
      directed(h, packet, n, now);
      break;
    case kAck:
      acknowledgement(h, packet, n, now);
      break;
    default:
      break;
  }
  reconsider(now);
}

Relay::Flood* Relay::findFlood(const Header& h, uint32_t content) {
  for (Flood& f : floods_) {
    if (f.used && f.content == content && f.name == h) return &f;
  }
  return nullptr;
}

// newFlood takes a free place, or that of the oldest that waits for nothing.
Relay::Flood* Relay::newFlood(const Header& h, uint32_t content, Millis now) {
  Flood* place = nullptr;
  for (Flood& f : floods_) {
    if (!f.used) {
      place = &f;
      break;
    }
    if (!f.queued && (place == nullptr || since(now, f.last) > since(now, place->last))) place = &f;
  }
  if (place == nullptr) return nullptr;
  *place = Flood{};
  place->used = true;
  place->ttl = h.ttl;
  place->name = h;
  place->content = content;
  place->own = h.source == node_;
  place->last = now;
  if (h.type != kAck) holds(*place, static_cast<uint16_t>(h.source), false);  // it names whom it is for
  return place;
}

void Relay::holds(Flood& f, uint16_t id, bool spoke) {
  int i = 0;
  while (i < f.holderCount && f.holders[i] != id) i++;
  if (i == kMaxHolders) return;
  if (i == f.holderCount) f.holders[f.holderCount++] = id;
  if (spoke) f.spoke = static_cast<uint16_t>(f.spoke | 1 << i);
}

// spread notes a copy of something that spreads, and plans a relay of it.
void Relay::spread(const Header& h, const uint8_t* packet, size_t n, Millis now) {
  const uint32_t content = contentHash(packet, n);
  Flood* f = findFlood(h, content);
  if (f == nullptr) f = newFlood(h, content, now);
  if (f == nullptr) return;
  f->ttl = larger(f->ttl, h.ttl);
  if (f->copies < 255) f->copies++;
  f->confirmed = true;
  f->last = now;
  holds(*f, h.tx, true);
  if (h.type == kRouted && findAck(h) != nullptr) f->over = true;

  double rank = 1;
  if (f->queued || f->sent > 0 || f->own || f->ttl == 0 || !worthIt(*f, now, &rank)) return;
  uint8_t copy_[kMaxPacket];
  copy(copy_, packet, n);
  setHop(copy_, static_cast<uint8_t>(f->ttl - 1), short_(), kAnybody);
  const uint8_t priority = h.type == kAck ? kFirstAck : h.type == kRouted ? kDirect : h.type == kBeacon ? kBeacons : kBroadcast;
  const auto id = static_cast<uint16_t>(kFloodIds + (f - floods_));
  f->queued = queue(id, priority, copy_, n, now + spreadDelay(rank, now), now) != nullptr;
}

// worthIt draws the scene around this node, and asks the rule.
bool Relay::worthIt(const Flood& f, Millis now, double* rank_) {
  if (f.over) return false;
  Listener listeners[kMaxLists];
  Beyond beyond[kMaxLists];
  bool known[kMaxLists] = {};
  int place[kMaxLists];
  Scene s{transmitter_.load(now) / 10000.0, f.own, f.confirmed, kTries, f.copies, f.sent, listeners, 0, beyond, 0};
  const List* lists = links_.lists();
  const auto hasSpoken = [&](uint16_t id) {
    for (int i = 0; i < f.holderCount; i++) {
      if (f.holders[i] == id) return (f.spoke >> i & 1) != 0;
    }
    return false;
  };
  const auto hearsSpeakers = [&](const List& l) {
    int n = 0;
    for (int i = 0; i < f.holderCount; i++) n += (f.spoke >> i & 1) && contains(l.hears, l.size, f.holders[i]);
    return n;
  };
  for (int i = 0; i < kMaxLists; i++) {
    const List& v = lists[i];
    if (v.id == kNobody || !contains(v.hears, v.size, short_())) continue;
    const bool has = contains(f.holders, f.holderCount, v.id);
    listeners[s.listenerCount++] = {v.degree, has, static_cast<uint8_t>(has ? 0 : hearsSpeakers(v))};
    if (f.sent == 0 || hasSpoken(v.id)) continue;
    const bool blind = links_.neighbour(v.id) == nullptr;
    for (int j = 0; j < kMaxLists; j++) {
      const List& x = lists[j];
      if (x.id == kNobody || !contains(x.hears, x.size, v.id)) continue;
      if (known[j]) {
        beyond[place[j]].blind = beyond[place[j]].blind || blind;
      } else if (!contains(f.holders, f.holderCount, x.id) && !contains(x.hears, x.size, short_()) && hearsSpeakers(x) == 0) {
        known[j] = true;
        place[j] = s.beyondCount;
        beyond[s.beyondCount++] = {x.degree, blind};
      }
    }
  }
  if (rank_ != nullptr) *rank_ = rank(kTuning, s);
  return relays(kTuning, s);
}

// usual is how long a packet of usual length takes.
Millis Relay::usual() const { return transmitter_.radio().airtimeMicros(kUsualSize) / 1000; }

// window spreads relays: some packets of usual length, and more when it is busy.
Millis Relay::window(Millis now, uint32_t more) {
  constexpr auto least = static_cast<uint32_t>(kTuning.window), most = static_cast<uint32_t>(kTuning.windowLoad);
  return ((least + more) * 10000 + most * transmitter_.load(now)) / 100 * usual() / 100;
}

// spreadDelay is shorter the more a relay is worth.
Millis Relay::spreadDelay(double rank, Millis now) {
  const Millis half = window(now, 0) / 2;
  return static_cast<Millis>(rank * half) + transmitter_.random(half);
}

// reconsider takes back what was heard to be pointless.
void Relay::reconsider(Millis now) {
  for (int i = 0; i < kFloods; i++) {
    Flood& f = floods_[i];
    if (!f.used || !f.queued || (f.sent > 0 && !f.over) || worthIt(f, now, nullptr)) continue;
    Transmission* t = transmitter_.find(Transmission::Owner::relay, static_cast<uint16_t>(kFloodIds + i));
    if (t != nullptr) transmitter_.cancel(t, Reason::overheard, now);
  }
}

bool Relay::wanted(Transmission& t, Millis now) {
  if (t.id < kFloodIds + kFloods) return worthIt(floods_[t.id - kFloodIds], now, nullptr);
  if (t.id >= kForwardIds && t.id < kForwardIds + kForwards) return retry(forwards_[t.id - kForwardIds], t, now);
  return true;
}

void Relay::done(const Transmission& t, Millis now) {
  if (t.id != kBeaconId) {
    counters_.relayed++;
    counters_.relayedNow = true;
  }
  if (t.id >= kForwardIds && t.id < kForwardIds + kForwards) return sentForward(forwards_[t.id - kForwardIds], t, now);
  if (t.id >= kFloodIds + kFloods) return;
  Flood& f = floods_[t.id];
  f.sent++;
  f.queued = false;
  if (f.sent >= kTries) return;
  // Looked at again when neighbours have had the time to relay it.
  const Millis check = window(now, 4) + transmitter_.random(2 * usual());
  f.queued = queue(t.id, t.priority, t.packet, t.size, now + check, now) != nullptr;
}

void Relay::dropped(const Transmission& t, Reason, Millis now) {
  if (t.id < kFloodIds + kFloods) floods_[t.id].queued = false;
  if (t.id >= kForwardIds && t.id < kForwardIds + kForwards) {
    Forward& f = forwards_[t.id - kForwardIds];
    f.queued = false;
    f.over = true;
    f.last = now;
  }
}

// queue makes room for what is more urgent than a look at what was sent before.
Transmission* Relay::queue(uint16_t id, uint8_t priority, const uint8_t* packet, size_t n, Millis due, Millis now) {
  if (!transmitter_.radio().withinDwell(transmitter_.radio().airtimeMicros(n))) return nullptr;
  Transmission* t = transmitter_.place();
  if (t == nullptr) {
    Transmission* last = transmitter_.last(Transmission::Owner::relay);
    if (last == nullptr || since(last->notBefore, due) <= 0 || !transmitter_.cancel(last, Reason::superseded, now)) return nullptr;
    t = transmitter_.place();
    if (t == nullptr) return nullptr;
  }
  t->id = id;
  t->priority = priority;
  t->percent = priority == kBeacons ? 50 : 90;
  t->notBefore = due;
  t->size = static_cast<uint8_t>(n);
  copy(t->packet, packet, n);
  transmitter_.add(t, Transmission::Owner::relay, now);
  return t;
}

}  // namespace lorrent
