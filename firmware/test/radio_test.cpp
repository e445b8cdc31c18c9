// The way to the air: other people, the limits, the clock, radios that fail.
#include "bench.hpp"

namespace {

void testNeverTalksOverOthers() {
  for (bool detects : {true, false}) {
    Bench b;
    b.desk.detects = detects;
    b.hello();
    Radio r = kFast;
    r.spreadingFactor = 12;  // receptions last up to 5 s
    b.tune(r);
    CHECK(b.tx(1, 50)[0] == 0);
    for (int i = 0; i < 119; i++) {
      b.desk.busyUntil = b.desk.now + (i % 3 == 2 ? 980 : 1000);
      b.ask(kPing);
      b.pass(1000);
    }
    for (int i = 0; i < 40; i++) b.desk.busyUntil = b.desk.now + 1000, b.ask(kPing), b.pass(1000);
    CHECK(b.node->transmitter().queued() == 0, "what has waited for 2 min is dropped");
    CHECK(b.desk.sent.size() <= 1);
  }
}

void testDropsWhatIsNeverFree() {
  Bench b;
  b.hello();
  b.tune(kFast);
  b.desk.detects = false;
  CHECK(b.tx(5, 50)[0] == 0);
  int dropped = 0;
  for (int i = 0; i < 125; i++) {
    b.desk.busyUntil = b.desk.now + 2000;
    b.ask(kPing);
    b.pass(1000);
    for (const Message& m : b.got) dropped += m.type == kTxDropped && m.body == Bytes{0, 5, 5};
  }
  CHECK(dropped == 1 && b.desk.sent.empty(), "%d", dropped);
}

void testDutyCycle(Millis begin) {
  Bench b(begin);
  b.hello();
  Radio r = kFast;
  r.dutyCycle = 100;  // 36 s an hour
  b.tune(r);
  uint16_t id = 0;
  for (int minute = 0; minute < 180; minute++) {
    for (int s = 0; s < 12; s++) {
      b.tx(id++, 255);
      b.pass(5000);
    }
  }
  for (size_t i = 0; i < b.desk.sent.size(); i++) {
    uint64_t sum = 0;
    for (size_t j = i; j < b.desk.sent.size() && b.desk.sent[j].at - b.desk.sent[i].at < 3600000; j++) sum += b.desk.sent[j].micros;
    CHECK(sum <= 36000000, "%.1f s in the hour from %u", static_cast<double>(sum) / 1e6, b.desk.sent[i].at);
  }
  const double used = static_cast<double>(b.desk.sent.size()) * b.desk.sent[0].micros / 1e6;
  CHECK(used > 3 * 36 * 0.9, "only %.1f s of %d are used", used, 3 * 36);
}

void testClockGoesAround() {
  Bench b(0xFFFFFFFFu - 5000);
  b.hello();
  b.tune(kFast);
  Bytes tx = {0, 1, 0, 0, 0x0B, 0xB8, 1, 0};  // not before 3000, which is after it went around
  tx.resize(17 + 30, 1);
  CHECK(b.ask(kTx, tx)[0] == 0);
  b.pass(7900);
  CHECK(b.desk.sent.empty(), "sent too early");
  b.ask(kPing);
  b.pass(1200);
  CHECK(b.desk.sent.size() == 1 && reached(b.desk.sent[0].at, 3000) && b.desk.sent[0].at < 3100);
  b.pass(9000);
  CHECK(!b.node->attached());

  Bench c(0xFFFFFFFFu - 9000);  // a relay goes on
  alone(c);
  hear(c, flood(1));
  c.pass(5000);
  CHECK(c.desk.sent.size() == 1);
}

void testRadioNeverAnswers() {
  Bench b;
  b.hello();
  b.tune(kFast);
  b.desk.alive = false;
  CHECK(b.tx(1, 20)[0] == 0);
  b.got.clear();
  b.pass(3000);
  bool told = false;
  for (const Message& m : b.got) told |= m.type == kTxDropped && m.body == Bytes{0, 1, 4};
  CHECK(told, "the host is told");
  CHECK(b.tx(2, 20)[0] == 5);
  CHECK(b.ask(kStatus)[20] & kRadioFailed);
  const int before = b.desk.starts;
  b.pass(9000);
  b.ask(kPing);
  CHECK(b.desk.starts > before, "it tries again");
  b.desk.alive = true;
  b.pass(6000);
  CHECK(b.tx(3, 20)[0] == 0);
  b.pass(1000);
  CHECK(b.count(kTxDone) == 1);
}

void testRadioStopsDuringTransmission() {
  Bench b;
  b.hello();
  b.tune(kFast);
  CHECK(b.tx(1, 20)[0] == 0);
  while (b.desk.sent.empty()) b.pass(1);
  b.desk.pending = nullptr;  // the end never comes
  b.pass(2500);
  bool told = false;
  for (const Message& m : b.got) told |= m.type == kTxDropped && m.body == Bytes{0, 1, 4};
  CHECK(told);
  CHECK(b.tx(2, 20)[0] == 0, "the radio was restarted");
}

void testReceptionWithoutEnd() {
  Bench b;
  b.hello();
  b.tune(kFast);
  const int before = b.desk.starts;
  b.desk.stuck = true;
  b.pass(3000);
  CHECK(b.desk.starts > before, "it restarts a radio that receives for ever");
}

}  // namespace

void radioTests() {
  run("never talks over others", testNeverTalksOverOthers);
  run("channel that is never free", testDropsWhatIsNeverFree);
  run("duty cycle", [] { testDutyCycle(1000); });
  run("duty cycle while the clock goes around", [] { testDutyCycle(0xFFFFFFFFu - 5000000); });
  run("clock goes around", testClockGoesAround);
  run("radio never answers", testRadioNeverAnswers);
  run("radio stops during a transmission", testRadioStopsDuringTransmission);
  run("reception without an end", testReceptionWithoutEnd);
}
