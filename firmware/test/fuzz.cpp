// libFuzzer's input drives a whole node: bytes from the host, packets and answers from
// a radio, time. Whatever comes, the node keeps to its limits, and listens before it
// talks.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <utility>
#include <vector>

#include "../core/node.hpp"

using namespace lorrent;

namespace {

Millis now;

void check(bool ok) {
  if (!ok) abort();
}

class Desk final : public Board {
 public:
  bool setRadio(const Radio& radio) override {
    check(radio.valid());
    radio_ = radio;
    busy_ = sending = listening = false;
    return answers;
  }
  bool send(const uint8_t* packet, size_t n) override {
    check(n >= 1 && n <= kMaxPacket && !sending && !listening);
    check(free);  // it has just listened, and nobody was there
    free = false;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) sum = static_cast<uint8_t>(sum + packet[i]);  // for the sanitizer
    micros = radio_.airtimeMicros(n);
    check(radio_.withinDwell(micros));
    uint64_t spent = micros;
    for (const auto& [began, took] : past) spent += now - began < 3600000 ? took : 0;
    check(radio_.dutyCycle >= 10000 || spent <= static_cast<uint64_t>(radio_.dutyCycle) * 360000);
    past.push_back({now, micros});
    if (answers) sending = true;
    return answers;
  }
  bool listen() override {
    check(!sending && !listening);
    listening = answers;
    return answers;
  }
  bool receiving() override { return busy_; }
  bool readSlot(int slot, uint8_t* to, size_t n) override {
    check(slot >= 0 && slot < 2 && n == 64);
    memcpy(to, flash_[slot], n);
    return true;
  }
  bool writeSlot(int slot, const uint8_t* from, size_t n) override {
    check(slot >= 0 && slot < 2 && n == 64);
    memcpy(flash_[slot], from, torn ? 20 : n);
    return true;
  }
  Battery battery() override { return {3700, 50, false}; }
  void show(uint8_t kind, const uint8_t*, size_t n) override { check(kind <= 2 && n <= kMaxText); }
  void restart(RebootMode) override {}

  bool busy_ = false, answers = true, torn = false, sending = false, listening = false, free = false;
  uint32_t micros = 0;
  std::vector<std::pair<Millis, uint32_t>> past;  // transmissions: begin, µs

 private:
  Radio radio_ = kEurope;
  uint8_t flash_[2][64] = {};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* p, size_t n) {
  static Desk* desk;
  static Node* node;
  delete node;
  delete desk;
  desk = new Desk;
  const Identity self = {kCanRelay | kHasFlash, 1, 0, 0, 22, -9, 0x22220002, 1};
  node = new Node(*desk, self);
  now = 0xFFFF0000u;  // goes around on the way
  // A host that has stored that this node relays.
  Radio radio = kEurope;
  uint8_t body[64], wire[kMaxWire];
  node->start(now);
  const auto command = [&](uint8_t type, size_t size) {
    node->received(wire, encodeFrame(wire, type, 0, body, size), now);
  };
  Writer(body).u8(1).u32(1);
  command(kHello, 5);
  Writer w(body);
  radio.write(w);
  command(kRadio, Radio::kSize);
  Writer(body).u8(kRelayAlone);
  command(kStore, 1);

  const uint8_t* end = p + n;
  while (p < end) {
    const uint8_t what = *p++;
    const size_t size = smaller<size_t>(what >> 3 == 31 ? 255 : what >> 3, static_cast<size_t>(end - p));
    switch (what & 7) {
      case 0:  // raw bytes from the host
        node->received(p, size, now);
        p += size;
        break;
      case 1:  // a sound frame
        if (size > 0) node->received(wire, encodeFrame(wire, p[0] & 15, 1, p + 1, size - 1), now);
        p += size;
        break;
      case 2:  // a packet
        if (!desk->sending && size > 0) node->heard(p, size, -900, static_cast<int16_t>(p[0]), now);
        p += size;
        break;
      case 3:  // a packet with a sound head
        if (!desk->sending && size > 0) {
          uint8_t packet[kMaxPacket] = {0xC0, static_cast<uint8_t>(0x10 | (p[0] & 15)), p[0]};
          memcpy(packet + 2, p, smaller(size, sizeof packet - 2));
          node->heard(packet, smaller<size_t>(size + 2 + (p[0] >> 2), sizeof packet), -900, -50, now);
        }
        p += size;
        break;
      case 4:
        desk->busy_ = what & 8;
        desk->answers = !(what & 16) || (what & 32);
        desk->torn = what & 64;
        break;
      case 5:  // the radio answers
        if (desk->sending) {
          desk->sending = false;
          now += desk->micros / 1000;
          node->sent(now);
        } else if (desk->listening) {
          desk->listening = false;
          desk->free = !(what & 8);
          node->listened(what & 8, what & 16 ? -500 : -1140, now);
          desk->free = false;
        }
        break;
      default:
        now += 1u << (what >> 4);  // up to 32 s
        break;
    }
    if (desk->sending && desk->answers == false) desk->sending = false;
    const Millis wait = node->tick(now);
    check(wait >= 1 && wait <= 1000);
    const uint8_t* out;
    const size_t pending = node->pending(&out);
    check(pending <= 2048);
    if (what & 128) node->written(pending);
  }
  return 0;
}
