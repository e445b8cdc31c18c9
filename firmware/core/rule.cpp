#include "rule.hpp"

namespace lorrent {

namespace {

constexpr double kWantedListeners = 3;  // others that a node should hear a message from
constexpr int kFallback = 3;            // copies that make a relay needless where beacons tell nothing
constexpr double kLeastReceived = 0.3;

double power(double base, int exponent) {
  double product = 1;
  for (; exponent > 0; exponent--) product *= base;
  return product;
}

double weight(int degree) { return smaller(1.0, kWantedListeners / larger(degree, 1)); }

double missed(const Tuning& t, double load) { return 1 - larger(t.received - t.receivedLoad * load, kLeastReceived); }

// worth is how much the listeners that may lack the message are worth.
double worth(const Tuning& t, const Scene& s) {
  const double miss = missed(t, s.load);
  double sum = 0;
  for (int i = 0; i < s.listenerCount; i++) {
    const Listener& l = s.listeners[i];
    if (!l.has) sum += power(miss, s.sent + l.copies) * weight(l.degree);
  }
  return sum;
}

// strandedWorth is what those are worth who can have the message only through a
// listener that was not heard to relay what this node sent.
double strandedWorth(const Tuning& t, const Scene& s) {
  const double unheard = power(missed(t, s.load), s.sent);
  double sum = 0;
  for (int i = 0; i < s.beyondCount; i++) {
    sum += (s.beyond[i].blind ? 1 : unheard) * weight(s.beyond[i].degree);
  }
  return sum;
}

}  // namespace

bool relays(const Tuning& t, const Scene& s) {
  if (s.own && !s.confirmed && s.sent < s.tries) return true;
  if (s.listenerCount == 0) return s.sent == 0 && s.copies < kFallback;
  if (s.sent > 0) return strandedWorth(t, s) >= t.again + t.againLoad * s.load;
  return worth(t, s) >= t.threshold + t.thresholdLoad * s.load;
}

double rank(const Tuning& t, const Scene& s) {
  double most = 0;
  for (int i = 0; i < s.listenerCount; i++) most += weight(s.listeners[i].degree);
  if (most == 0) return 1;
  return 1 - smaller(worth(t, s) / most, 1.0);
}

}  // namespace lorrent
