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

class Session final : public Outcomes {
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
  bool wanted(Transmission&, Millis) override { return true; }
  void done(const Transmission& t, Millis begin, uint32_t micros, Millis now) override;
  void dropped(const Transmission& t, Reason why, Millis now) override;

  Outbox& out() { return out_; }

 private:
  static constexpr int kResults = 16;

  // Result is a transmission that is over.
  struct Result {
    bool any;
    uint16_t id;
    Reason reason;  // none: it was sent
    uint8_t taken;
    Millis begin;
    uint32_t micros;
  };

  // What commands do. They write the body of their answer.
  Status command(const Frame& f, Writer& w, Millis now);
  Status hello(const Frame& f, Writer& w, Millis now);
  Status radio(const Frame& f, Writer& w, Millis now);
  Status transmit(const Frame& f, Writer& w, Millis now);
  Status cancel(const Frame& f, Writer& w, Millis now);
  Status store(const Frame& f, Writer& w);
  Status reboot(const Frame& f);

  const Result* result(uint16_t id) const;
  void over(const Result& r);
  void report(const Result& r);
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
  const Result* again_ = nullptr;  // to be reported again, after the answer
  unsigned nextResult_ = 0;
  Result results_[kResults] = {};
  Deframer in_;
  Outbox out_;
};

}  // namespace lorrent
