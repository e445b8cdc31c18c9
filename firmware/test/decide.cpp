// Decides scenes as the core does, for a test of lora/mesh that compares. Writes the
// tuning; then reads a scene a line, and writes whether it is worth a relay, and when:
//
//   load own confirmed tries copies sent  n (degree has copies)*  n (degree blind)*
#include <stdio.h>

#include "../core/rule.hpp"

using namespace lorrent;

static int number() {
  int n = 0;
  if (scanf("%d", &n) != 1) n = -1;
  return n;
}

int main() {
  const Tuning& t = kTuning;
  printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", t.threshold, t.thresholdLoad, t.window, t.windowLoad, t.again,
         t.againLoad, t.received, t.receivedLoad);
  Listener listeners[64];
  Beyond beyond[64];
  for (double load; scanf("%lf", &load) == 1;) {
    const bool own = number(), confirmed = number();
    const int tries = number(), copies = number(), sent = number();
    Scene s{load, own, confirmed, tries, copies, sent, listeners, number(), beyond, 0};
    if (s.listenerCount > 64) return 1;
    for (int i = 0; i < s.listenerCount; i++) {
      const int degree = number(), has = number();
      listeners[i] = {static_cast<uint8_t>(degree), has == 1, static_cast<uint8_t>(number())};
    }
    s.beyondCount = number();
    if (s.beyondCount < 0 || s.beyondCount > 64) return 1;
    for (int i = 0; i < s.beyondCount; i++) {
      const int degree = number();
      beyond[i] = {static_cast<uint8_t>(degree), number() == 1};
    }
    printf("%d %.17g\n", relays(t, s), rank(t, s));
  }
}
