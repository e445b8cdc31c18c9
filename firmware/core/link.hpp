// The words of the board link. PROTOCOL.md says what they mean.
#pragma once

#include "bytes.hpp"

namespace lorrent {

constexpr uint8_t kLinkVersion = 1;
constexpr uint8_t kFirmware[3] = {0, 1, 0};

constexpr size_t kMaxPacket = 255;
constexpr size_t kMaxText = 200;
constexpr size_t kMaxName = 20;
constexpr size_t kKeySize = 9;  // source 4, epoch 2, sequence 3

constexpr Millis kHostPatience = 10000;
constexpr Millis kStateEvery = 5000;
constexpr Millis kTransmitPatience = 120000;
constexpr Millis kFarthest = 3600000;  // that a transmission may be ahead

enum Command : uint8_t {
  kHello = 0x01,
  kPing = 0x02,
  kRadio = 0x03,
  kTx = 0x04,
  kCancel = 0x05,
  kStatus = 0x06,
  kDisplay = 0x07,
  kStore = 0x08,
  kStored = 0x09,
  kReboot = 0x0A,
};

constexpr uint8_t kAnswered = 0x80;

enum Report : uint8_t {
  kStarted = 0xC0,
  kTxDone = 0xC1,
  kTxDropped = 0xC2,
  kRx = 0xC3,
  kState = 0xC4,
  kLog = 0xC5,
};

enum AirWord : uint8_t {
  kAirSet = 0x40,
  kAirSend = 0x41,
  kAirListen = 0x42,
  kAirSent = 0xE0,
  kAirListened = 0xE1,
  kAirHeard = 0xE2,
  kAirSignal = 0xE3,
};

enum class Status : uint8_t { ok, unknown, malformed, value, full, noRadio, noSuchId, flash, version, noHello };

enum class Reason : uint8_t { none, cancelled, overheard, noBudget, radio, neverFree, superseded };

enum Capability : uint16_t {
  kCanRelay = 1,
  kHasDisplay = 2,
  kHasBattery = 4,
  kHasFlash = 8,
  kCanUpdate = 16,
  kHasCad = 32,
};

enum StateFlag : uint8_t { kCharging = 1, kRadioFailed = 2, kRelayedOnce = 4 };

enum StoreFlag : uint8_t { kRelayAlone = 1 };

enum class RebootMode : uint8_t { plain, loader, forget };

}  // namespace lorrent
