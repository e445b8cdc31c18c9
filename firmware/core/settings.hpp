// What survives a power cut: radio, name, whether to relay alone. Two slots of flash
// are written in turn, so that a torn write costs the last change and no more.
#pragma once

#include "board.hpp"

namespace lorrent {

// Stored is a slot as it is written. PROTOCOL.md, "STORE and STORED", has the layout.
class Stored {
 public:
  static constexpr size_t kSlotSize = 64;

  uint32_t generation() const { return get32(body()); }  // 0: nothing is stored
  uint32_t node() const { return get32(body() + 4); }
  uint8_t flags() const { return body()[8]; }
  Radio radio() const { return Radio::read(body() + 9); }
  const uint8_t* name() const { return body() + kLeast; }
  size_t nameSize() const { return size() - kLeast; }

  // body is the answer to STORED.
  const uint8_t* body() const { return bytes_ + kHead; }
  size_t size() const { return bytes_[kHead - 1]; }

 private:
  friend class Settings;
  static constexpr size_t kHead = 6;
  static constexpr size_t kLeast = 9 + Radio::kSize;

  void write(uint32_t generation, uint32_t node, uint8_t flags, const Radio& radio, const uint8_t* name, size_t nameSize);
  bool sound() const;
  bool operator==(const Stored& other) const { return size() == other.size() && equal(bytes_, other.bytes_, kHead + size() + 2); }

  uint8_t bytes_[kSlotSize];
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
  bool any() const { return stored_.generation() != 0; }

 private:
  bool read(int slot, Stored* to);

  Board& board_;
  int slot_ = 1;  // in use
  Stored stored_;
};

}  // namespace lorrent
