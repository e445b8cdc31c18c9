// Where things are on each board. Numbers are GPIOs.
#pragma once

#include <stdint.h>

#if defined(LORRENT_HELTEC_V2)  // WiFi LoRa 32 V2: ESP32, SX1276, CP2102

#define LORRENT_SX1276
namespace pins {
constexpr uint8_t kSck = 5, kMiso = 19, kMosi = 27, kNss = 18, kReset = 14;
constexpr uint8_t kIrq = 26;   // DIO0: everything that this firmware waits for
constexpr uint8_t kMore = 35;  // DIO1
constexpr uint8_t kSda = 4, kScl = 15, kScreenReset = 16;
constexpr uint8_t kVext = 21, kLed = 25, kButton = 0;
constexpr uint8_t kBattery = 37;  // ADC1 of V2.1. V2.0 has it at 13, ADC2
constexpr float kDivider = 3.2f;
}  // namespace pins
constexpr uint8_t kBoardId = 3, kChipId = 1;
constexpr int8_t kMinPowerDBm = 2, kMaxPowerDBm = 17;  // 20 only for one part in a hundred of the time

#elif defined(LORRENT_HELTEC_V3)  // WiFi LoRa 32 V3: ESP32-S3, SX1262, CP2102

#define LORRENT_SX1262
namespace pins {
constexpr uint8_t kSck = 9, kMiso = 11, kMosi = 10, kNss = 8, kReset = 12;
constexpr uint8_t kIrq = 14;   // DIO1
constexpr uint8_t kMore = 13;  // BUSY
constexpr uint8_t kSda = 17, kScl = 18, kScreenReset = 21;
constexpr uint8_t kVext = 36, kLed = 35, kButton = 0;
constexpr uint8_t kBattery = 1, kBatteryOn = 37;
constexpr float kDivider = 4.9f * 1.045f;
}  // namespace pins
#define LORRENT_BATTERY_SWITCH
constexpr uint8_t kBoardId = 4, kChipId = 2;
constexpr int8_t kMinPowerDBm = -9, kMaxPowerDBm = 22;

#else
#error "which board? See platformio.ini"
#endif
