// The relay, and what is for one node.
#include "bench.hpp"

namespace {

// A message of node 0x11110001 for node 9, by way of this one (0x22220002).
Bytes routed(uint8_t attempt) {
  Bytes b = {0xC0, 0x11, static_cast<uint8_t>(0xC7 | attempt << 4), 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0x80, 0, 5, 0x00, 0x01, 0x00, 0x02, 0x00, 0x09};
  b.resize(40, 0xDD);
  return b;
}

Bytes acknowledgement(uint8_t attempt) {
  Bytes b = {0xC0, 0x12, static_cast<uint8_t>(0x87 | attempt << 4), 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0x80, 0, 5, 0x00, 0x09, 0x00, 0x02};
  b.resize(24, 0xEE);
  return b;
}

void hearBeaconOf9(Bench& b) {  // which hears this node
  hear(b, {0xC0, 0x13, 0, 0x44, 0x44, 0x00, 0x09, 0xBE, 0xEF, 0, 0, 1, 0x00, 0x09, 1, 0x00, 0x02, 0xFF});
}

int sentOf(const Bench& b, uint8_t type) {
  int n = 0;
  for (const Sent& s : b.desk.sent) n += s.packet[1] == (0x10 | type);
  return n;
}

void testPassesOnUntilAcknowledged() {
  Bench b;
  alone(b);
  hearBeaconOf9(b);
  hear(b, routed(0));
  b.pass(1000);
  CHECK(sentOf(b, kRouted) == 1, "%d", sentOf(b, kRouted));
  if (b.desk.sent.empty()) return;
  const Bytes& p = b.desk.sent[0].packet;
  CHECK(p[2] == 0xC6 && p[12] == 0x00 && p[13] == 0x02 && p[14] == 0x00 && p[15] == 0x09);
  b.pass(40000);
  CHECK(sentOf(b, kRouted) >= 2, "nobody was heard to have it: it is repeated");
  hear(b, acknowledgement(0));
  b.pass(1000);
  const int sent = sentOf(b, kRouted);
  CHECK(sentOf(b, kAck) == 1 && b.desk.sent.back().packet[15] == 0x01, "it goes back the way the message came");
  b.pass(120000);
  CHECK(sentOf(b, kRouted) == sent, "after the acknowledgement %d", sentOf(b, kRouted) - sent);
}

// Who asks again did not hear the acknowledgement. Who asks with another attempt did not
// believe it.
void testAnswersForTheReceiver() {
  Bench b;
  alone(b);
  hearBeaconOf9(b);
  hear(b, routed(0));
  b.pass(500);
  hear(b, acknowledgement(0));
  b.pass(5000);
  b.desk.sent.clear();
  hear(b, routed(0));
  b.pass(1000);
  CHECK(sentOf(b, kAck) == 1 && sentOf(b, kRouted) == 0);
  hear(b, routed(1));
  b.pass(1000);
  CHECK(sentOf(b, kRouted) == 1, "a false acknowledgement silences one attempt at most");
}

// What others put together is taken apart: two messages go on, an acknowledgement ends
// what it is of.
void testTakesBundlesApart() {
  const auto item = [](const Bytes& p) {
    Bytes i = {static_cast<uint8_t>(p.size() - 4), static_cast<uint8_t>((p[2] & 0x0F) << 4 | (p[1] & 0x0F) | 8)};
    i.insert(i.end(), p.begin() + 3, p.begin() + 12);
    i.push_back(p[2] & 0xF0);
    i.insert(i.end(), p.begin() + 14, p.end());
    return i;
  };
  const auto bundle = [&](uint8_t tx, std::initializer_list<Bytes> packets) {
    Bytes b = {0xC0, 0x18, 0, 0x00, tx};
    for (const Bytes& p : packets) {
      const Bytes i = item(p);
      b.insert(b.end(), i.begin(), i.end());
    }
    return b;
  };
  Bench b;
  alone(b);
  hearBeaconOf9(b);
  hear(b, bundle(1, {routed(0), routed(1)}));
  b.pass(1000);
  CHECK(sentOf(b, kRouted) == 2, "%d", sentOf(b, kRouted));
  for (const Sent& s : b.desk.sent) {
    if (s.packet[1] == (0x10 | kRouted)) CHECK(s.packet.size() == routed(0).size() && s.packet[15] == 0x09 && s.packet.back() == 0xDD);
  }
  hear(b, bundle(9, {acknowledgement(0)}));
  b.pass(1000);
  CHECK(sentOf(b, kAck) == 1, "%d", sentOf(b, kAck));
  const int sent = sentOf(b, kRouted);
  b.pass(120000);
  CHECK(sentOf(b, kRouted) == sent, "after the acknowledgement %d", sentOf(b, kRouted) - sent);
}

// A beacon in company is as good as one alone: node 7 can be reached by way of node 9.
void testLearnsFromBundles() {
  Bench b;
  alone(b);
  hearBeaconOf9(b);
  hear(b, {0xC0, 0x18, 0, 0x00, 0x09,                                                     // of node 9:
           10, 0x07, 0, 0x00, 0x01, 7, 1, 2, 3, 4, 5, 6,                                  // a question, and
           13, 0x03, 0x44, 0x44, 0x00, 0x07, 0xBE, 0xEF, 0, 0, 1, 1, 0x00, 0x09, 0xFF});  // whom node 7 hears
  Bytes p = routed(0);
  p[17] = 0x07;
  hear(b, p);
  b.pass(1000);
  CHECK(sentOf(b, kRouted) == 1, "%d", sentOf(b, kRouted));
  for (const Sent& s : b.desk.sent) {
    if (s.packet[1] == (0x10 | kRouted)) CHECK(s.packet[15] == 0x09, "to %d", s.packet[15]);
  }
}

// What is flooded to one node a relay sends once, though those behind node 9, which this
// node does not hear relay, may lack it.
void testFloodsForOneNodeOnce() {
  Bench b;
  alone(b);
  hear(b, {0xC0, 0x13, 1, 0x44, 0x44, 0x00, 0x09, 0xBE, 0xEF, 0, 0, 1, 0x00, 0x03, 1, 0x00, 0x02, 0xFF});
  for (uint8_t id = 0x60; id < 0x64; id++) {
    hear(b, {0xC0, 0x13, 1, 0x55, 0x55, 0x00, id, 0xBE, 0xEF, 0, 0, 1, 0x00, 0x03, 1, 0x00, 0x09, 0xFF});
  }
  b.pass(60000);
  Bytes p = routed(0);
  p[14] = p[15] = 0xFF;
  p[17] = 0x77;  // to somebody unknown
  hear(b, p);
  b.pass(120000);
  CHECK(sentOf(b, kRouted) == 1, "%d", sentOf(b, kRouted));
}

// A host that comes back takes over at once, also from what the relay has on the air.
void testHostTakesOver() {
  Bench b;
  alone(b);
  hearBeaconOf9(b);
  hear(b, routed(0));
  while (b.desk.sent.empty()) b.pass(1);
  b.hello(2);
  for (int i = 0; i < 100; i++) b.ask(kPing), b.pass(1000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
}

}  // namespace

void directedTests() {
  run("passes on until acknowledged", testPassesOnUntilAcknowledged);
  run("answers for the receiver", testAnswersForTheReceiver);
  run("takes bundles apart", testTakesBundlesApart);
  run("learns from bundles", testLearnsFromBundles);
  run("floods for one node once", testFloodsForOneNodeOnce);
  run("host takes over", testHostTakesOver);
}
