#include "transmitter.hpp"

namespace lorrent {

namespace {
constexpr uint32_t kFirstWindow = 8;
constexpr uint32_t kLastWindow = 64;
constexpr int kTakenTenths = 100;  // over the noise floor
constexpr Millis kListenPatience = 500;
constexpr Millis kRadioRetry = 5000;
constexpr Millis kMeasureEvery = 30000;
}  // namespace

void Transmitter::start(Millis now) {
  ledger_.start(now);
  load_.start(now);
  measured_ = now;
}

bool Transmitter::use(const Radio& radio, Millis now) {
  if (up_ && radio == radio_) return true;
  cancelAll(nullptr, now);
  if (step_ == Step::sending) ledger_.record(micros_, now);  // cut short, but it counts
  if (current_ != nullptr) drop(*current_, Reason::superseded, now);
  radio_ = radio;
  noise_ = kNoNoise;
  restart(now);
  return up_;
}

// restart has the radio begin anew.
void Transmitter::restart(Millis now) {
  step_ = Step::idle;
  current_ = nullptr;
  receiving_ = false;
  up_ = board_.setRadio(radio_);
  retry_ = now + kRadioRetry;
}

Transmission* Transmitter::place() {
  for (Transmission& t : places_) {
    if (t.owner == nullptr) {
      t = Transmission{};
      return &t;
    }
  }
  return nullptr;
}

void Transmitter::add(Transmission* t, Outcomes* owner, Millis now) {
  t->owner = owner;
  t->taken = 0;
  t->deadline = (since(t->notBefore, now) > 0 ? t->notBefore : now) + kTransmitPatience;
}

Transmission* Transmitter::find(const Outcomes* owner, uint16_t id, const Job* job) {
  for (Transmission& t : places_) {
    if (t.owner == owner && t.id == id && t.job == job) return &t;
  }
  return nullptr;
}

Transmission* Transmitter::last(const Outcomes* owner) {
  Transmission* last = nullptr;
  for (Transmission& t : places_) {
    if (t.owner == owner && &t != current_ && (last == nullptr || since(t.notBefore, last->notBefore) > 0)) last = &t;
  }
  return last;
}

int Transmitter::queued() const {
  int n = 0;
  for (const Transmission& t : places_) n += t.owner != nullptr;
  return n;
}

bool Transmitter::cancel(Transmission* t, Reason why, Millis now) {
  if (t == current_) {
    if (step_ == Step::sending) return false;
    current_ = nullptr;  // if it is listening, for a measurement then
    if (step_ == Step::backOff) step_ = Step::idle;
  }
  drop(*t, why, now);
  return true;
}

void Transmitter::cancelAll(const Outcomes* owner, Millis now) {
  for (Transmission& t : places_) {
    if (t.owner != nullptr && (owner == nullptr || t.owner == owner)) cancel(&t, Reason::superseded, now);
  }
}

void Transmitter::overheard(const uint8_t* key, Millis now) {
  for (Transmission& t : places_) {
    if (t.owner == nullptr || t.copies == 0 || !equal(t.key, key, kKeySize)) continue;
    if (--t.copies == 0 && !cancel(&t, Reason::overheard, now)) t.copies = 0;
  }
}

void Transmitter::drop(Transmission& t, Reason why, Millis now) {
  t.owner->dropped(t, why, now);
  t.owner = nullptr;
}

uint32_t Transmitter::random(uint32_t below) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 17;
  random_ ^= random_ << 5;
  return below == 0 ? 0 : random_ % below;
}

Millis Transmitter::tick(Millis now) {
  expire(now);
  watch(now);
  if (step_ == Step::idle && up_) choose(0, now);
  if (step_ == Step::backOff && reached(now, due_)) listen(now);
  if (step_ == Step::backOff || receiving_) return smaller<Millis>(larger<int32_t>(since(due_, now), 1), radio_.slot());
  return step_ == Step::idle ? 10 : 50;
}

// expire drops what did not get to the air in time.
void Transmitter::expire(Millis now) {
  for (Transmission& t : places_) {
    if (t.owner == nullptr || !reached(now, t.deadline)) continue;
    Reason why = Reason::neverFree;
    if (!ledger_.allows(radio_.airtimeMicros(t.size), radio_.dutyCycle, t.percent, now)) why = Reason::noBudget;
    if (!up_) why = Reason::radio;
    cancel(&t, why, now);
  }
}

