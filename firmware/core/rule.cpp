#include "rule.hpp"

namespace lorrent {

namespace {

constexpr int kWantedListeners = 3;  // others that a node should hear a message from
constexpr int kFallback = 3;         // copies that make a relay needless where beacons tell nothing

// lora/mesh has a floor of 0.3 for what is received, which these numbers keep above.
static_assert(kTuning.received - kTuning.receivedLoad >= 0.3, "at a load of 1");

double weight(int ways) { return ways <= kWantedListeners ? 1 : static_cast<double>(kWantedListeners) / ways; }

}  // namespace

Scene::Scene(const Self& self) : self_(self), miss_(1 - (kTuning.received - kTuning.receivedLoad * self.load)) {}

// part is what a node is worth to which it can come in so many ways, after so many chances.
double Scene::part(int ways, int chances) const {
  double part = weight(ways);
  for (; chances > 0; chances--) part *= miss_;
  return part;
}

void Scene::listener(int ways, bool has, int copies) {
  most_ += part(ways, 0);
  if (!has) worth_ += part(ways, self_.sent + copies);
}

void Scene::beyond(int ways, bool blind) { stranded_ += part(ways, blind ? 0 : self_.sent); }

bool Scene::relays() const {
  if (self_.own && !self_.confirmed && self_.sent < self_.tries) return true;
  if (most_ == 0) return self_.sent == 0 && self_.copies < kFallback;
  if (self_.sent > 0) return stranded_ >= kTuning.again + kTuning.againLoad * self_.load;
  return worth_ >= kTuning.threshold + kTuning.thresholdLoad * self_.load;
}

double Scene::rank() const { return most_ == 0 ? 1 : 1 - worth_ / most_; }

}  // namespace lorrent
