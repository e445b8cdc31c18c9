// Tests of the core in virtual time: a board of memory, a clock that goes as told.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../core/node.hpp"

using namespace lorrent;

namespace {

using Bytes = std::vector<uint8_t>;

int failures;
const char* running;

#define CHECK(ok, ...)                                            \
  do {                                                            \
    if (!(ok)) {                                                  \
      failures++;                                                 \
      printf("%s:%d: %s: %s: ", __FILE__, __LINE__, running, #ok); \
      printf(" " __VA_ARGS__);                                    \
      printf("\n");                                               \
    }                                                             \
  } while (0)

struct Sent {
  Millis at;
  uint32_t micros;
  Bytes packet;
};

// Desk is a board whose radio answers in time, unless told otherwise.
class Desk final : public Board {
 public:
  bool setRadio(const Radio& r) override {
    starts++;
    radio = r;
    busyUntil = {};
    pending = nullptr;
    return alive;
  }
  bool send(const uint8_t* p, size_t n) override {
    CHECK(!onAir(), "it talks over others at %u", now);
    const uint32_t micros = radio.airtimeMicros(n);
    sent.push_back({now, micros, Bytes(p, p + n)});
    if (alive) after(micros / 1000 + 1, [this] { node->sent(now); });
    return true;
  }
  bool listen() override {
    if (alive) after(radio.slot() / 2, [this] { node->listened(onAir(), onAir() ? -900 : noise, now); });
    return true;
  }
  bool receiving() override { return stuck || (detects && onAir()); }
  bool readSlot(int slot, uint8_t* to, size_t n) override { return memcpy(to, flash[slot], n) != nullptr; }
  bool writeSlot(int slot, const uint8_t* from, size_t n) override {
    writes++;
    memcpy(flash[slot], from, smaller(n, torn));
    return torn >= n;
  }
  Battery battery() override { return {3700, 50, false}; }
  void show(uint8_t, const uint8_t* p, size_t n) override { shown.assign(p, p + n); }
  void restart(RebootMode m) override { restarted = static_cast<int>(m); }

  bool onAir() const { return static_cast<int32_t>(busyUntil - now) > 0; }
  void after(Millis d, std::function<void()> what) {
    due = now + d;
    pending = std::move(what);
  }

  Node* node = nullptr;
  Millis now = 0;
  Radio radio{};
  bool alive = true, stuck = false, detects = true;
  int16_t noise = -1140;
  Millis busyUntil = 0;  // others talk
  std::vector<Sent> sent;
  int starts = 0, writes = 0, restarted = -1;
  uint8_t flash[2][64] = {};
  size_t torn = 64;
  Bytes shown;
  Millis due = 0;
  std::function<void()> pending;
};

struct Message {
  uint8_t type, sequence;
  Bytes body;
};

// Bench is a node on its desk, and the host's end of its link.
class Bench {
 public:
  explicit Bench(Millis begin = 1000) {
    desk.now = begin;
    boot();
  }
  void boot() {
    const Identity self = {kCanRelay | kHasFlash, 1, 0, 0, 22, -9, 0x22220002, 7};
    node = std::make_unique<Node>(desk, self);
    desk.node = node.get();
    node->start(desk.now);
  }

  // pass lets time pass, a millisecond at a time.
  void pass(Millis d) {
    for (const Millis end = desk.now + d; desk.now != end;) {
      desk.now++;
      if (desk.pending && reached(desk.now, desk.due)) {
        auto what = std::move(desk.pending);
        desk.pending = nullptr;
        what();
      }
      node->tick(desk.now);
      if (reads) drain();
    }
  }
  void drain() {
    const uint8_t* p;
    for (size_t n; (n = node->pending(&p)) > 0; node->written(n)) {
      for (size_t i = 0; i < n; i++) {
        if (in.push(p[i])) got.push_back({in.frame().type, in.frame().sequence, Bytes(in.frame().body, in.frame().body + in.frame().size)});
      }
    }
  }
  void raw(const Bytes& b) {
    node->received(b.data(), b.size(), desk.now);
    if (reads) drain();
  }
  static Bytes frame(uint8_t type, const Bytes& body, uint8_t sequence = 0) {
    Bytes wire(kMaxWire);
    wire.resize(encodeFrame(wire.data(), type, sequence, body.data(), body.size()));
    return wire;
  }
  // ask returns the answer's status and body; empty: there was none.
  Bytes ask(uint8_t type, const Bytes& body = {}) {
    got.clear();
    raw(frame(type, body, ++sequence));
    for (const Message& m : got) {
      if (m.type == (type | 0x80) && m.sequence == sequence) return m.body;
    }
    return {};
  }
  void hello(uint32_t session = 1) { CHECK(ask(kHello, {1, 0, 0, 0, static_cast<uint8_t>(session)}).size() > 5); }
  Bytes radioBytes(const Radio& r) {
    Bytes b(Radio::kSize);
    Writer w(b.data());
    r.write(w);
    return b;
  }
  void tune(const Radio& r) { CHECK(ask(kRadio, radioBytes(r))[0] == 0); }
  Bytes tx(uint16_t id, size_t size, uint8_t slots = 1) {
    Bytes b = {static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id), 0, 0, 0, 0, slots, 0};
    b.resize(17 + size, 0xAA);
    return ask(kTx, b);
  }
  int count(uint8_t type) {
    int n = 0;
    for (const Message& m : got) n += m.type == type;
    return n;
  }

  Desk desk;
  std::unique_ptr<Node> node;
  bool reads = true;
  Deframer in;
  std::vector<Message> got;
  uint8_t sequence = 0;
};

constexpr Radio kFast = {869525000, 250000, 7, 5, 16, 0x12, 14, 10000, 0};

Bytes flood(uint8_t sequence, uint8_t ttl = 3) {
  Bytes b = {0xC0, 0x10, ttl, 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0, 0, sequence, 0x00, 0x01};
  b.resize(34, 0xBB);
  return b;
}

void hear(Bench& b, const Bytes& p) { b.node->heard(p.data(), p.size(), -900, 0, b.desk.now); }

void alone(Bench& b) {  // has it relay without a host
  b.hello();
  b.tune(kFast);
  CHECK(b.ask(kStore, {kRelayAlone})[0] == 0);
  b.pass(10001);
  CHECK(b.node->relaying());
}

void testHostStallsForAMinute() {
  Bench b;
  alone(b);
  b.hello(2);
  b.got.clear();
  b.reads = false;
  for (int i = 0; i < 600; i++) {  // and is told much meanwhile
    hear(b, flood(static_cast<uint8_t>(i)));
    b.pass(100);
  }
  CHECK(b.node->relaying(), "it takes a stalled host for dead");
  b.reads = true;
  b.drain();
  CHECK(!b.got.empty() && b.got.size() < 100, "%zu", b.got.size());
  b.hello(3);
  CHECK(!b.node->relaying() && b.node->attached());
  const Bytes state = b.ask(kStatus);
  CHECK(state.size() == 38 && get16(&state[22]) == 0, "bad frames %u", get16(&state[22]));
  CHECK(get16(&state[24]) > 0, "reports that were lost are counted");
  CHECK(b.tx(1, 20)[0] == 0);
  b.pass(1000);
  CHECK(b.count(kTxDone) == 1);
}

void testHostFloods() {
  Bench b;
  b.hello();
  b.tune(kFast);
  int ok = 0, full = 0;
  for (uint16_t id = 0; id < 5000; id++) {
    const Bytes answer = b.tx(id, 200, 0);
    CHECK(answer.size() >= 1);
    ok += answer[0] == 0;
    full += answer[0] == 4;
  }
  CHECK(ok == kPlaces && full == 5000 - kPlaces, "%d ok, %d full", ok, full);
  b.got.clear();
  b.pass(8000);
  CHECK(b.count(kTxDone) == kPlaces, "%d", b.count(kTxDone));
  b.reads = false;  // answers have an end, too
  for (int i = 0; i < 5000; i++) b.raw(Bench::frame(kPing, {}));
  b.reads = true;
  b.drain();
  CHECK(b.ask(kPing).size() == 5);
}

void testHostDiesMidFrame() {
  Bench b;
  alone(b);
  b.hello(2);
  CHECK(b.tx(9, 50)[0] == 0);
  Bytes half = Bench::frame(kTx, Bytes(100, 1));
  half.resize(40);
  b.raw(half);
  b.pass(10001);
  CHECK(b.node->relaying() && !b.node->attached());
  b.raw({0});
  b.hello(3);
  CHECK(b.node->attached());
}

void testQueueOfADeadHostIsNotSent() {
  Bench b;
  b.hello();
  b.tune(kFast);
  b.desk.detects = false;
  b.desk.busyUntil = b.desk.now + 15000;
  CHECK(b.tx(1, 50)[0] == 0);
  b.pass(30000);
  CHECK(b.desk.sent.empty(), "%zu", b.desk.sent.size());
}

void testNeverTalksOverOthers() {
  for (bool detects : {true, false}) {
    Bench b;
    b.desk.detects = detects;
    b.hello();
    Radio r = kFast;
    r.spreadingFactor = 12;  // receptions last up to 5 s
    b.tune(r);
    CHECK(b.tx(1, 50)[0] == 0);
    for (int i = 0; i < 119; i++) {
      b.desk.busyUntil = b.desk.now + (i % 3 == 2 ? 980 : 1000);
      b.ask(kPing);
      b.pass(1000);
    }
    for (int i = 0; i < 40; i++) b.desk.busyUntil = b.desk.now + 1000, b.ask(kPing), b.pass(1000);
    CHECK(b.node->transmitter().queued() == 0, "what has waited for 2 min is dropped");
    CHECK(b.desk.sent.size() <= 1);
  }
}

void testDropsWhatIsNeverFree() {
  Bench b;
  b.hello();
  b.tune(kFast);
  b.desk.detects = false;
  CHECK(b.tx(5, 50)[0] == 0);
  int dropped = 0;
  for (int i = 0; i < 125; i++) {
    b.desk.busyUntil = b.desk.now + 2000;
    b.ask(kPing);
    b.pass(1000);
    for (const Message& m : b.got) dropped += m.type == kTxDropped && m.body == Bytes{0, 5, 5};
  }
  CHECK(dropped == 1 && b.desk.sent.empty(), "%d", dropped);
}

void testDutyCycle() {
  Bench b;
  b.hello();
  Radio r = kFast;
  r.dutyCycle = 100;  // 36 s an hour
  b.tune(r);
  uint16_t id = 0;
  for (int minute = 0; minute < 180; minute++) {
    for (int s = 0; s < 12; s++) {
      b.tx(id++, 255);
      b.pass(5000);
    }
  }
  for (size_t i = 0; i < b.desk.sent.size(); i++) {
    uint64_t sum = 0;
    for (size_t j = i; j < b.desk.sent.size() && b.desk.sent[j].at - b.desk.sent[i].at < 3600000; j++) sum += b.desk.sent[j].micros;
    CHECK(sum <= 36000000, "%.1f s in the hour from %u", static_cast<double>(sum) / 1e6, b.desk.sent[i].at);
  }
  const double used = static_cast<double>(b.desk.sent.size()) * b.desk.sent[0].micros / 1e6;
  CHECK(used > 3 * 36 * 0.9, "only %.1f s of %d are used", used, 3 * 36);
}

void testClockGoesAround() {
  Bench b(0xFFFFFFFFu - 5000);
  b.hello();
  b.tune(kFast);
  Bytes tx = {0, 1, 0, 0, 0x0B, 0xB8, 1, 0};  // not before 3000, which is after it went around
  tx.resize(17 + 30, 1);
  CHECK(b.ask(kTx, tx)[0] == 0);
  b.pass(7900);
  CHECK(b.desk.sent.empty(), "sent too early");
  b.ask(kPing);
  b.pass(1200);
  CHECK(b.desk.sent.size() == 1 && reached(b.desk.sent[0].at, 3000) && b.desk.sent[0].at < 3100);
  b.pass(9000);
  CHECK(!b.node->attached());

  Bench c(0xFFFFFFFFu - 9000);  // a relay goes on
  alone(c);
  hear(c, flood(1));
  c.pass(5000);
  CHECK(c.desk.sent.size() == 1);
}

void testRadioNeverAnswers() {
  Bench b;
  b.hello();
  b.tune(kFast);
  b.desk.alive = false;
  CHECK(b.tx(1, 20)[0] == 0);
  b.got.clear();
  b.pass(3000);
  bool told = false;
  for (const Message& m : b.got) told |= m.type == kTxDropped && m.body == Bytes{0, 1, 4};
  CHECK(told, "the host is told");
  CHECK(b.tx(2, 20)[0] == 5);
  CHECK(b.ask(kStatus)[20] & kRadioFailed);
  const int before = b.desk.starts;
  b.pass(9000);
  b.ask(kPing);
  CHECK(b.desk.starts > before, "it tries again");
  b.desk.alive = true;
  b.pass(6000);
  CHECK(b.tx(3, 20)[0] == 0);
  b.pass(1000);
  CHECK(b.count(kTxDone) == 1);
}

void testRadioStopsDuringTransmission() {
  Bench b;
  b.hello();
  b.tune(kFast);
  CHECK(b.tx(1, 20)[0] == 0);
  while (b.desk.sent.empty()) b.pass(1);
  b.desk.pending = nullptr;  // the end never comes
  b.pass(2500);
  bool told = false;
  for (const Message& m : b.got) told |= m.type == kTxDropped && m.body == Bytes{0, 1, 4};
  CHECK(told);
  CHECK(b.tx(2, 20)[0] == 0, "the radio was restarted");
}

void testReceptionWithoutEnd() {
  Bench b;
  b.hello();
  b.tune(kFast);
  const int before = b.desk.starts;
  b.desk.stuck = true;
  b.pass(3000);
  CHECK(b.desk.starts > before, "it restarts a radio that receives for ever");
}

void testTornSlot() {
  Bench b;
  b.hello();
  b.tune(kFast);
  CHECK(b.ask(kStore, {kRelayAlone, 'a'})[0] == 0);
  for (size_t torn = 0; torn < 64; torn++) {
    uint8_t before[2][64];
    memcpy(before, b.desk.flash, sizeof before);
    b.desk.torn = torn;
    const Bytes answer = b.ask(kStore, {kRelayAlone, 'b'});
    CHECK(answer[0] == 7, "status %u with %zu bytes", answer[0], torn);
    b.boot();
    const char want = torn < 6 + 26 + 2 ? 'a' : 'b';  // from there on, what is missing says nothing
    CHECK(b.node->settings().stored().name()[0] == want && b.node->settings().any(), "torn after %zu", torn);
    memcpy(b.desk.flash, before, sizeof before);
    b.desk.torn = 64;
    b.boot();
    b.hello();
    b.tune(kFast);
  }
  CHECK(b.ask(kStore, {kRelayAlone, 'b'})[0] == 0);
  b.boot();
  CHECK(b.node->settings().stored().name()[0] == 'b' && b.node->settings().stored().generation() == 2);
}

void testNoStoreNoRelay() {
  Bench b;
  b.pass(30000);
  hear(b, flood(1));
  b.pass(60000);
  CHECK(!b.node->relaying() && b.desk.sent.empty(), "a new board transmits nothing");
}

void testRelaysOnce() {
  Bench b;
  alone(b);
  hear(b, flood(1));
  hear(b, flood(1));
  b.pass(8000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
  if (b.desk.sent.size() != 1) return;
  Bytes want = flood(1);
  want[2] = 2, want[12] = 0x00, want[13] = 0x02;
  CHECK(b.desk.sent[0].packet == want);
  hear(b, flood(1));
  hear(b, flood(2, 0));  // no TTL left
  b.pass(5000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
  for (int i = 0; i < 3; i++) hear(b, flood(3));  // enough copies
  b.pass(5000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
}

// An acknowledgement that is flooded names the source of its message, who has yet to
// get it.
void testFloodedAcknowledgement() {
  Bench b;
  alone(b);
  const Bytes beacon = {0xC0, 0x13, 0, 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0, 0, 1, 0x00, 0x01, 1, 0x00, 0x02, 0xFF};
  hear(b, beacon);  // the source hears this node
  Bytes ack = {0xC0, 0x12, 0x87, 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0x80, 0, 9, 0x00, 0x03, 0xFF, 0xFF};
  ack.resize(24, 0xCC);
  hear(b, ack);
  b.pass(5000);
  CHECK(b.desk.sent.size() == 1, "%zu", b.desk.sent.size());
}

void testRelayKeepsToItsDutyCycle() {
  Bench b;
  b.hello();
  Radio r = kFast;
  r.dutyCycle = 10;  // 3.6 s an hour
  b.tune(r);
  CHECK(b.ask(kStore, {kRelayAlone})[0] == 0);
  b.pass(10001);
  for (int i = 0; i < 1800; i++) {
    Bytes p = flood(static_cast<uint8_t>(i));
    p[10] = static_cast<uint8_t>(i >> 8);
    hear(b, p);
    b.pass(1000);
  }
  uint64_t sum = 0;
  for (const Sent& s : b.desk.sent) sum += s.micros;
  CHECK(sum > 2500000 && sum <= 3240000, "%.2f s on the air", static_cast<double>(sum) / 1e6);
}

Bytes floodOf(uint8_t node, uint16_t sequence) {
  Bytes b = flood(static_cast<uint8_t>(sequence));
  b[6] = b[13] = node;
  b[9] = static_cast<uint8_t>(sequence >> 8);
  b[10] = static_cast<uint8_t>(sequence & 0xFF);
  b.resize(200, 0xBB);
  return b;
}

// While the channel is busy a node that floods gets no more than its share, and who says
// little is relayed.
void testFairShare() {
  for (bool busy : {false, true}) {
    Bench b;
    alone(b);
    for (uint16_t i = 0; i < 1000; i++) {
      if (busy || i % 10 == 0) hear(b, floodOf(1, i));
      if (i % 20 == 5) hear(b, floodOf(3, i));
      b.pass(500);
    }
    b.pass(20000);
    int loud = 0, quiet = 0;
    for (const Sent& s : b.desk.sent) {
      if (s.packet[1] == 0x10) (s.packet[6] == 1 ? loud : quiet)++;
    }
    CHECK(quiet >= 48, "%d of 50", quiet);
    CHECK(busy ? loud < 150 : loud == 100, "%d of %d", loud, busy ? 1000 : 100);
  }
}

void testBeacons() {
  Bench b;
  alone(b);
  hear(b, flood(1));
  b.pass(130000);
  int beacons = 0;
  for (const Sent& s : b.desk.sent) {
    if (s.packet[1] != 0x13) continue;
    beacons++;
    CHECK(s.packet.size() == 18 && s.packet[14] == 1 && s.packet[15] == 0x00 && s.packet[16] == 0x01);
  }
  CHECK(beacons >= 1 && beacons <= 3, "%d beacons in 130 s", beacons);
}

// Sections of a file of vectors.
std::vector<std::map<std::string, std::string>> sections(const char* path) {
  std::vector<std::map<std::string, std::string>> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      all.push_back({{"name", line.substr(1, line.size() - 2)}});
    } else if (const size_t at = line.find(" = "); at != std::string::npos) {
      all.back()[line.substr(0, at)] = line.substr(at + 3);
    }
  }
  CHECK(all.size() > 10, "%s", path);
  return all;
}

Bytes unhex(const std::string& s) {
  Bytes b;
  for (size_t i = 0; i + 1 < s.size(); i += 2) b.push_back(static_cast<uint8_t>(std::stoi(s.substr(i, 2), nullptr, 16)));
  return b;
}

void testLinkVectors(const char* path) {
  for (auto& s : sections(path)) {
    const Bytes wire = unhex(s["wire"]);
    Deframer in;
    std::string types;
    Message last{};
    for (uint8_t byte : wire) {
      if (!in.push(byte)) continue;
      const Frame& f = in.frame();
      last = {f.type, f.sequence, Bytes(f.body, f.body + f.size)};
      char text[16];
      snprintf(text, sizeof text, "%s%02x:%u", types.empty() ? "" : " ", f.type, f.sequence);
      types += text;
    }
    if (s["kind"] == "stream") {
      CHECK((types.empty() ? "none" : types) == s["types"], "%s: %s", s["name"].c_str(), types.c_str());
      CHECK(in.skipped() == std::stoi(s["skipped"]), "%s: %u skipped", s["name"].c_str(), in.skipped());
    } else if (s["kind"] == "message" || s["kind"] == "frame") {
      CHECK(Bench::frame(last.type, last.body, last.sequence) == wire, "%s", s["name"].c_str());
      Bytes plain = {last.type, last.sequence};
      plain.insert(plain.end(), last.body.begin(), last.body.end());
      const uint16_t crc = checksum(plain.data(), plain.size());
      plain.push_back(static_cast<uint8_t>(crc >> 8)), plain.push_back(static_cast<uint8_t>(crc));
      CHECK(plain == unhex(s["plain"]), "%s", s["name"].c_str());
    }
  }
}

void testPacketVectors(const char* path) {
  for (auto& s : sections(path)) {
    if (!s.count("packet")) continue;
    const Bytes p = unhex(s["packet"]);
    Header h;
    const bool ok = parse(p.data(), p.size(), &h);
    const std::string kind = s["kind"];
    if (kind == "refused" || kind == "mac") continue;  // by whom has the key, often
    const bool travels = kind != "nack" && kind != "pull";
    CHECK(ok == travels, "%s of kind %s", s["name"].c_str(), kind.c_str());
    if (!ok || kind == "bundle") continue;
    if (s.count("source")) CHECK(h.source == std::stoul(s["source"], nullptr, 16), "%s", s["name"].c_str());
    if (s.count("sequence")) CHECK(h.sequence == std::stoul(s["sequence"], nullptr, 16), "%s", s["name"].c_str());
    if (s.count("tx")) CHECK(h.tx == std::stoul(s["tx"], nullptr, 16), "%s", s["name"].c_str());
    if (s.count("ttl")) CHECK(h.ttl == std::stoul(s["ttl"]), "%s", s["name"].c_str());
    if (h.directed && s.count("next")) CHECK(h.next == std::stoul(s["next"], nullptr, 16), "%s", s["name"].c_str());
  }
}

void testAirtime() {
  const struct { uint8_t sf; uint32_t bw; uint8_t cr; uint8_t preamble; size_t size; uint32_t micros; } vectors[] = {
      {7, 125000, 5, 8, 1, 25856},   {7, 125000, 5, 8, 51, 102656},   {7, 250000, 5, 16, 56, 57984},
      {8, 62500, 8, 32, 38, 508928}, {9, 250000, 5, 16, 64, 211456},  {10, 62500, 5, 16, 30, 1118208},
      {11, 250000, 5, 16, 255, 2156544}, {12, 125000, 8, 16, 255, 14295040}, {5, 250000, 5, 12, 64, 20640},
  };
  for (const auto& v : vectors) {
    const Radio r = {868000000, v.bw, v.sf, v.cr, v.preamble, 0x12, 14, 10000, 0};
    CHECK(r.airtimeMicros(v.size) == v.micros, "SF%u/%u %zu bytes: %u", v.sf, v.bw, v.size, r.airtimeMicros(v.size));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const struct {
    const char* name;
    std::function<void()> run;
  } tests[] = {
      {"link vectors", [&] { testLinkVectors(argv[1]); }},
      {"packet vectors", [&] { testPacketVectors(argv[2]); }},
      {"time on air", testAirtime},
      {"host stalls for a minute", testHostStallsForAMinute},
      {"host floods", testHostFloods},
      {"host dies in the middle of a frame", testHostDiesMidFrame},
      {"queue of a dead host", testQueueOfADeadHostIsNotSent},
      {"never talks over others", testNeverTalksOverOthers},
      {"channel that is never free", testDropsWhatIsNeverFree},
      {"duty cycle", testDutyCycle},
      {"clock goes around", testClockGoesAround},
      {"radio never answers", testRadioNeverAnswers},
      {"radio stops during a transmission", testRadioStopsDuringTransmission},
      {"reception without an end", testReceptionWithoutEnd},
      {"torn slot", testTornSlot},
      {"nothing stored, nothing relayed", testNoStoreNoRelay},
      {"relays once", testRelaysOnce},
      {"flooded acknowledgement", testFloodedAcknowledgement},
      {"relay keeps to its duty cycle", testRelayKeepsToItsDutyCycle},
      {"fair share", testFairShare},
      {"beacons", testBeacons},
  };
  for (const auto& t : tests) {
    running = t.name;
    const int before = failures;
    t.run();
    printf("%s %s\n", failures == before ? "ok  " : "FAIL", t.name);
  }
  return failures != 0;
}
