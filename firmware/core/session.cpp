#include "session.hpp"

namespace lorrent {

namespace {
constexpr size_t kTxHead = 17;

// kSizes are how long the body of a command may be, from HELLO on.
constexpr struct {
  uint8_t least;
  uint16_t most;
} kSizes[] = {
    {5, 5}, {0, 0}, {0, Radio::kSize}, {kTxHead + 1, kTxHead + kMaxPacket}, {2, 2}, {0, 0}, {1, 1 + kMaxText}, {1, 1 + kMaxName}, {0, 0}, {1, 1},
};
}  // namespace

void Session::start(Millis now) {
  uint8_t body[18];
  Writer w(body);
  writeBoard(w, now);
  out_.delimit();
  out_.report(kStarted, body, w.size());
}

void Session::received(uint8_t byte, Millis now) {
  if (!in_.push(byte)) return;
  const Frame& f = in_.frame();
  if (f.type == 0 || f.type >= kAirSet) return;  // none of a host's
  lastFrame_ = now;
  uint8_t body[64];
  Writer w(body);
  w.u8(0);
  again_ = nullptr;
  const Status status = command(f, w, now);
  body[0] = static_cast<uint8_t>(status);
  out_.answer(f.type, f.sequence, body, status == Status::ok ? w.size() : 1);
  if (again_ != nullptr) report(*again_);
}

void Session::tick(Millis now) {
  if (!attached_) return;
  if (since(now, lastFrame_) >= static_cast<int32_t>(kHostPatience)) {
    attached_ = false;
    transmitter_.cancelAll(this, now);
    return;
  }
  if (since(now, lastState_) >= static_cast<int32_t>(kStateEvery)) {
    lastState_ = now;
    uint8_t body[40];
    Writer w(body);
    writeState(w, now);
    out_.report(kState, body, w.size());
  }
}

Status Session::command(const Frame& f, Writer& w, Millis now) {
  if (f.type > kReboot) return Status::unknown;
  if (!attached_ && f.type != kHello && f.type != kPing && f.type != kStatus) return Status::noHello;
  const auto& sizes = kSizes[f.type - kHello];
  if (f.size < sizes.least || f.size > sizes.most) return Status::malformed;
  switch (f.type) {
    case kHello:
      return hello(f, w, now);
    case kPing:
      w.u32(now);
      break;
    case kRadio:
      return radio(f, w, now);
    case kTx:
      return transmit(f, w, now);
    case kCancel:
      return cancel(f, w, now);
    case kStatus:
      writeState(w, now);
      break;
    case kDisplay:
      if (f.body[0] > 2) return Status::value;
      board_.show(f.body[0], f.body + 1, f.size - 1);
      break;
    case kStore:
      return store(f, w);
    case kStored:
      w.bytes(settings_.stored().body(), settings_.stored().size());
      break;
    case kReboot:
      return reboot(f);
  }
  return Status::ok;
}

Status Session::hello(const Frame& f, Writer& w, Millis now) {
  if (f.body[0] < kLinkVersion) return Status::version;
  const uint32_t session = get32(f.body + 1);
  if (!attached_ || session != session_) {
    transmitter_.cancelAll(this, now);
    for (Result& r : results_) r.any = false;
    session_ = session;
    attached_ = true;
    lastState_ = now;
    counters_.relayedOnce = counters_.relayedNow;
    counters_.relayedNow = false;
  }
  w.u8(kLinkVersion).u32(session);
  writeBoard(w, now);
  return Status::ok;
}

Status Session::radio(const Frame& f, Writer& w, Millis now) {
  if (f.size != 0) {
    if (f.size != Radio::kSize) return Status::malformed;
    Radio wanted = Radio::read(f.body);
    if (!wanted.valid()) return Status::value;
    wanted.powerDBm = smaller(larger(wanted.powerDBm, self_.minPowerDBm), self_.maxPowerDBm);
    radioSet_ = true;
    if (!transmitter_.use(wanted, now)) return Status::noRadio;
  }
  transmitter_.radio().write(w);
  return Status::ok;
}

// result is what became of a transmission, nullptr if that is not known.
const Session::Result* Session::result(uint16_t id) const {
  for (const Result& r : results_) {
    if (r.any && r.id == id) return &r;
  }
  return nullptr;
}

Status Session::transmit(const Frame& f, Writer& w, Millis now) {
  const uint16_t id = get16(f.body);
  const uint32_t notBefore = get32(f.body + 2);
  const size_t size = f.size - kTxHead;

  again_ = result(id);
  if (again_ == nullptr && transmitter_.find(this, id) == nullptr) {
    if (transmitter_.radioFailed() || !(radioSet_ || settings_.any())) return Status::noRadio;
    if (notBefore != 0 && since(notBefore, now) > static_cast<int32_t>(kFarthest)) return Status::value;
    if (!transmitter_.radio().withinDwell(transmitter_.radio().airtimeMicros(size))) return Status::value;
    Transmission* t = transmitter_.place();
    if (t == nullptr) return Status::full;
    t->id = id;
    t->percent = 100;
    t->slots = f.body[6];
    t->copies = f.body[7];
    t->notBefore = notBefore == 0 ? now : notBefore;
    copy(t->key, f.body + 8, kKeySize);
    t->size = static_cast<uint8_t>(size);
    copy(t->packet, f.body + kTxHead, size);
    transmitter_.add(t, this, now);
  }
  w.u16(id).u8(static_cast<uint32_t>(kPlaces - transmitter_.queued()));
  return Status::ok;
}

Status Session::cancel(const Frame& f, Writer& w, Millis now) {
  const uint16_t id = get16(f.body);
  w.u16(id);
  again_ = result(id);
  if (again_ != nullptr && again_->reason == Reason::cancelled) return Status::ok;  // the host repeats itself
  again_ = nullptr;
  Transmission* t = transmitter_.find(this, id);
  return t != nullptr && transmitter_.cancel(t, Reason::cancelled, now) ? Status::ok : Status::noSuchId;
}

Status Session::store(const Frame& f, Writer& w) {
  if (!radioSet_ && !settings_.any()) return Status::noRadio;
  if (!settings_.store(f.body[0], transmitter_.radio(), f.body + 1, f.size - 1)) return Status::flash;
  w.bytes(settings_.stored().body(), settings_.stored().size());
  return Status::ok;
}

Status Session::reboot(const Frame& f) {
  const auto mode = static_cast<RebootMode>(f.body[0]);
  if (mode > RebootMode::forget || (mode == RebootMode::loader && !(self_.capabilities & kCanUpdate))) return Status::value;
  if (mode == RebootMode::forget && !settings_.forget()) return Status::flash;
  board_.restart(mode);
  return Status::ok;
}

void Session::heard(const uint8_t* packet, size_t n, int16_t rssi, int16_t snr, Millis now) {
  if (!attached_) return;
  uint8_t body[8 + kMaxPacket];
  Writer w(body);
  w.u32(now).u16(static_cast<uint16_t>(rssi)).u16(static_cast<uint16_t>(snr)).bytes(packet, n);
  out_.report(kRx, body, w.size());
}

void Session::done(const Transmission& t, Millis begin, uint32_t micros, Millis) {
  over({true, t.id, Reason::none, t.taken, begin, micros});
}

void Session::dropped(const Transmission& t, Reason why, Millis) { over({true, t.id, why, t.taken, 0, 0}); }

void Session::over(const Result& r) { report(results_[nextResult_++ % kResults] = r); }

void Session::report(const Result& r) {
  if (!attached_) return;
  uint8_t body[11];
  Writer w(body);
  w.u16(r.id);
  if (r.reason == Reason::none) {
    w.u32(r.begin).u32(r.micros).u8(r.taken);
    out_.report(kTxDone, body, w.size());
  } else {
    w.u8(static_cast<uint8_t>(r.reason));
    out_.report(kTxDropped, body, w.size());
  }
}

void Session::writeBoard(Writer& w, Millis now) const {
  w.u16(self_.capabilities).u8(self_.board).u8(self_.chip).bytes(kFirmware, 3);
  w.u32(settings_.stored().node()).u8(static_cast<uint8_t>(self_.maxPowerDBm)).u8(kPlaces).u8(self_.startReason).u32(now);
}

void Session::writeState(Writer& w, Millis now) {
  const Battery battery = board_.battery();
  const Radio& radio = transmitter_.radio();
  uint8_t flags = 0;
  if (battery.charging) flags |= kCharging;
  if (transmitter_.radioFailed()) flags |= kRadioFailed;
  if (counters_.relayedOnce) flags |= kRelayedOnce;
  w.u32(now).u32(transmitter_.usedMillis(now)).u32(smaller<uint32_t>(radio.dutyCycle, 10000) * 360);
  w.u16(transmitter_.load(now)).u16(static_cast<uint16_t>(transmitter_.noiseTenths()));
  w.u16(battery.millivolts).u8(battery.percent).u8(flags).u8(static_cast<uint32_t>(transmitter_.queued()));
  w.u16(in_.skipped()).u16(out_.lost()).u32(counters_.heard).u32(transmitter_.sentPackets()).u32(counters_.relayed);
}

}  // namespace lorrent
