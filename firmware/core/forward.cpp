// Packets for one node, and their acknowledgements, hop by hop.
#include "relay.hpp"

namespace lorrent {

namespace {
constexpr int kHopTries = 6;  // times a packet goes to one neighbour
constexpr int kBlindTries = 2;  // to one that cannot be heard to pass it on
constexpr int kMaxWays = 2;
constexpr Millis kHopPackets = 14;  // how long it may take to pass one on, in those of usual length,
constexpr Millis kHopLeast = 1000;  // and at least
constexpr uint32_t kBusyPatience = 6;  // times as long more when the channel is always busy
constexpr uint32_t kBusyShare = 2500;
constexpr uint8_t kUnknownHops = 7;
}  // namespace

Relay::Forward* Relay::findForward(const Name& name, PacketType type) {
  for (Forward& f : forwards_) {
    if (f.used && f.name.type == type && f.name.attempt == name.attempt && f.name.sameMessage(name)) return &f;
  }
  return nullptr;
}

Relay::Forward* Relay::newForward(const Header& h) {
  auto* f = static_cast<Forward*>(place(forwards_, sizeof forwards_[0], kForwards, h));
  if (f == nullptr) return nullptr;
  f->dest = h.dest;
  f->prev = f->tried[f->count++] = h.tx;
  return f;
}

// findAck is by attempt: it cannot be checked here, and who has been told a false one
// asks again with another.
const Relay::Ack* Relay::findAck(const Name& name) const {
  for (const Ack& a : acks_) {
    if (a.name.attempt == name.attempt && a.name.sameMessage(name)) return &a;
  }
  return nullptr;
}

// directed takes in a copy of a message for one node.
void Relay::directed(const Header& h, const uint8_t* packet, size_t n) {
  if (h.next == short_()) return passOn(h, packet, n);
  progress(h);
  if (h.next != kAnybody || h.dest == short_()) return;
  spread(h, packet, n);
  const Ack* a = findAck(h);
  if (a != nullptr && h.tx == static_cast<uint16_t>(h.source)) acknowledgeAgain(h, packet, *a);  // which has missed it
}

// passOn forwards a message, once for each attempt. Who asks again did not hear it
// passed on, and is told.
void Relay::passOn(const Header& h, const uint8_t* packet, size_t n) {
  if (h.dest == short_()) return;  // for a node that nobody is
  if (const Ack* a = findAck(h)) return acknowledgeAgain(h, packet, *a);
  Forward* f = findForward(h, h.type);
  if (f != nullptr) {
    if (h.tx == f->prev && (f->sent > 0 || f->over)) confirmHop(h, packet);
    return;
  }
  if (h.ttl == 0 || (f = newForward(h)) == nullptr) return;
  choose(*f);
  sendForward(*f, packet, n);
}

// acknowledgeAgain answers for a receiver that has acknowledged before.
void Relay::acknowledgeAgain(const Header& h, const uint8_t* packet, const Ack& a) {
  Header ack = h;
  ack.type = kAck;
  ack.ttl = kMaxTtl + 1;
  ack.dest = static_cast<uint16_t>(h.source);
  Forward* f = findForward(ack, kAck);
  if (f != nullptr) {
    finish(*f);
    f->used = false;
  }
  if ((f = newForward(ack)) == nullptr) return;
  f->count = 0;
  f->next = h.tx;
  f->ways = 1;
  uint8_t bytes[kAckSize];
  writeAck(bytes, h, packet, kDirected).bytes(a.token, kTokenSize);
  sendForward(*f, bytes, kAckSize);
}

// choose finds the next neighbour to send to; when there is none, everybody, if the
// channel is calm. False: give up.
bool Relay::choose(Forward& f) {
  const uint16_t next = f.ways < kMaxWays ? links_.way(f.dest, f.tried, f.count) : kNobody;
  f.sent = 0;
  f.ways++;
  if (next == kNobody) {
    if (f.next == kAnybody || f.name.type == kAck) return false;
    f.ttl = smaller<uint8_t>(f.ttl, kUnknownHops + 1);
  }
  f.next = next == kNobody ? kAnybody : next;
  return true;
}

// shortWhile spreads answers over the time that one takes.
Millis Relay::shortWhile(size_t n) { return transmitter_.random(transmitter_.radio().airtimeMicros(n) / 1000); }

void Relay::sendForward(Forward& f, const uint8_t* packet, size_t n) {
  queue(&f, packet, n, shortWhile(kAckSize));
  f.over = !f.queued;
}

// retry is asked when a forward is due: for the first time, or since nobody was heard
// to pass it on.
bool Relay::retry(Forward& f, Transmission& t) {
  if (f.over || f.next == kNobody) return false;
  const int most = links_.neighbour(f.next) == nullptr ? kBlindTries : kHopTries;
  if (f.sent < most) return true;
  if (f.count < kMaxTried) f.tried[f.count++] = f.next;
  if (transmitter_.load(now_) >= kBusyShare && f.ways >= kMaxWays) return false;
  if (!choose(f)) return false;
  setHop(t.packet, static_cast<uint8_t>(f.ttl - 1), short_(), f.next);
  return true;
}

void Relay::sentForward(Forward& f, const Transmission& t) {
  f.last = now_;
  f.over = f.over || f.next == kAnybody || (f.next == f.dest && f.name.type == kAck);  // nothing to be heard any more
  if (f.over) return;
  const Millis reply = 2 * transmitter_.radio().airtimeMicros(t.size) / 1000 + larger<Millis>(kHopPackets * usual(), kHopLeast);
  const Millis wait = reply / 100 * ((10000 + kBusyPatience * transmitter_.load(now_)) / 100) * f.sent;
  queue(&f, t.packet, t.size, wait + transmitter_.random(reply));
}

// progress ends a hop: someone else has passed the packet on.
void Relay::progress(const Header& h) {
  Forward* f = findForward(h, h.type);
  if (f == nullptr || f->over || f->sent == 0) return;
  if (h.tx == f->next || h.ttl + 1 < f->ttl) finish(*f);  // others were before this node
}

void Relay::finish(Job& j) {
  j.over = true;
  j.last = now_;
  takeBack(j);
}

void Relay::takeBack(Job& j) {
  Transmission* t = j.queued ? transmitter_.find(this, 0, &j) : nullptr;
  if (t != nullptr) transmitter_.cancel(t, Reason::overheard, now_);
}

// finishMessage ends all that carries a message, since its receiver has it.
void Relay::finishMessage(const Name& name) {
  const auto end = [&](Job& j) {
    if (j.used && !j.over && j.name.type != kAck && j.name.sameMessage(name)) finish(j);
  };
  for (Forward& f : forwards_) end(f);
  for (Flood& f : floods_) end(f);
}

// acknowledgement takes in one that passes by, or that is to be passed on.
void Relay::acknowledgement(const Header& h, const uint8_t* packet, size_t n) {
  if (h.option) {  // by a relay: the hop is over, the message is not
    if (h.next != short_()) return;
    constexpr PacketType types[] = {kRouted, kFragment, kAck};
    for (PacketType type : types) {
      Forward* f = findForward(h, type);
      if (f != nullptr && f->sent > 0) finish(*f);
    }
    return;
  }
  finishMessage(h);
  if (findAck(h) == nullptr) {
    Ack& a = acks_[nextAck_++ % kAcks];
    a.name = h;
    copy(a.token, packet + kTokenAt, kTokenSize);
  }
  if (h.next == kAnybody) return spread(h, packet, n);
  if (h.next == short_()) return passAck(h, packet);
  progress(h);
}

// passAck sends an acknowledgement back the way its message came, or any other.
void Relay::passAck(const Header& h, const uint8_t* packet) {
  Forward* f = findForward(h, kAck);
  if (f != nullptr && f->sent > 0) confirmHop(h, packet);
  if (f != nullptr || h.ttl == 0) return;
  const Forward* message = findForward(h, kRouted);
  if (message == nullptr) message = findForward(h, kFragment);
  const uint16_t back = message == nullptr ? kNobody : message->prev;
  if ((f = newForward(h)) == nullptr) return;
  if (back != kNobody && back != h.tx && (links_.hears(back, short_()) || links_.list(back) == nullptr)) {
    f->next = back;
    f->ways = 1;
  } else if (!choose(*f)) {
    f->over = true;
    return;
  }
  sendForward(*f, packet, kAckSize);
}

// writeAck begins an acknowledgement of a packet for who has sent it.
Writer Relay::writeAck(uint8_t* to, const Header& h, const uint8_t* packet, uint8_t options) {
  Writer w(to);
  w.u8(0xC0).u8(0x10 | kAck).u8(options | h.attempt << 4).bytes(packet + kKeyAt, kKeySize).u16(short_()).u16(h.tx);
  return w;
}

// confirmHop says that a copy has arrived, to a neighbour that did not notice.
void Relay::confirmHop(const Header& h, const uint8_t* packet) {
  uint8_t ack[kHopAckSize];
  writeAck(ack, h, packet, kDirected | kOption);
  queue(nullptr, ack, kHopAckSize, shortWhile(kHopAckSize));
}

}  // namespace lorrent
