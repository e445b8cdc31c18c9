#include "settings.hpp"

#include "frame.hpp"

namespace lorrent {

namespace {
constexpr uint8_t kMagic[4] = {'L', 'o', 'S', 't'};
constexpr uint8_t kVersion = 1;
constexpr size_t kHead = 6;
constexpr size_t kLeast = 9 + Radio::kSize;
}  // namespace

void Stored::write(Writer& w) const {
  w.u32(generation).u32(node).u8(flags);
  radio.write(w);
  w.bytes(name, nameSize);
}

Settings::Settings(Board& board, uint32_t node) : board_(board) { clear(node); }

void Settings::clear(uint32_t node) {
  stored_ = Stored{};
  stored_.node = node;
  stored_.radio = kEurope;
}

bool Settings::read(int slot, Stored* to) {
  uint8_t b[kSlotSize];
  if (!board_.readSlot(slot, b, sizeof b)) return false;
  const size_t n = b[5];
  if (!equal(b, kMagic, 4) || b[4] != kVersion || n < kLeast || n > Stored::kMaxSize) return false;
  if (checksum(b, kHead + n) != get16(b + kHead + n)) return false;
  const uint8_t* p = b + kHead;
  to->generation = get32(p);
  to->node = get32(p + 4);
  to->flags = p[8];
  to->radio = Radio::read(p + 9);
  to->nameSize = static_cast<uint8_t>(n - kLeast);
  copy(to->name, p + kLeast, to->nameSize);
  return to->generation != 0 && to->radio.valid();
}

void Settings::load() {
  for (int slot = 0; slot < 2; slot++) {
    Stored found;
    if (read(slot, &found) && (!any() || static_cast<int32_t>(found.generation - stored_.generation) > 0)) {
      stored_ = found;
      slot_ = slot;
    }
  }
}

bool Settings::store(uint8_t flags, const Radio& radio, const uint8_t* name, size_t nameSize) {
  if (any() && flags == stored_.flags && radio == stored_.radio && nameSize == stored_.nameSize &&
      equal(name, stored_.name, nameSize)) {
    return true;
  }
  Stored next = stored_;
  if (++next.generation == 0) next.generation = 1;
  next.flags = flags;
  next.radio = radio;
  next.nameSize = static_cast<uint8_t>(nameSize);
  copy(next.name, name, nameSize);

  uint8_t b[kSlotSize] = {};
  Writer w(b);
  w.bytes(kMagic, 4).u8(kVersion).u8(static_cast<uint32_t>(kLeast + nameSize));
  next.write(w);
  w.u16(checksum(b, w.size()));
  const int other = 1 - slot_;
  Stored back;
  if (!board_.writeSlot(other, b, sizeof b) || !read(other, &back) || back.generation != next.generation) return false;
  stored_ = next;
  slot_ = other;
  return true;
}

bool Settings::forget() {
  const uint8_t empty[kSlotSize] = {};
  clear(stored_.node);
  const bool first = board_.writeSlot(0, empty, sizeof empty);
  return board_.writeSlot(1, empty, sizeof empty) && first;
}

}  // namespace lorrent
