// The firmware of a board: its devices around the node of firmware/core. The loop
// never waits; what takes time ends with an interrupt or is done in small pieces.
#include <Arduino.h>
#include <Preferences.h>
#include <esp_system.h>
#include <esp_task_wdt.h>

#include "chip.hpp"
#include "journal.hpp"
#include "pins.hpp"
#include "power.hpp"
#include "screen.hpp"

using lorrent::Battery;
using lorrent::Identity;
using lorrent::Millis;
using lorrent::Node;
using lorrent::RebootMode;

namespace {

constexpr uint32_t kBaud = 921600;
constexpr uint32_t kWatchdogSeconds = 8;

Chip chip;
Power power;
Journal journal;
Preferences flash;

// Devices are what the core wants from a board.
class Devices final : public lorrent::Board {
 public:
  bool setRadio(const lorrent::Radio& radio) override { return chip.set(radio); }
  bool send(const uint8_t* packet, size_t n) override { return chip.send(packet, n); }
  bool listen() override { return chip.listen(); }
  bool receiving() override { return chip.receiving(); }

  bool readSlot(int slot, uint8_t* to, size_t n) override { return flash.getBytes(key(slot), to, n) == n; }
  bool writeSlot(int slot, const uint8_t* from, size_t n) override { return flash.putBytes(key(slot), from, n) == n; }

  Battery battery() override { return power.battery(); }
  void show(uint8_t kind, const uint8_t* text, size_t n) override { journal.show(kind, text, n, millis()); }
  void restart(RebootMode) override { restarting = true; }

  bool restarting = false;

 private:
  static const char* key(int slot) { return slot == 0 ? "slot0" : "slot1"; }
};

// nodeId is made of the chip's serial number, so it survives everything.
uint32_t nodeId() {
  uint64_t serial = ESP.getEfuseMac();
  uint32_t id = 2166136261u;  // FNV-1a
  for (int i = 0; i < 6; i++, serial >>= 8) id = (id ^ static_cast<uint8_t>(serial)) * 16777619u;
  while (!lorrent::isNode(static_cast<uint16_t>(id))) id++;
  return id;
}

uint8_t startReason() {
  switch (esp_reset_reason()) {
    case ESP_RST_SW: return 1;
    case ESP_RST_TASK_WDT:
    case ESP_RST_INT_WDT:
    case ESP_RST_WDT: return 2;
    case ESP_RST_PANIC:
    case ESP_RST_BROWNOUT: return 3;
    default: return 0;
  }
}

Identity identity() {
  return {lorrent::kCanRelay | lorrent::kHasDisplay | lorrent::kHasBattery | lorrent::kHasFlash | lorrent::kHasCad,
          kBoardId, kChipId, startReason(), kMaxPowerDBm, kMinPowerDBm, nodeId(), esp_random()};
}

Devices devices;

Node& node() {
  static Node n(devices, identity());
  return n;
}

Screen& screen() {
  static Screen s(node(), journal);
  return s;
}

void readHost() {
  uint8_t bytes[128];
  for (int n; (n = Serial.available()) > 0;) {
    n = lorrent::smaller<int>(n, sizeof bytes);
    n = static_cast<int>(Serial.readBytes(bytes, static_cast<size_t>(n)));
    if (n <= 0) return;
    node().received(bytes, static_cast<size_t>(n), millis());
  }
}

void writeHost() {
  const uint8_t* p;
  for (size_t n; (n = node().pending(&p)) > 0;) {
    const int room = Serial.availableForWrite();
    if (room <= 0) return;
    n = Serial.write(p, lorrent::smaller<size_t>(n, static_cast<size_t>(room)));
    if (n == 0) return;
    node().written(n);
  }
}

}  // namespace

void setup() {
  power.begin();
  Serial.setRxBufferSize(2048);
  Serial.setTxBufferSize(2048);
  Serial.begin(kBaud);
  flash.begin("lorrent", false);
  chip.begin();
  screen().begin(millis());
  esp_task_wdt_init(kWatchdogSeconds, true);
  esp_task_wdt_add(nullptr);
  node().start(millis());
}

void loop() {
  esp_task_wdt_reset();
  readHost();
  chip.poll(node(), journal, millis());
  node().tick(millis());
  writeHost();
  if (devices.restarting) {
    Serial.flush();
    esp_restart();
  }
  power.tick(millis());
  screen().tick(power.battery(), millis());
}
