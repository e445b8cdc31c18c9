// The relay, and what spreads.
#include "bench.hpp"

namespace {

void testRelaysOnce() {
  Bench b;
  alone(b);
  hear(b, flood(1));
  hear(b, flood(1));
  b.pass(8000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
  if (b.desk.sent.size() != 1) return;
  Bytes want = flood(1);
  want[2] = 2, want[12] = 0x00, want[13] = 0x02;
  CHECK(b.desk.sent[0].packet == want);
  hear(b, flood(1));
  hear(b, flood(2, 0));  // no TTL left
  b.pass(5000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
  for (int i = 0; i < 3; i++) hear(b, flood(3));  // enough copies
  b.pass(5000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
}

// An acknowledgement that is flooded names the source of its message, who has yet to
// get it.
void testFloodedAcknowledgement() {
  Bench b;
  alone(b);
  const Bytes beacon = {0xC0, 0x13, 0, 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0, 0, 1, 0x00, 0x01, 1, 0x00, 0x02, 0xFF};
  hear(b, beacon);  // the source hears this node
  Bytes ack = {0xC0, 0x12, 0x87, 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0x80, 0, 9, 0x00, 0x03, 0xFF, 0xFF};
  ack.resize(24, 0xCC);
  hear(b, ack);
  b.pass(5000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
}

void testRelayKeepsToItsDutyCycle() {
  Bench b;
  b.hello();
  Radio r = kFast;
  r.dutyCycle = 10;  // 3.6 s an hour
  b.tune(r);
  CHECK(b.ask(kStore, {kRelayAlone})[0] == 0);
  b.pass(10001);
  for (int i = 0; i < 1800; i++) {
    Bytes p = flood(static_cast<uint8_t>(i));
    p[10] = static_cast<uint8_t>(i >> 8);
    hear(b, p);
    b.pass(1000);
  }
  uint64_t sum = 0;
  for (const Sent& s : b.desk.sent) sum += s.micros;
  CHECK(sum > 2500000 && sum <= 3240000, "%.2f s on the air", static_cast<double>(sum) / 1e6);
}

Bytes floodOf(uint8_t node, uint16_t sequence) {
  Bytes b = flood(static_cast<uint8_t>(sequence));
  b[6] = b[13] = node;
  b[9] = static_cast<uint8_t>(sequence >> 8);
  b[10] = static_cast<uint8_t>(sequence & 0xFF);
  b.resize(200, 0xBB);
  return b;
}

// While the channel is busy a node that floods gets no more than its share, and who says
// little is relayed.
void testFairShare() {
  for (bool busy : {false, true}) {
    Bench b;
    alone(b);
    for (uint16_t i = 0; i < 1000; i++) {
      if (busy || i % 10 == 0) hear(b, floodOf(1, i));
      if (i % 20 == 5) hear(b, floodOf(3, i));
      b.pass(500);
    }
    b.pass(20000);
    int loud = 0, quiet = 0;
    for (const Sent& s : b.desk.sent) {
      if (s.packet[1] == 0x10) (s.packet[6] == 1 ? loud : quiet)++;
    }
    CHECK(quiet >= 48, "%d of 50", quiet);
    CHECK(busy ? loud < 150 : loud == 100, "%d of %d", loud, busy ? 1000 : 100);
  }
}

void testBeacons() {
  Bench b;
  alone(b);
  hear(b, flood(1));
  b.pass(130000);
  int beacons = 0;
  for (const Sent& s : b.desk.sent) {
    if (s.packet[1] != 0x13) continue;
    beacons++;
    CHECK(s.packet.size() == 18 && s.packet[14] == 1 && s.packet[15] == 0x00 && s.packet[16] == 0x01);
  }
  CHECK(beacons >= 1 && beacons <= 3, "%d beacons in 130 s", beacons);
}

// beaconOf is what a node says whom it hears: node 2, which is this one, twelve more, and
// another one.
Bytes beaconOf(uint8_t node, uint8_t another) {
  Bytes b = {0xC0, 0x13, 0, 0x11, 0x11, 0x00, node, 0xBE, 0xEF, 0, 0, 1, 0x00, node, 14, 0x00, 0x02, 0xFF, 0x00, another, 0xFF};
  for (uint8_t id = 20; id < 32; id++) b.insert(b.end(), {0x00, id, 0xFF});
  return b;
}

// A listener that hears many is worth a relay when none of these is near: they lack the
// message as well.
void testFarSide() {
  for (bool near : {false, true}) {
    Bench b;
    alone(b);
    hear(b, beaconOf(5, 6));
    for (uint8_t id = 20; near && id < 32; id++) hear(b, beaconOf(id, 1));
    hear(b, flood(1));
    b.pass(8000);
    CHECK((b.desk.sent.size() == 1) == !near, "%zu sent, near %d", b.desk.sent.size(), near);
  }
}

}  // namespace

void relayTests() {
  run("relays once", testRelaysOnce);
  run("flooded acknowledgement", testFloodedAcknowledgement);
  run("relay keeps to its duty cycle", testRelayKeepsToItsDutyCycle);
  run("fair share", testFairShare);
  run("beacons", testBeacons);
  run("far side", testFarSide);
}
