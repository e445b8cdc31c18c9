#include "settings.hpp"

#include "frame.hpp"

namespace lorrent {

namespace {
constexpr uint8_t kMagic[5] = {'L', 'o', 'S', 't', 1};
}

void Stored::write(uint32_t generation, uint32_t node, uint8_t flags, const Radio& radio, const uint8_t* name, size_t nameSize) {
  Writer w(bytes_);
  w.bytes(kMagic, sizeof kMagic).u8(static_cast<uint32_t>(kLeast + nameSize)).u32(generation).u32(node).u8(flags);
  radio.write(w);
  w.bytes(name, nameSize);
  w.u16(checksum(bytes_, w.size()));
}

bool Stored::sound() const {
  const size_t n = size();
  return equal(bytes_, kMagic, sizeof kMagic) && n >= kLeast && n <= kLeast + kMaxName &&
         checksum(bytes_, kHead + n) == get16(body() + n) && generation() != 0 && radio().valid();
}

Settings::Settings(Board& board, uint32_t node) : board_(board) { stored_.write(0, node, 0, kEurope, nullptr, 0); }

bool Settings::read(int slot, Stored* to) { return board_.readSlot(slot, to->bytes_, Stored::kSlotSize) && to->sound(); }

void Settings::load() {
  for (int slot = 0; slot < 2; slot++) {
    Stored found;
    if (read(slot, &found) && (!any() || static_cast<int32_t>(found.generation() - stored_.generation()) > 0)) {
      stored_ = found;
      slot_ = slot;
    }
  }
}

bool Settings::store(uint8_t flags, const Radio& radio, const uint8_t* name, size_t nameSize) {
  uint32_t generation = stored_.generation();
  Stored next = {}, back;
  next.write(generation, stored_.node(), flags, radio, name, nameSize);
  if (generation != 0 && next == stored_) return true;
  if (++generation == 0) generation = 1;
  next.write(generation, stored_.node(), flags, radio, name, nameSize);
  const int other = 1 - slot_;
  if (!board_.writeSlot(other, next.bytes_, Stored::kSlotSize) || !read(other, &back) || !(back == next)) return false;
  stored_ = next;
  slot_ = other;
  return true;
}

bool Settings::forget() {
  stored_.write(0, stored_.node(), 0, kEurope, nullptr, 0);
  bool ok = true;
  for (int slot = 0; slot < 2; slot++) ok = board_.writeSlot(slot, stored_.bytes_, Stored::kSlotSize) && ok;
  return ok;
}

}  // namespace lorrent