// watch restarts a radio that does not answer, or that receives without an end.
void Transmitter::watch(Millis now) {
  if (!up_) {
    if (reached(now, retry_)) restart(now);
    return;
  }
  if ((step_ == Step::listening || step_ == Step::sending) && reached(now, due_)) return fail(now);
  const bool receiving = step_ != Step::sending && step_ != Step::listening && board_.receiving();
  if (receiving && !receiving_) receivingSince_ = now;
  receiving_ = receiving;
  const Millis longest = radio_.airtimeMicros(kMaxPacket) / 1000 + 1000;
  if (receiving && static_cast<Millis>(since(now, receivingSince_)) > longest) fail(now);
}

// fail gives up on the radio for now, and on what it was about to send.
void Transmitter::fail(Millis now) {
  if (step_ == Step::sending) ledger_.record(micros_, now);
  Transmission* lost = current_;
  current_ = nullptr;
  step_ = Step::idle;
  receiving_ = false;
  up_ = false;
  retry_ = now;  // once at once, then from time to time
  if (lost != nullptr) drop(*lost, Reason::radio, now);
}

// choose takes the first that may be sent, or looks how loud nothing is. The window has
// so many slots at least.
void Transmitter::choose(uint32_t least, Millis now) {
  Transmission* best = nullptr;
  for (Transmission& t : places_) {
    if (t.owner == nullptr || !reached(now, t.notBefore)) continue;
    if (!ledger_.allows(radio_.airtimeMicros(t.size), radio_.dutyCycle, t.percent, now)) continue;
    if (!t.owner->wanted(t, now)) {
      drop(t, Reason::overheard, now);
      continue;
    }
    if (best == nullptr || t.priority < best->priority ||
        (t.priority == best->priority && since(t.notBefore, best->notBefore) < 0)) {
      best = &t;
    }
  }
  current_ = best;
  deferred_ = false;
  if (best != nullptr) {
    window_ = larger(least, best->slots == 0 ? kFirstWindow : smaller<uint32_t>(best->slots, kLastWindow));
    backOff(now);
  } else if (since(now, measured_) >= static_cast<int32_t>(kMeasureEvery) && !receiving_) {
    listen(now);
  }
}

// widen doubles the window, since the channel was taken.
void Transmitter::widen() {
  window_ = smaller(2 * window_, kLastWindow);
  if (current_->taken < 255) current_->taken++;
}

void Transmitter::backOff(Millis now) {
  step_ = Step::backOff;
  due_ = now + random(window_) * radio_.slot();
}

// listen looks for a free channel; a reception under way is enough of an answer.
void Transmitter::listen(Millis now) {
  if (receiving_) {
    if (!deferred_) widen();
    deferred_ = true;
    due_ = now + 1;
    return;
  }
  if (deferred_) {  // the back-off begins when the reception has ended
    deferred_ = false;
    return backOff(now);
  }
  step_ = Step::listening;
  due_ = now + kListenPatience;
  measured_ = now;
  if (!board_.listen()) fail(now);
}

void Transmitter::listened(bool channelTaken, int16_t rssiTenths, Millis now) {
  if (step_ != Step::listening) return;
  const bool loud = noise_ != kNoNoise && rssiTenths >= noise_ + kTakenTenths;
  if (!channelTaken) measure(rssiTenths);
  step_ = Step::idle;
  if (current_ == nullptr) return;
  if (channelTaken || loud || board_.receiving()) return taken(now);
  if (!current_->owner->wanted(*current_, now)) {
    Transmission& t = *current_;
    current_ = nullptr;
    return drop(t, Reason::overheard, now);
  }
  send(now);
}

// taken begins again, with twice the window, and with whatever is first by then.
void Transmitter::taken(Millis now) {
  widen();
  choose(window_, now);
}

// measure follows the noise floor: down at once, up slowly, so that signals do
// not pass for noise, and a noise that stays does in the end.
void Transmitter::measure(int16_t rssiTenths) {
  if (noise_ == kNoNoise || rssiTenths < noise_) {
    noise_ = noise_ == kNoNoise ? rssiTenths : static_cast<int16_t>((noise_ + rssiTenths) / 2);
  } else if (rssiTenths > noise_) {
    noise_ = static_cast<int16_t>(noise_ + smaller(rssiTenths - noise_, 2));
  }
}

void Transmitter::send(Millis now) {
  micros_ = radio_.airtimeMicros(current_->size);
  step_ = Step::sending;
  began_ = now;
  due_ = now + 2 * (micros_ / 1000) + 1000;
  if (!board_.send(current_->packet, current_->size)) fail(now);
}

void Transmitter::sent(Millis now) {
  if (step_ != Step::sending) return;
  ledger_.record(micros_, now);
  load_.heard(micros_, now);
  sentPackets_++;
  Transmission& t = *current_;
  current_ = nullptr;
  step_ = Step::idle;
  t.owner->done(t, began_, micros_, now);
  t.owner = nullptr;
}

}  // namespace lorrent
