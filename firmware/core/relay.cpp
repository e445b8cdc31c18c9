#include "relay.hpp"

namespace lorrent {

namespace {
constexpr size_t kUsualSize = 64;
constexpr int kTries = 3;  // of what nobody is heard to relay
}  // namespace

void Relay::start(uint32_t node, Millis now) {
  empty();
  running_ = true;
  node_ = node;
  epoch_ = static_cast<uint16_t>(transmitter_.random(1 << 16));
  links_.start(short_(), transmitter_.radio().floorTenths());
  anyWide_ = false;
  now_ = wide_ = reset_ = faded_ = now;
  pause_ = 60000;
  planBeacon();
}

// stop keeps what is known of the neighbourhood.
void Relay::stop(Millis now) {
  if (!running_) return;
  running_ = false;
  transmitter_.cancelAll(this, now);
}

void Relay::empty() {
  for (Flood& f : floods_) f.used = false;
  for (Forward& f : forwards_) f.used = false;
}

void Relay::tick(Millis now) {
  now_ = now;
  if (running_) beaconTick();
}

void Relay::heard(const Header& h, const uint8_t* packet, size_t n, int16_t snr, Millis now) {
  if (!running_ || h.tx == short_()) return;
  now_ = now;
  if (links_.heard(h.tx, snr, now)) neighbourhoodChanged();
  if (h.type == kBundle) {
    uint8_t inner[kMaxPacket];
    Header ih;
    for (size_t at = kFirstItem, size; (size = nextItem(packet, n, &at, inner)) > 0;) {
      if (parse(inner, size, &ih)) take(ih, inner, size);
    }
  } else {
    take(h, packet, n);
  }
  reconsider();
}

// take takes in a packet, alone or out of a BUNDLE.
void Relay::take(const Header& h, const uint8_t* packet, size_t n) {
  if (h.type == kAck) return acknowledgement(h, packet, n);
  if (h.directed) return directed(h, packet, n);
  if (h.type == kBeacon) links_.learn(h, packet, now_);
  if (h.type != kBeacon || h.ttl > 0 || static_cast<uint16_t>(h.source) != h.tx) spread(h, packet, n);
}

// place is a free place for a job, or that of the oldest that waits for nothing; nullptr:
// there is none.
Job* Relay::place(Job* first, size_t size, int n, const Header& h) {
  Job* place = nullptr;
  for (Job* j = first; n > 0; n--, j = reinterpret_cast<Job*>(reinterpret_cast<uint8_t*>(j) + size)) {
    if (j->used && (j->queued || (place != nullptr && since(j->last, place->last) >= 0))) continue;
    place = j;
    if (!j->used) break;
  }
  if (place == nullptr) return nullptr;
  for (size_t i = 0; i < size; i++) reinterpret_cast<uint8_t*>(place)[i] = 0;
  place->used = true;
  place->ttl = h.ttl;
  place->name = h;
  place->last = now_;
  return place;
}

Relay::Flood* Relay::newFlood(const Header& h, uint32_t content) {
  auto* f = static_cast<Flood*>(place(floods_, sizeof floods_[0], kFloods, h));
  if (f == nullptr) return nullptr;
  f->content = content;
  f->next = kAnybody;
  if (h.type != kAck) f->holders[f->count++] = static_cast<uint16_t>(h.source);  // one names whom it is for
  return f;
}

int Relay::Flood::holder(uint16_t id) const {
  int i = 0;
  while (i < count && holders[i] != id) i++;
  return i;
}

// speakers is how many of those who sent it a node hears.
int Relay::Flood::speakers(const List& l) const {
  int n = 0;
  for (int i = 0; i < count; i++) n += (spoke >> i & 1) && l.hears(holders[i]);
  return n;
}

// spread notes a copy of something that spreads, and plans a relay of it.
void Relay::spread(const Header& h, const uint8_t* packet, size_t n) {
  const uint32_t content = contentHash(packet, n);
  Flood* f = nullptr;
  for (Flood& other : floods_) {
    if (other.used && other.content == content && other.name == h) f = &other;
  }
  if (f == nullptr) f = newFlood(h, content);
  if (f == nullptr) return;
  f->ttl = larger(f->ttl, h.ttl);
  if (f->copies < 255) f->copies++;
  f->confirmed = true;
  f->last = now_;
  const int i = f->holder(h.tx);
  if (i < kMaxHolders) {
    f->count = larger(f->count, static_cast<uint8_t>(i + 1));
    f->holders[i] = h.tx;
    f->spoke = static_cast<uint16_t>(f->spoke | 1 << i);
  }
  if (h.type == kRouted && findAck(h) != nullptr) f->over = true;

  double rank;
  if (f->queued || f->sent > 0 || h.source == node_ || f->ttl == 0 || !worthIt(*f, &rank)) return;
  if (!h.directed && h.type != kBeacon && !fair(h.source)) return;
  // The sooner the more it is worth.
  const Millis half = window(0) / 2;
  queue(f, packet, n, static_cast<Millis>(rank * half) + transmitter_.random(half));
}

// worthIt draws the scene around this node, and asks the rule.
bool Relay::worthIt(const Flood& f, double* rank) {
  if (f.over) return false;
  const Scene::Self self = {transmitter_.load(now_) / 10000.0, f.name.source == node_, f.confirmed, kTries, f.copies, f.sent};
  Scene s(self);
  for (const List& x : links_.lists()) {
    const bool has = f.holder(x.id) < f.count;
    const int copies = f.speakers(x);
    if (x.hears(short_())) {
      s.listener(f.name.type == kFlood ? 2 * links_.nearby(x) : x.degree, has, copies);
    } else if (f.sent > 0 && !has && copies == 0) {
      bool behind = false, blind = false;
      for (const List& v : links_.lists()) {
        if (!x.hears(v.id) || !v.hears(short_()) || (f.spoke >> f.holder(v.id) & 1)) continue;
        behind = true;
        blind = blind || links_.neighbour(v.id) == nullptr;
      }
      if (behind) s.beyond(x.degree, blind);
    }
  }
  if (rank != nullptr) *rank = s.rank();
  return s.relays();
}

// usual is how long a packet of usual length takes.
Millis Relay::usual() const { return transmitter_.radio().airtimeMicros(kUsualSize) / 1000; }

// window spreads relays: some packets of usual length, and more when it is busy.
Millis Relay::window(uint32_t more) {
  constexpr auto least = static_cast<uint32_t>(kTuning.window), most = static_cast<uint32_t>(kTuning.windowLoad);
  return ((least + more) * 10000 + most * transmitter_.load(now_)) / 100 * usual() / 100;
}

// reconsider takes back what was heard to be pointless.
void Relay::reconsider() {
  for (Flood& f : floods_) {
    if (f.used && f.queued && (f.sent == 0 || f.over) && !worthIt(f, nullptr)) takeBack(f);
  }
}

bool Relay::wanted(Transmission& t, Millis now) {
  now_ = now;
  if (t.job == nullptr) return true;
  return isFlood(t.job) ? worthIt(*static_cast<Flood*>(t.job), nullptr) : retry(*static_cast<Forward*>(t.job), t);
}

void Relay::done(const Transmission& t, Millis, uint32_t micros, Millis now) {
  now_ = now;
  Job* j = t.job;
  if (j == nullptr) return;
  counters_.relayed++;
  counters_.relayedNow = true;
  if (!running_) return;  // a host came meanwhile
  j->queued = false;
  j->sent++;
  if (!isFlood(j)) return sentForward(*static_cast<Forward*>(j), t);
  account(j->name.source).airtime += micros / 1000;
  // Looked at again when neighbours have had the time to relay it. What is for one node
  // its source repeats.
  if (j->sent < kTries && !(t.packet[kOptionsAt] & kDirected)) queue(j, t.packet, t.size, window(4) + transmitter_.random(2 * usual()));
}

void Relay::dropped(const Transmission& t, Reason, Millis now) {
  Job* j = t.job;
  if (j == nullptr) return;
  j->queued = false;
  if (isFlood(j)) return;
  j->over = true;
  j->last = now;
}

// queue makes room for what is more urgent than a look at what was sent before.
void Relay::queue(Job* job, const uint8_t* packet, size_t n, Millis delay) {
  if (!transmitter_.radio().withinDwell(transmitter_.radio().airtimeMicros(n))) return;
  const Millis due = now_ + delay;
  Transmission* t = transmitter_.place();
  if (t == nullptr) {
    Transmission* last = transmitter_.last(this);
    if (last == nullptr || since(last->notBefore, due) <= 0 || !transmitter_.cancel(last, Reason::superseded, now_)) return;
    t = transmitter_.place();
  }
  if (t == nullptr) return;
  copy(t->packet, packet, n);
  const int type = packet[1] & 0x0F;
  t->priority = type == kAck ? kFirstAck : type == kBeacon ? kBeacons : packet[kOptionsAt] & kDirected ? kDirect : kBroadcast;
  t->percent = type == kBeacon ? 50 : 90;
  t->notBefore = due;
  t->size = static_cast<uint8_t>(n);
  t->job = job;
  transmitter_.add(t, this, now_);
  if (job == nullptr) return;
  job->queued = true;
  setHop(t->packet, static_cast<uint8_t>(job->ttl - 1), short_(), job->next);
}

}  // namespace lorrent
