// Decides scenes as the core does, for a test of lora/mesh that compares. Writes the
// tuning; then reads a scene a line, and writes whether it is worth a relay, and when:
//
//   load own confirmed tries copies sent  n (ways has copies)*  n (ways blind)*
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
  for (double load; scanf("%lf", &load) == 1;) {
    const bool own = number(), confirmed = number();
    const int tries = number(), copies = number(), sent = number();
    const Scene::Self self = {load, own, confirmed, tries, copies, sent};
    Scene s(self);
    for (int n = number(); n > 0; n--) {
      const int ways = number(), has = number();
      s.listener(ways, has == 1, number());
    }
    for (int n = number(); n > 0; n--) {
      const int ways = number();
      s.beyond(ways, number() == 1);
    }
    printf("%d %.17g\n", s.relays(), s.rank());
  }
}
