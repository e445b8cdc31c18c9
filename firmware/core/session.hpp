// The host's side of a node: its commands, and what it is told.
#pragma once

#include "outbox.hpp"
#include "settings.hpp"
#include "transmitter.hpp"

namespace lorrent {

// Counters are those of a node since its start.
struct Counters {
  uint32_t heard;
  uint32_t relayed;
  bool relayedOnce;  // while there was no host before the last HELLO
  bool relayedNow;   // since that HELLO
};

class Session {
 public:
  Session(Board& board, const Identity& self, Transmitter& transmitter, Settings& settings, Counters& counters)
      : board_(board), self_(self), transmitter_(transmitter), settings_(settings), counters_(counters) {}

  void start(Millis now);
  // received takes a byte from the serial line.
  void received(uint8_t byte, Millis now);
  // attached says whether there is a host.
  bool attached() const { return attached_; }
  void tick(Millis now);

  void heard(const uint8_t* packet, size_t n, int16_t rssiTenths, int16_t snrTenths, Millis now);
  void done(const Transmission& t, Millis begin, uint32_t micros);
  void dropped(const Transmission& t, Reason why);

  Outbox& out() { return out_; }

 private:
  // Result is a transmission that is over.
  struct Result {
    bool any;
    uint16_t id;
    Reason reason;  // none: it was sent
    uint8_t taken;
    Millis begin;
    uint32_t micros;
  };

  void command(const Frame& f, Millis now);
  void hello(const Frame& f, Millis now);
  void radio(const Frame& f, Millis now);
  void transmit(const Frame& f, Millis now);
  void cancel(const Frame& f, Millis now);
  void store(const Frame& f);
  void reboot(const Frame& f);

  void answer(const Frame& f, Status status) { answer(f, status, nullptr, 0); }
  void answer(const Frame& f, Status status, const uint8_t* body, size_t n);
  void report(const Result& r);
  void remember(const Result& r);
  void writeBoard(Writer& w, Millis now) const;
  void writeState(Writer& w, Millis now);

  Board& board_;
  const Identity& self_;
  Transmitter& transmitter_;
  Settings& settings_;
  Counters& counters_;
  bool attached_ = false;
  uint32_t session_ = 0;
  Millis lastFrame_ = 0;
  Millis lastState_ = 0;
  bool radioSet_ = false;
  int nextResult_ = 0;
  Result results_[16] = {};
  Deframer in_;
  Outbox out_;
};

}  // namespace lorrent
