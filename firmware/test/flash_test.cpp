// What is stored, and what is not.
#include "bench.hpp"

namespace {

void testTornSlot() {
  Bench b;
  b.hello();
  b.tune(kFast);
  CHECK(b.ask(kStore, {kRelayAlone, 'a'})[0] == 0);
  for (size_t torn = 0; torn < 64; torn++) {
    uint8_t before[2][64];
    memcpy(before, b.desk.flash, sizeof before);
    b.desk.torn = torn;
    const Bytes answer = b.ask(kStore, {kRelayAlone, 'b'});
    CHECK(answer[0] == 7, "status %u with %zu bytes", answer[0], torn);
    b.boot();
    const char want = torn < 6 + 26 + 2 ? 'a' : 'b';  // from there on, what is missing says nothing
    CHECK(b.node->settings().stored().name()[0] == want && b.node->settings().any(), "torn after %zu", torn);
    memcpy(b.desk.flash, before, sizeof before);
    b.desk.torn = 64;
    b.boot();
    b.hello();
    b.tune(kFast);
  }
  CHECK(b.ask(kStore, {kRelayAlone, 'b'})[0] == 0);
  b.boot();
  CHECK(b.node->settings().stored().name()[0] == 'b' && b.node->settings().stored().generation() == 2);
}

void testNoStoreNoRelay() {
  Bench b;
  b.pass(30000);
  hear(b, flood(1));
  b.pass(60000);
  CHECK(!b.node->relaying() && b.desk.sent.empty(), "a new board transmits nothing");
}

}  // namespace

void flashTests() {
  run("torn slot", testTornSlot);
  run("nothing stored, nothing relayed", testNoStoreNoRelay);
}
