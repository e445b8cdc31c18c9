// Packets for one node, and their acknowledgements, hop by hop.
#include "relay.hpp"

namespace lorrent {

namespace {
constexpr int kHopTries = 6;  // times a packet goes to one neighbour
constexpr int kBlindTries = 2;  // to one that cannot be heard to pass it on
constexpr int kMaxWays = 2;
constexpr Millis kHopPatience = 10000;
constexpr uint32_t kBusyPatience = 6;  // times as long more when the channel is always busy
constexpr uint32_t kBusyShare = 2500;
constexpr uint8_t kUnknownHops = 7;
}  // namespace

Relay::Forward* Relay::findForward(Name name, PacketType type) {
  name.type = type;
  for (Forward& f : forwards_) {
    if (f.used && f.name == name) return &f;
  }
  return nullptr;
}

// newForward takes a free place, or that of the oldest that is over.
Relay::Forward* Relay::newForward(const Header& h, Millis now) {
  Forward* place = nullptr;
  for (Forward& f : forwards_) {
    if (!f.used) {
      place = &f;
      break;
    }
    if (!f.queued && (place == nullptr || since(now, f.last) > since(now, place->last))) place = &f;
  }
  if (place == nullptr) return nullptr;
  *place = Forward{};
  place->used = true;
  place->name = h;
  place->dest = h.dest;
  place->prev = h.tx;
  place->tried[place->triedCount++] = h.tx;
  place->last = now;
  return place;
}

Relay::Ack* Relay::findAck(const Name& name) {
  for (Ack& a : acks_) {
    if (a.used && a.name.sameMessage(name)) return &a;
  }
  return nullptr;
}

// directed takes in a copy of a message for one node.
void Relay::directed(const Header& h, const uint8_t* packet, size_t n, Millis now) {
  if (h.next == kAnybody) {
    progress(h, h.type, now);
    if (h.dest != short_()) spread(h, packet, n, now);
    return;
  }
  if (h.next == short_()) return passOn(h, packet, n, now);
  progress(h, h.type, now);
}

// passOn forwards a message, once for each attempt. Who asks again did not hear it
// passed on, and is told.
void Relay::passOn(const Header& h, const uint8_t* packet, size_t n, Millis now) {
  if (h.dest == short_()) return;  // for a node that nobody is
  if (const Ack* a = findAck(h)) {
    uint8_t ack[kAckSize];
    Writer w(ack);
    w.u8(0xC0).u8(0x10 | kAck).u8(0x80u | h.attempt << 4 | kMaxTtl).bytes(packet + kKeyAt, kKeySize);
    w.u16(short_()).u16(h.tx).bytes(a->token, 8);
    Header ah;
    if (parse(ack, kAckSize, &ah)) {
      if (Forward* old = findForward(ah, kAck)) {
        finish(*old, now);
        old->used = false;
      }
      Forward* f = newForward(ah, now);
      if (f == nullptr) return;
      f->triedCount = 0;
      f->next = h.tx;
      f->ways = 1;
      sendForward(*f, ack, kAckSize, now);
    }
    return;
  }
  if (Forward* f = findForward(h, h.type)) {
    if (h.tx == f->prev && (f->tries > 0 || f->over)) confirmHop(h, now);
    return;
  }
  if (h.ttl == 0) return;
  Forward* f = newForward(h, now);
  if (f == nullptr) return;
  f->ttl = static_cast<uint8_t>(h.ttl - 1);
  choose(*f);
  sendForward(*f, packet, n, now);
}

// choose finds the next neighbour to send to; when there is none, everybody, if the
// channel is calm. False: give up.
bool Relay::choose(Forward& f) {
  int hops = 0;
  const uint16_t next = f.ways < kMaxWays ? links_.way(f.dest, f.tried, f.triedCount, &hops) : kNobody;
  f.tries = 0;
  f.ways++;
  if (next != kNobody) {
    f.next = next;
    return true;
  }
  if (f.next == kAnybody || f.name.type == kAck) return false;
  f.next = kAnybody;
  f.ttl = smaller<uint8_t>(f.ttl, kUnknownHops);
  return true;
}

void Relay::sendForward(Forward& f, const uint8_t* packet, size_t n, Millis now) {
  uint8_t copy_[kMaxPacket];
  copy(copy_, packet, n);
  setHop(copy_, f.ttl, short_(), f.next);
  const auto id = static_cast<uint16_t>(kForwardIds + (&f - forwards_));
  const Millis due = now + transmitter_.random(transmitter_.radio().airtimeMicros(kAckSize) / 1000);
  f.queued = queue(id, f.name.type == kAck ? kFirstAck : kDirect, copy_, n, due, now) != nullptr;
  if (!f.queued) f.over = true;
}

// retry is asked when a forward is due: for the first time, or since nobody was heard
// to pass it on.
bool Relay::retry(Forward& f, Transmission& t, Millis now) {
  if (f.over || f.next == kNobody) return false;
  const int most = links_.neighbour(f.next) == nullptr ? kBlindTries : kHopTries;
  if (f.tries == 0 || f.tries < most) return true;
  if (f.triedCount < 3) f.tried[f.triedCount++] = f.next;
  if (transmitter_.load(now) >= kBusyShare && f.ways >= kMaxWays) return false;
  if (!choose(f)) return false;
  setHop(t.packet, f.ttl, short_(), f.next);
  return true;
}

void Relay::sentForward(Forward& f, const Transmission& t, Millis now) {
  f.queued = false;
  f.tries++;
  f.last = now;
  const bool last = f.next == f.dest;
  if (f.next == kAnybody || (last && f.name.type == kAck)) f.over = true;  // nothing to be heard any more
  if (f.over) return;
  const Millis reply = 2 * transmitter_.radio().airtimeMicros(t.size) / 1000 + kHopPatience;
  const Millis wait = reply / 100 * ((10000 + kBusyPatience * transmitter_.load(now)) / 100) * f.tries;
  f.queued = queue(t.id, t.priority, t.packet, t.size, now + wait + transmitter_.random(reply), now) != nullptr;
}

// progress ends a hop: someone else has passed the packet on.
void Relay::progress(const Header& h, PacketType type, Millis now) {
  Forward* f = findForward(h, type);
  if (f == nullptr || f->over || f->tries == 0) return;
  if (h.tx != f->next && h.ttl >= f->ttl) return;  // one that was before this node
  finish(*f, now);
}

void Relay::finish(Forward& f, Millis now) {
  f.over = true;
  f.last = now;
  if (!f.queued) return;
  Transmission* t = transmitter_.find(Transmission::Owner::relay, static_cast<uint16_t>(kForwardIds + (&f - forwards_)));
  if (t != nullptr) transmitter_.cancel(t, Reason::overheard, now);
}

// finishMessage ends all that carries a message, since its receiver has it.
void Relay::finishMessage(const Header& h, Millis now) {
  const auto same = [&](const auto& f) { return f.used && f.name.type != kAck && f.name.sameMessage(h); };
  for (Forward& f : forwards_) {
    if (same(f) && !f.over) finish(f, now);
  }
  for (Flood& f : floods_) {
    if (same(f)) f.over = true;
  }
}

// acknowledgement takes in one that passes by, or that is to be passed on.
void Relay::acknowledgement(const Header& h, const uint8_t* packet, size_t n, Millis now) {
  if (h.option) {  // by a relay: the hop is over, the message is not
    if (h.next != short_()) return;
    constexpr PacketType types[] = {kRouted, kFragment, kAck};
    for (PacketType type : types) {
      Forward* f = findForward(h, type);
      if (f != nullptr && f->tries > 0) finish(*f, now);
    }
    return;
  }
  finishMessage(h, now);
  if (findAck(h) == nullptr) {
    acks_[nextAck_] = {true, h, {}};
    copy(acks_[nextAck_].token, packet + kTokenAt, 8);
    nextAck_ = (nextAck_ + 1) % kAcks;
  }
  if (h.next == kAnybody) return spread(h, packet, n, now);
  if (h.next == short_()) return passAck(h, packet, now);
  progress(h, kAck, now);
}

// passAck sends an acknowledgement back the way its message came, or any other.
void Relay::passAck(const Header& h, const uint8_t* packet, Millis now) {
  if (Forward* f = findForward(h, kAck)) {
    if (f->tries > 0) confirmHop(h, now);
    return;
  }
  if (h.ttl == 0) return;
  const Forward* message = findForward(h, kRouted);
  if (message == nullptr) message = findForward(h, kFragment);
  const uint16_t back = message == nullptr ? kNobody : message->prev;
  Forward* f = newForward(h, now);
  if (f == nullptr) return;
  f->ttl = static_cast<uint8_t>(h.ttl - 1);
  if (back != kNobody && back != h.tx && (links_.hears(back, short_()) || links_.list(back) == nullptr)) {
    f->next = back;
    f->ways = 1;
  } else if (!choose(*f)) {
    f->over = true;
    return;
  }
  sendForward(*f, packet, kAckSize, now);
}

// confirmHop says that a copy has arrived, to a neighbour that did not notice.
void Relay::confirmHop(const Header& h, Millis now) {
  uint8_t ack[kHopAckSize];
  Writer w(ack);
  w.u8(0xC0).u8(0x10 | kAck).u8(0xC0u | h.attempt << 4).u32(h.source).u16(h.epoch).u24(h.sequence).u16(short_()).u16(h.tx);
  const Millis due = now + transmitter_.random(transmitter_.radio().airtimeMicros(kHopAckSize) / 1000);
  queue(kHopAckId, kFirstAck, ack, kHopAckSize, due, now);
}

}  // namespace lorrent
