#include "session.hpp"

namespace lorrent {

namespace {
constexpr size_t kTxHead = 17;
}

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
  command(f, now);
}

void Session::tick(Millis now) {
  if (!attached_) return;
  if (since(now, lastFrame_) >= static_cast<int32_t>(kHostPatience)) {
    attached_ = false;
    transmitter_.cancelAll(Transmission::Owner::host, now);
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

void Session::command(const Frame& f, Millis now) {
  if (!attached_ && f.type != kHello && f.type != kPing && f.type != kStatus) {
    return answer(f, f.type <= kReboot ? Status::noHello : Status::unknown);
  }
  uint8_t body[64];
  Writer w(body);
  switch (f.type) {
    case kHello:
      return hello(f, now);
    case kPing:
      if (f.size != 0) return answer(f, Status::malformed);
      w.u32(now);
      break;
    case kRadio:
      return radio(f, now);
    case kTx:
      return transmit(f, now);
    case kCancel:
      return cancel(f, now);
    case kStatus:
      if (f.size != 0) return answer(f, Status::malformed);
      writeState(w, now);
      break;
    case kDisplay:
      if (f.size < 1 || f.size > 1 + kMaxText) return answer(f, Status::malformed);
      if (f.body[0] > 2) return answer(f, Status::value);
      board_.show(f.body[0], f.body + 1, f.size - 1);
      break;
    case kStore:
      return store(f);
    case kStored:
      if (f.size != 0) return answer(f, Status::malformed);
      settings_.stored().write(w);
      break;
    case kReboot:
      return reboot(f);
    default:
      return answer(f, Status::unknown);
  }
  answer(f, Status::ok, body, w.size());
}

void Session::hello(const Frame& f, Millis now) {
  if (f.size != 5) return answer(f, Status::malformed);
  if (f.body[0] < kLinkVersion) return answer(f, Status::version);
  const uint32_t session = get32(f.body + 1);
  if (!attached_ || session != session_) {
    transmitter_.cancelAll(Transmission::Owner::host, now);
    for (Result& r : results_) r.any = false;
    session_ = session;
    attached_ = true;
    lastState_ = now;
    counters_.relayedOnce = counters_.relayedNow;
    counters_.relayedNow = false;
  }
  uint8_t body[32];
  Writer w(body);
  w.u8(kLinkVersion).u32(session);
  writeBoard(w, now);
  answer(f, Status::ok, body, w.size());
}

void Session::radio(const Frame& f, Millis now) {
  if (f.size != 0 && f.size != Radio::kSize) return answer(f, Status::malformed);
  if (f.size != 0) {
    Radio wanted = Radio::read(f.body);
    if (!wanted.valid()) return answer(f, Status::value);
    wanted.powerDBm = smaller(larger(wanted.powerDBm, self_.minPowerDBm), self_.maxPowerDBm);
    const bool same = radioSet_ && wanted == transmitter_.radio() && !transmitter_.radioFailed();
    radioSet_ = true;
    if (!same && !transmitter_.use(wanted, now)) return answer(f, Status::noRadio);
  }
  uint8_t body[Radio::kSize];
  Writer w(body);
  transmitter_.radio().write(w);
  answer(f, Status::ok, body, w.size());
}

void Session::transmit(const Frame& f, Millis now) {
  if (f.size <= kTxHead || f.size > kTxHead + kMaxPacket) return answer(f, Status::malformed);
  const uint16_t id = get16(f.body);
  const uint32_t notBefore = get32(f.body + 2);
  const uint8_t slots = f.body[6], copies = f.body[7];
  const size_t size = f.size - kTxHead;

  const Result* over = nullptr;
  for (const Result& r : results_) {
    if (r.any && r.id == id) over = &r;
  }
  const bool known = over != nullptr || transmitter_.find(Transmission::Owner::host, id) != nullptr;
  if (!known) {
    if (transmitter_.radioFailed() || !(radioSet_ || settings_.any())) return answer(f, Status::noRadio);
    if (notBefore != 0 && since(notBefore, now) > static_cast<int32_t>(kFarthest)) return answer(f, Status::value);
    if (!transmitter_.radio().withinDwell(transmitter_.radio().airtimeMicros(size))) return answer(f, Status::value);
    Transmission* t = transmitter_.place();
    if (t == nullptr) return answer(f, Status::full);
    t->id = id;
    t->percent = 100;
    t->slots = slots;
    t->copies = copies;
    t->notBefore = notBefore == 0 ? now : notBefore;
    copy(t->key, f.body + 8, kKeySize);
    t->size = static_cast<uint8_t>(size);
    copy(t->packet, f.body + kTxHead, size);
    transmitter_.add(t, Transmission::Owner::host, now);
  }
  uint8_t body[3];
  Writer w(body);
  w.u16(id).u8(static_cast<uint32_t>(kPlaces - transmitter_.queued()));
  answer(f, Status::ok, body, w.size());
  if (over != nullptr) report(*over);
}

void Session::cancel(const Frame& f, Millis now) {
  if (f.size != 2) return answer(f, Status::malformed);
  const uint16_t id = get16(f.body);
  for (const Result& r : results_) {
    if (r.any && r.id == id && r.reason == Reason::cancelled) {  // the host repeats itself
      answer(f, Status::ok, f.body, 2);
      return report(r);
    }
  }
  Transmission* t = transmitter_.find(Transmission::Owner::host, id);
  const bool could = t != nullptr && transmitter_.cancel(t, Reason::cancelled, now);
  could ? answer(f, Status::ok, f.body, 2) : answer(f, Status::noSuchId);
}

void Session::store(const Frame& f) {
  if (f.size < 1 || f.size > 1 + kMaxName) return answer(f, Status::malformed);
  if (!radioSet_ && !settings_.any()) return answer(f, Status::noRadio);
  if (!settings_.store(f.body[0], transmitter_.radio(), f.body + 1, f.size - 1)) return answer(f, Status::flash);
  uint8_t body[Stored::kMaxSize];
  Writer w(body);
  settings_.stored().write(w);
  answer(f, Status::ok, body, w.size());
}

void Session::reboot(const Frame& f) {
  if (f.size != 1) return answer(f, Status::malformed);
  const auto mode = static_cast<RebootMode>(f.body[0]);
  if (mode > RebootMode::forget || (mode == RebootMode::loader && !(self_.capabilities & kCanUpdate))) {
    return answer(f, Status::value);
  }
  if (mode == RebootMode::forget && !settings_.forget()) return answer(f, Status::flash);
  answer(f, Status::ok);
  board_.restart(mode);
}

void Session::answer(const Frame& f, Status status, const uint8_t* body, size_t n) {
  uint8_t b[64];
  Writer w(b);
  w.u8(static_cast<uint8_t>(status)).bytes(body, n);
  out_.answer(f.type, f.sequence, b, w.size());
}

void Session::heard(const uint8_t* packet, size_t n, int16_t rssi, int16_t snr, Millis now) {
  if (!attached_) return;
  uint8_t body[8 + kMaxPacket];
  Writer w(body);
  w.u32(now).u16(static_cast<uint16_t>(rssi)).u16(static_cast<uint16_t>(snr)).bytes(packet, n);
  out_.report(kRx, body, w.size());
}

void Session::done(const Transmission& t, Millis begin, uint32_t micros) {
  remember({true, t.id, Reason::none, t.taken, begin, micros});
}

void Session::dropped(const Transmission& t, Reason why) { remember({true, t.id, why, t.taken, 0, 0}); }

void Session::remember(const Result& r) {
  results_[nextResult_] = r;
  nextResult_ = (nextResult_ + 1) % 16;
  report(r);
}

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
  w.u32(settings_.stored().node).u8(static_cast<uint8_t>(self_.maxPowerDBm)).u8(kPlaces).u8(self_.startReason).u32(now);
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
