// The rule by which a node relays what spreads: lora/mesh/rule.go in C++. A test
// there compares the two on random scenes, and the numbers.
#pragma once

#include "bytes.hpp"

namespace lorrent {

struct Tuning {
  double threshold, thresholdLoad;
  double window, windowLoad;
  double again, againLoad;
  double received, receivedLoad;
};

constexpr Tuning kTuning = {0.25, 1.5, 8, 80, 0.5, 15, 0.97, 0.3};

// Listener is a node known to hear this one.
struct Listener {
  uint8_t degree;  // how many nodes it hears
  bool has;        // it has sent the message, or said that it has it
  uint8_t copies;  // nodes it hears that have sent the message
};

// Beyond is a node that hears a listener which has not sent the message, and that is
// not known to have it nor to hear any node that sent it.
struct Beyond {
  uint8_t degree;
  bool blind;  // this node would not hear that listener relay
};

struct Scene {
  double load;     // share of the time that the channel is taken, 0 to 1
  bool own;        // this node wrote it,
  bool confirmed;  // and somebody relayed it
  int tries;       // how often it sends what nobody is heard to relay
  int copies;      // received
  int sent;        // by this node
  const Listener* listeners;
  int listenerCount;
  const Beyond* beyond;  // only looked at when sent is not 0
  int beyondCount;
};

// relays says whether the scene is worth a transmission.
bool relays(const Tuning& t, const Scene& s);
// rank is when to relay, from 0 for at once to 1: the more it is worth, the earlier.
double rank(const Tuning& t, const Scene& s);

}  // namespace lorrent
