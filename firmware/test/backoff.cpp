// Brings packets to the air as the core does, for a test of lora/ether/lab that compares.
// Reads the seed of the core's random numbers and how long a look at the channel takes, then
// scenes, a line each, of times in ms:
//
//   offered slots  n (begin end receiving)*
//
// the last of which are when the channel is taken, and whether by what the radio receives. Writes
// when each packet was sent, or -1 when it was dropped, and at last a random number.
#include <stdio.h>

#include <vector>

#include "../core/transmitter.hpp"

using namespace lorrent;

namespace {

constexpr Millis kTooLate = 4 * 60 * 1000;  // twice as long as the core waits

struct Taken {
  unsigned begin, end;
  int receiving;
};

class Desk final : public Board, public Outcomes {
 public:
  bool setRadio(const Radio&) override { return true; }
  bool send(const uint8_t*, size_t) override {
    sent = now;
    return true;
  }
  bool listen() override {
    answer = now + look;
    return true;
  }
  bool receiving() override { return taken(true); }
  bool readSlot(int, uint8_t*, size_t) override { return false; }
  bool writeSlot(int, const uint8_t*, size_t) override { return false; }
  Battery battery() override { return {}; }
  void show(uint8_t, const uint8_t*, size_t) override {}
  void restart(RebootMode) override {}

  bool wanted(Transmission&, Millis) override { return true; }
  void done(const Transmission&, Millis, uint32_t, Millis) override {}
  void dropped(const Transmission&, Reason, Millis) override { dropped_ = true; }

  bool taken(bool received) const {
    for (const Taken& t : all) {
      if (t.begin <= now && now < t.end && (!received || t.receiving)) return true;
    }
    return false;
  }

  std::vector<Taken> all;
  Millis now = 0, look = 0, answer = 0, sent = 0;
  bool dropped_ = false;
};

}  // namespace

int main() {
  uint32_t seed, look;
  if (scanf("%u %u", &seed, &look) != 2) return 1;
  Desk desk;
  desk.look = look;
  Transmitter transmitter(desk, seed);
  Radio radio = kEurope;
  radio.spreadingFactor = 11;
  radio.dutyCycle = 10000;
  transmitter.start(0);
  transmitter.use(radio, 0);
  unsigned offered, slots;
  while (scanf("%u %u", &offered, &slots) == 2) {
    int n = 0;
    if (scanf("%d", &n) != 1) return 1;
    desk.all.resize(static_cast<size_t>(n));
    for (Taken& t : desk.all) {
      if (scanf("%u %u %d", &t.begin, &t.end, &t.receiving) != 3) return 1;
    }
    desk.now = offered;
    desk.answer = desk.sent = 0;
    desk.dropped_ = false;
    Transmission* t = transmitter.place();
    t->percent = 100;
    t->slots = static_cast<uint8_t>(slots);
    t->size = 40;
    t->notBefore = desk.now;
    transmitter.add(t, &desk, desk.now);
    for (; !desk.dropped_ && desk.sent == 0; desk.now++) {
      if (desk.now - offered > kTooLate) {
        fprintf(stderr, "offered at %u: neither sent nor dropped\n", offered);
        return 1;
      }
      if (desk.answer != 0 && desk.answer == desk.now) {
        desk.answer = 0;
        transmitter.listened(desk.taken(false), -1000, desk.now);
      }
      for (int i = 0; desk.sent == 0 && i < 2; i++) transmitter.tick(desk.now);  // more often than a clock ticks
    }
    printf("%d\n", desk.dropped_ ? -1 : static_cast<int>(desk.sent - offered));
    transmitter.sent(desk.now);
    desk.all.clear();
    transmitter.tick(desk.now);  // it sees that what it received has ended, and may look once more
    if (desk.answer != 0) transmitter.listened(false, -1000, desk.now);
  }
  printf("%u\n", transmitter.random(1000000));
}
