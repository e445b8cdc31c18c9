// What survives a power cut: radio, name, whether to relay alone. Two slots of flash
// are written in turn, so that a torn write costs the last change and no more.
#pragma once

#include "board.hpp"

namespace lorrent {

struct Stored {
  uint32_t generation;  // 0: nothing is stored
  uint32_t node;
  uint8_t flags;
  Radio radio;
  uint8_t nameSize;
  uint8_t name[kMaxName];

  static constexpr size_t kMaxSize = 9 + Radio::kSize + kMaxName;
  void write(Writer& w) const;
};

class Settings {
 public:
  Settings(Board& board, uint32_t node);

  // load reads the sounder and newer of the slots.
  void load();
  // store writes to the other slot, and reads it back.
  bool store(uint8_t flags, const Radio& radio, const uint8_t* name, size_t nameSize);
  // forget spoils both slots.
  bool forget();

  const Stored& stored() const { return stored_; }
  bool any() const { return stored_.generation != 0; }

 private:
  static constexpr size_t kSlotSize = 64;
  void clear(uint32_t node);
  bool read(int slot, Stored* to);

  Board& board_;
  Stored stored_{};
  int slot_ = 1;  // in use
};

}  // namespace lorrent
