// A bench for tests of the core in virtual time: a board of memory, a clock that goes
// as told, the host's end of the link.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../core/node.hpp"

using namespace lorrent;

using Bytes = std::vector<uint8_t>;

inline int failures;
inline const char* running;

#define CHECK(ok, ...)                                            \
  do {                                                            \
    if (!(ok)) {                                                  \
      failures++;                                                 \
      printf("%s:%d: %s: %s: ", __FILE__, __LINE__, running, #ok); \
      printf(" " __VA_ARGS__);                                    \
      printf("\n");                                               \
    }                                                             \
  } while (0)

// run tries one thing, and says how it went.
inline void run(const char* name, const std::function<void()>& test) {
  running = name;
  const int before = failures;
  test();
  printf("%s %s\n", failures == before ? "ok  " : "FAIL", name);
}

// What there is to try, by file.
void linkTests(const char* linkVectors);
void packetTests(const char* packetVectors);
void hostTests();
void radioTests();
void flashTests();
void relayTests();
void directedTests();

// sections are those of a file of vectors.
std::vector<std::map<std::string, std::string>> sections(const char* path);
Bytes unhex(const std::string& s);

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
    busyUntil = now;
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

inline Bytes flood(uint8_t sequence, uint8_t ttl = 3) {
  Bytes b = {0xC0, 0x10, ttl, 0x11, 0x11, 0x00, 0x01, 0xBE, 0xEF, 0, 0, sequence, 0x00, 0x01};
  b.resize(34, 0xBB);
  return b;
}

inline void hear(Bench& b, const Bytes& p) { b.node->heard(p.data(), p.size(), -900, 0, b.desk.now); }

inline void alone(Bench& b) {  // has it relay without a host
  b.hello();
  b.tune(kFast);
  CHECK(b.ask(kStore, {kRelayAlone})[0] == 0);
  b.pass(10001);
  CHECK(b.node->relaying());
}
