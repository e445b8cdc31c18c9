// What waits for the air, and the way there: listen before talk, slotted back-off,
// duty cycle. It never talks over others and never forces a transmission.
#pragma once

#include "airtime.hpp"
#include "board.hpp"

namespace lorrent {

constexpr int kPlaces = 10;

struct Job;  // of the relay
struct Transmission;

// Outcomes is who wants something transmitted, and is told what becomes of it. The place
// is free again when done or dropped returns.
class Outcomes {
 public:
  virtual bool wanted(Transmission& t, Millis now) = 0;  // asked when it is due, may change the packet
  virtual void done(const Transmission& t, Millis begin, uint32_t micros, Millis now) = 0;
  virtual void dropped(const Transmission& t, Reason why, Millis now) = 0;

 protected:
  ~Outcomes() = default;
};

// Transmission is a packet that waits for the air.
struct Transmission {
  Outcomes* owner;   // nullptr: the place is free
  uint8_t priority;  // lower goes first
  uint8_t percent;   // of the allowance, up to which it may be sent
  uint8_t slots;     // first window of the back-off
  uint8_t copies;    // of key still to be heard for it to be dropped, 0: never
  uint8_t taken;     // times that the channel was
  uint16_t id;  // the host's
  Job* job;     // the relay's
  Millis notBefore;
  Millis deadline;
  uint8_t key[kKeySize];
  uint8_t size;
  uint8_t packet[kMaxPacket];
};

class Transmitter {
 public:
  Transmitter(Board& board, uint32_t seed) : board_(board), random_(seed | 1) {}

  void start(Millis now);
  // use changes the settings of the radio and drops what waits, if they are others. It
  // says whether the radio answers.
  bool use(const Radio& radio, Millis now);

  // place is a free place, nullptr when there is none. add takes it into use.
  Transmission* place();
  void add(Transmission* t, Outcomes* owner, Millis now);
  Transmission* find(const Outcomes* owner, uint16_t id, const Job* job = nullptr);
  // last is the one of an owner that is due last, and not about to be sent.
  Transmission* last(const Outcomes* owner);
  // cancel says whether it could still be dropped, and reports it.
  bool cancel(Transmission* t, Reason why, Millis now);
  // cancelAll drops all of an owner's, or nullptr: of anybody's.
  void cancelAll(const Outcomes* owner, Millis now);
  // overheard drops what waits for copies of this key.
  void overheard(const uint8_t* key, Millis now);

  void sent(Millis now);
  void listened(bool taken, int16_t rssiTenths, Millis now);
  void heard(uint32_t micros, Millis now) { load_.heard(micros, now); }

  // tick does what is due, and returns how long until something is.
  Millis tick(Millis now);

  const Radio& radio() const { return radio_; }
  bool radioFailed() const { return !up_; }
  int16_t noiseTenths() const { return noise_; }
  uint16_t load(Millis now) { return load_.share(now); }
  uint32_t usedMillis(Millis now) { return ledger_.usedMillis(now); }
  uint32_t sentPackets() const { return sentPackets_; }
  int queued() const;
  uint32_t random(uint32_t below);

 private:
  enum class Step : uint8_t { idle, backOff, listening, sending };

  void choose(uint32_t least, Millis now);
  void backOff(Millis now);
  void widen();
  void listen(Millis now);
  void send(Millis now);
  void taken(Millis now);
  void expire(Millis now);
  void watch(Millis now);
  void fail(Millis now);
  void restart(Millis now);
  void drop(Transmission& t, Reason why, Millis now);
  void measure(int16_t rssiTenths);

  Board& board_;
  uint32_t random_;
  Radio radio_ = kEurope;
  Step step_ = Step::idle;
  Transmission* current_ = nullptr;  // nullptr while listening: a measurement
  Millis due_ = 0;                   // of the back-off's end, or by which the radio has to answer
  Millis began_ = 0;
  uint32_t micros_ = 0;  // of the transmission under way
  uint32_t window_ = 0;

  bool up_ = false;
  Millis retry_ = 0;  // when to try the radio again
  bool receiving_ = false;
  Millis receivingSince_ = 0;
  bool deferred_ = false;  // the back-off ended during a reception
  int16_t noise_ = kNoNoise;
  Millis measured_ = 0;
  uint32_t sentPackets_ = 0;

  // What is large comes last: code for what is near is shorter.
  Load load_;
  Ledger ledger_;
  Transmission places_[kPlaces] = {};

 public:
  static constexpr int16_t kNoNoise = -32768;
};

}  // namespace lorrent
