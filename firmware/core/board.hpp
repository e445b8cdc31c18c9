// What the core wants from a board: some ten calls, none of which waits, and
// none of which calls the core back before it returns.
#pragma once

#include "link.hpp"
#include "radio.hpp"

namespace lorrent {

// Identity is what a board knows of itself at the start.
struct Identity {
  uint16_t capabilities;
  uint8_t board;
  uint8_t chip;
  uint8_t startReason;
  int8_t maxPowerDBm;
  int8_t minPowerDBm;
  uint32_t node;    // from the serial number of the chip
  uint32_t random;  // seed, another at every start
};

struct Battery {
  uint16_t millivolts;  // 0: there is none
  uint8_t percent;      // 255: not known
  bool charging;
};

class Board {
 public:
  // setRadio (re)starts the radio with these settings, and has it receive. False:
  // it does not answer.
  virtual bool setRadio(const Radio& radio) = 0;
  // send begins to transmit; Node::sent follows when that is over.
  virtual bool send(const uint8_t* packet, size_t n) = 0;
  // listen looks whether the channel is taken (CAD, RSSI); Node::listened follows.
  virtual bool listen() = 0;
  // receiving says whether a packet is being received right now.
  virtual bool receiving() = 0;

  // Flash has two slots of 64 bytes. A slot is written as a whole, or torn.
  virtual bool readSlot(int slot, uint8_t* to, size_t n) = 0;
  virtual bool writeSlot(int slot, const uint8_t* from, size_t n) = 0;

  virtual Battery battery() = 0;
  // show is a DISPLAY of the host: see PROTOCOL.md.
  virtual void show(uint8_t kind, const uint8_t* text, size_t n) = 0;
  // restart does so soon, when the answer is out.
  virtual void restart(RebootMode mode) = 0;

 protected:
  ~Board() = default;
};

}  // namespace lorrent
