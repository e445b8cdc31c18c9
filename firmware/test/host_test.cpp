// A node and hosts that misbehave.
#include "bench.hpp"

namespace {

void testHostStallsForAMinute() {
  Bench b;
  alone(b);
  b.hello(2);
  b.got.clear();
  b.reads = false;
  for (int i = 0; i < 600; i++) {  // and is told much meanwhile
    hear(b, flood(static_cast<uint8_t>(i)));
    b.pass(100);
  }
  CHECK(b.node->relaying(), "it takes a stalled host for dead");
  b.reads = true;
  b.drain();
  CHECK(!b.got.empty() && b.got.size() < 100, "%zu", b.got.size());
  b.hello(3);
  CHECK(!b.node->relaying() && b.node->attached());
  const Bytes state = b.ask(kStatus);
  CHECK(state.size() == 38 && get16(&state[22]) == 0, "bad frames %u", get16(&state[22]));
  CHECK(get16(&state[24]) > 0, "reports that were lost are counted");
  CHECK(b.tx(1, 20)[0] == 0);
  b.pass(1000);
  CHECK(b.count(kTxDone) == 1);
}

void testHostFloods() {
  Bench b;
  b.hello();
  b.tune(kFast);
  int ok = 0, full = 0;
  for (uint16_t id = 0; id < 5000; id++) {
    const Bytes answer = b.tx(id, 200, 0);
    CHECK(answer.size() >= 1);
    ok += answer[0] == 0;
    full += answer[0] == 4;
  }
  CHECK(ok == kPlaces && full == 5000 - kPlaces, "%d ok, %d full", ok, full);
  b.got.clear();
  b.pass(8000);
  CHECK(b.count(kTxDone) == kPlaces, "%d", b.count(kTxDone));
  b.reads = false;  // answers have an end, too
  for (int i = 0; i < 5000; i++) b.raw(Bench::frame(kPing, {}));
  b.reads = true;
  b.drain();
  CHECK(b.ask(kPing).size() == 5);
}

void testHostDiesMidFrame() {
  Bench b;
  alone(b);
  b.hello(2);
  CHECK(b.tx(9, 50)[0] == 0);
  Bytes half = Bench::frame(kTx, Bytes(100, 1));
  half.resize(40);
  b.raw(half);
  b.pass(10001);
  CHECK(b.node->relaying() && !b.node->attached());
  b.raw({0});
  b.hello(3);
  CHECK(b.node->attached());
}

void testQueueOfADeadHostIsNotSent() {
  Bench b;
  b.hello();
  b.tune(kFast);
  b.desk.detects = false;
  b.desk.busyUntil = b.desk.now + 15000;
  CHECK(b.tx(1, 50)[0] == 0);
  b.pass(30000);
  CHECK(b.desk.sent.empty(), "%zu", b.desk.sent.size());
}

}  // namespace

void hostTests() {
  run("host stalls for a minute", testHostStallsForAMinute);
  run("host floods", testHostFloods);
  run("host dies in the middle of a frame", testHostDiesMidFrame);
  run("queue of a dead host", testQueueOfADeadHostIsNotSent);
}
