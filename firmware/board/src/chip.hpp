// The radio chip, by way of RadioLib. Calls return at once; what they begin ends
// with an interrupt, which poll passes on to the node and the journal.
#pragma once

#include "journal.hpp"

class Chip {
 public:
  void begin();

  bool set(const lorrent::Radio& radio);
  bool send(const uint8_t* packet, size_t n);
  bool listen();
  bool receiving();

  void poll(lorrent::Node& node, Journal& journal, lorrent::Millis now);

 private:
  enum class Doing : uint8_t { nothing, receiving, sending, scanning };

  bool receive();
  void take(lorrent::Node& node, Journal& journal, lorrent::Millis now);
  bool stale(bool header, lorrent::Millis now);

  Doing doing_ = Doing::nothing;
  lorrent::Radio radio_ = lorrent::kEurope;
  int16_t rssiTenths_ = 0;          // when the scan began
  bool signal_ = false;             // something is being received
  lorrent::Millis signalSince_ = 0;
};
