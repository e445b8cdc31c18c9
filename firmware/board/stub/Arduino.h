// Arduino core for ESP32, 2.0.17: what the board layer uses.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define IRAM_ATTR
constexpr uint8_t LOW = 0, HIGH = 1;
constexpr uint8_t INPUT = 0x01, OUTPUT = 0x03, INPUT_PULLUP = 0x05;

void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t value);
int digitalRead(uint8_t pin);
uint32_t analogReadMilliVolts(uint8_t pin);
unsigned long millis();
void delay(uint32_t ms);

class HardwareSerial {
 public:
  void begin(unsigned long baud);
  size_t setRxBufferSize(size_t size);
  size_t setTxBufferSize(size_t size);
  int available();
  int availableForWrite();
  size_t readBytes(uint8_t* to, size_t n);
  size_t write(const uint8_t* from, size_t n);
  void flush();
};
extern HardwareSerial Serial;

class EspClass {
 public:
  uint64_t getEfuseMac();
};
extern EspClass ESP;
