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

constexpr Tuning kTuning = {0.25, 1.5, 8, 80, 1, 15, 0.97, 0.3};

// Scene is what a node knows around it when it decides. It is told of one node after
// the other, and keeps sums only.
class Scene {
 public:
  struct Self {
    double load;     // share of the time that the channel is taken, 0 to 1
    bool own;        // this node wrote it,
    bool confirmed;  // and somebody relayed it
    int tries;       // how often it sends what nobody is heard to relay
    int copies;      // received
    int sent;        // by this node
  };

  explicit Scene(const Self& self);  // which has to last
  // listener adds a node known to hear this one: how many can bring it what it
  // lacks, whether it has sent the message or said that it has it, and if not, how many
  // that it hears sent it.
  void listener(int ways, bool has, int copies);
  // beyond adds, when this node has sent, a node that hears a listener which has not sent
  // the message, and is not known to have it nor to hear any node that sent it. Blind:
  // this node would not hear that listener relay.
  void beyond(int ways, bool blind);

  // relays says whether the scene is worth a transmission.
  bool relays() const;
  // rank is when to relay, from 0 for at once to 1: the more it is worth, the earlier.
  double rank() const;

 private:
  double part(int ways, int chances) const;

  const Self& self_;
  double miss_;         // probability that a copy is missed
  double most_ = 0;     // what all listeners are worth
  double worth_ = 0;    // those that may lack the message
  double stranded_ = 0; // those that can have it only through a listener that was not heard to relay it
};

}  // namespace lorrent
