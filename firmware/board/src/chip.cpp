#include "chip.hpp"

#include <Arduino.h>
#include <RadioLib.h>
#include <SPI.h>

#include "pins.hpp"

using lorrent::Millis;
using lorrent::Node;

namespace {

Module wiring(pins::kNss, pins::kIrq, pins::kReset, pins::kMore, SPI);

#if defined(LORRENT_SX1262)
SX1262 chip(&wiring);
constexpr float kTcxoVolts = 1.8f;  // of the oscillator that DIO3 feeds
#else
SX1276 chip(&wiring);
#endif

// Boards with other firmware send up to 32 symbols, and a receiver is to expect the longest
// preamble (SX1276 datasheet, Preamble).
constexpr size_t kLongestPreamble = 32;

size_t expectedPreamble(const lorrent::Radio& r) { return r.preambleSymbols > kLongestPreamble ? r.preambleSymbols : kLongestPreamble; }

volatile bool fired = false;

IRAM_ATTR void onInterrupt() { fired = true; }

int16_t tenths(float x) { return static_cast<int16_t>(x * 10); }

bool ok(int16_t state) { return state == RADIOLIB_ERR_NONE; }

// preamble sets how many symbols are sent, or expected; the chip takes it in standby.
bool preamble(size_t symbols) { return ok(chip.standby()) && ok(chip.setPreambleLength(symbols)); }

}  // namespace

void Chip::begin() { SPI.begin(pins::kSck, pins::kMiso, pins::kMosi, pins::kNss); }

// set resets the chip, so it is in a known state whatever happened before.
bool Chip::set(const lorrent::Radio& r) {
  radio_ = r;
  doing_ = Doing::nothing;
  const float mhz = static_cast<float>(r.frequencyHz / 1e6), khz = static_cast<float>(r.bandwidthHz / 1e3);
#if defined(LORRENT_SX1262)
  const bool up = ok(chip.begin(mhz, khz, r.spreadingFactor, r.codingRate, r.syncWord, r.powerDBm, r.preambleSymbols, kTcxoVolts, false)) &&
                  ok(chip.setDio2AsRfSwitch(true)) && ok(chip.setCurrentLimit(140.0f)) && ok(chip.setRxBoostedGainMode(true)) &&
                  ok(chip.setCRC(2));
#else
  const bool up = ok(chip.begin(mhz, khz, r.spreadingFactor, r.codingRate, r.syncWord, r.powerDBm, r.preambleSymbols, 0)) &&
                  ok(chip.setCurrentLimit(120)) && ok(chip.setCRC(true));
#endif
  if (!up) return false;
  chip.setPacketReceivedAction(onInterrupt);  // the same pin for all ends
  return receive();
}

bool Chip::receive() {
  signal_ = false;
  fired = false;
#if defined(LORRENT_SX1262)
  // The preamble flag does not interrupt, it is for receiving().
  constexpr RadioLibIrqFlags_t flags = RADIOLIB_IRQ_RX_DEFAULT_FLAGS | (1UL << RADIOLIB_IRQ_PREAMBLE_DETECTED);
  const bool up = preamble(expectedPreamble(radio_)) && ok(chip.startReceive(RADIOLIB_SX126X_RX_TIMEOUT_INF, flags, RADIOLIB_IRQ_RX_DEFAULT_MASK, 0));
#else
  const bool up = preamble(expectedPreamble(radio_)) && ok(chip.startReceive());
#endif
  doing_ = up ? Doing::receiving : Doing::nothing;
  return up;
}

bool Chip::send(const uint8_t* packet, size_t n) {
  fired = false;
  if (!preamble(radio_.preambleSymbols) || !ok(chip.startTransmit(packet, n))) {
    receive();
    return false;
  }
  doing_ = Doing::sending;
  digitalWrite(pins::kLed, HIGH);
  return true;
}

bool Chip::listen() {
#if defined(LORRENT_SX1262)
  rssiTenths_ = tenths(chip.getRSSI(false));
#else
  rssiTenths_ = tenths(chip.getRSSI(false, true));
#endif
  fired = false;
  if (!ok(chip.startChannelScan())) {
    receive();
    return false;
  }
  doing_ = Doing::scanning;
  return true;
}

// receiving is true from the preamble on. A preamble without a header, or a header
// without an end, was noise: then the chip begins anew.
bool Chip::receiving() {
  if (doing_ != Doing::receiving) return false;
  const Millis now = millis();
#if defined(LORRENT_SX1262)
  const uint32_t flags = chip.getIrqFlags();
  const bool header = (flags & RADIOLIB_SX126X_IRQ_HEADER_VALID) != 0;
  const bool signal = header || (flags & RADIOLIB_SX126X_IRQ_PREAMBLE_DETECTED) != 0;
#else
  constexpr uint8_t kDetected = 1, kSynchronised = 2, kHeader = 8;  // RegModemStat
  const uint8_t status = chip.getModemStatus();
  const bool header = (status & kHeader) != 0;
  const bool signal = (status & (kDetected | kSynchronised | kHeader)) != 0;
#endif
  if (signal && !signal_) signalSince_ = now;
  signal_ = signal;
  if (signal_ && stale(header, now)) receive();
  return signal_;
}

bool Chip::stale(bool header, Millis now) {
  const Millis symbol = radio_.slot() / 4 + 1;
  const Millis beginning = static_cast<Millis>(symbol * (expectedPreamble(radio_) + 16u));  // and sync word, header
  const Millis longest = header ? radio_.airtimeMicros(lorrent::kMaxPacket) / 1000 + beginning : beginning;
  return lorrent::since(now, signalSince_) > static_cast<int32_t>(longest);
}

// poll looks at the pin as well: an edge may be missed, a level not.
void Chip::poll(Node& node, Journal& journal, Millis now) {
  if (doing_ == Doing::nothing || (!fired && digitalRead(pins::kIrq) == LOW)) return;
  fired = false;
  switch (doing_) {
    case Doing::sending:
      digitalWrite(pins::kLed, LOW);
      chip.finishTransmit();
      receive();
      node.sent(now);
      break;
    case Doing::scanning: {
      const bool taken = chip.getChannelScanResult() != RADIOLIB_CHANNEL_FREE;
      receive();
      node.listened(taken, rssiTenths_, now);
      break;
    }
    case Doing::receiving:
      take(node, journal, now);
      break;
    case Doing::nothing:
      break;
  }
}

void Chip::take(Node& node, Journal& journal, Millis now) {
  static uint8_t packet[lorrent::kMaxPacket];
  const size_t n = chip.getPacketLength();
  if (n == 0 || n > sizeof packet) {
    receive();
    return;
  }
  const bool whole = ok(chip.readData(packet, n));
  const int16_t rssi = tenths(chip.getRSSI()), snr = tenths(chip.getSNR());
  receive();
  if (!whole) return;
  journal.heard(packet, n, snr, node.attached(), now);
  node.heard(packet, n, rssi, snr, now);
}
