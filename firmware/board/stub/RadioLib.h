// RadioLib 7.7.1: what the board layer uses.
#pragma once
#include <SPI.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t RadioLibIrqFlags_t;

#define RADIOLIB_ERR_NONE (0)
#define RADIOLIB_CHANNEL_FREE (-15)
#define RADIOLIB_SX126X_RX_TIMEOUT_INF 0xFFFFFF
#define RADIOLIB_SX126X_IRQ_PREAMBLE_DETECTED 0x0004
#define RADIOLIB_SX126X_IRQ_HEADER_VALID 0x0010
#define RADIOLIB_IRQ_RX_DEFAULT_FLAGS ((1UL << 1) | (1UL << 9) | (1UL << 6) | (1UL << 4) | (1UL << 5))
#define RADIOLIB_IRQ_RX_DEFAULT_MASK (1UL << 1)

enum RadioLibIrqType_t { RADIOLIB_IRQ_PREAMBLE_DETECTED = 0x02 };

class Module {
 public:
  Module(uint32_t cs, uint32_t irq, uint32_t rst, uint32_t gpio, SPIClass& spi);
};

class PhysicalLayer {
 public:
  virtual ~PhysicalLayer() = default;
  virtual int16_t standby();
  virtual int16_t setPreambleLength(size_t len);
  virtual int16_t startReceive();
  virtual int16_t startReceive(uint32_t timeout, RadioLibIrqFlags_t flags, RadioLibIrqFlags_t mask, size_t len);
  virtual int16_t startTransmit(const uint8_t* data, size_t len, uint8_t addr = 0);
  virtual int16_t finishTransmit();
  virtual int16_t readData(uint8_t* data, size_t len);
  virtual size_t getPacketLength(bool update = true);
  virtual float getRSSI();
  virtual float getSNR();
  virtual uint32_t getIrqFlags();
  virtual int16_t startChannelScan();
  virtual int16_t getChannelScanResult();
  virtual void setPacketReceivedAction(void (*func)(void));
};

class SX1262 : public PhysicalLayer {
 public:
  explicit SX1262(Module* module);
  int16_t begin(float mhz, float khz, uint8_t sf, uint8_t cr, uint8_t syncWord, int8_t power, uint16_t preamble, float tcxoVoltage,
                bool useRegulatorLDO);
  int16_t setDio2AsRfSwitch(bool enable = true);
  int16_t setCurrentLimit(float milliamperes);
  int16_t setRxBoostedGainMode(bool boosted, bool persist = true);
  int16_t setCRC(uint8_t len, uint16_t initial = 0x1D0F, uint16_t polynomial = 0x1021, bool inverted = true);
  float getRSSI() override;
  float getRSSI(bool packet);
};

class SX1276 : public PhysicalLayer {
 public:
  explicit SX1276(Module* module);
  int16_t begin(float mhz, float khz, uint8_t sf, uint8_t cr, uint8_t syncWord, int8_t power, uint16_t preamble, uint8_t gain);
  int16_t setCurrentLimit(uint8_t milliamperes);
  int16_t setCRC(bool enable, bool mode = false);
  uint8_t getModemStatus();
  float getRSSI() override;
  float getRSSI(bool packet, bool skipReceive = false);
};
