#include "journal.hpp"

#include <stdio.h>

#include "packet.hpp"

using lorrent::Header;
using lorrent::Millis;

namespace {

enum Kind : uint8_t { kHostState, kMessage, kName };

// put copies a text and ends it. Half a character at the cut is drawn as a block.
void put(char* to, size_t room, const uint8_t* from, size_t n) {
  n = lorrent::smaller(n, room - 1);
  for (size_t i = 0; i < n; i++) to[i] = static_cast<char>(from[i]);
  to[n] = 0;
}

const char* nameOf(uint8_t type) {
  switch (type) {
    case lorrent::kFlood: return "channel message";
    case lorrent::kRouted: return "direct message";
    case lorrent::kFragment: return "part of a message";
    case lorrent::kAck: return "acknowledgement";
    case lorrent::kIdentity: return "who I am";
    default: return nullptr;  // beacons, repair
  }
}

}  // namespace

void Journal::show(uint8_t kind, const uint8_t* text, size_t n, Millis now) {
  if (kind == kHostState) put(host_, sizeof host_, text, n);
  if (kind == kName && n > 2) {
    Station& s = find(lorrent::get16(text), now);
    put(s.name, sizeof s.name, text + 2, n - 2);
  }
  if (kind != kMessage) return;
  size_t sender = 0;
  while (sender < n && text[sender] != 0) sender++;
  Line& l = add(now);
  put(l.from, sizeof l.from, text, sender);
  if (sender < n) put(l.text, sizeof l.text, text + sender + 1, n - sender - 1);
}

void Journal::heard(const uint8_t* packet, size_t n, int16_t snrTenths, bool host, Millis now) {
  Header h;
  if (!lorrent::parse(packet, n, &h)) return;
  if (lorrent::isNode(h.tx)) {
    Station& s = find(h.tx, now);
    s.snrTenths = snrTenths;
    s.at = now;
  }
  const char* what = nameOf(h.type);
  if (host || what == nullptr) return;
  Line& l = add(now);
  snprintf(l.from, sizeof l.from, "!%08lx", static_cast<unsigned long>(h.source));
  snprintf(l.text, sizeof l.text, "%s", what);
}

Journal::Line& Journal::add(Millis now) {
  newest_ = (newest_ + 1) % kLines;
  changes_++;
  lines_[newest_] = {};
  lines_[newest_].at = now;
  lines_[newest_].any = true;
  return lines_[newest_];
}

// find is the place of a station, or the one that was silent longest.
Journal::Station& Journal::find(uint16_t id, Millis now) {
  Station* oldest = &stations_[0];
  for (Station& s : stations_) {
    if (s.id == id) return s;
    const bool older = oldest->id != lorrent::kNobody && lorrent::since(now, s.at) > lorrent::since(now, oldest->at);
    if (s.id == lorrent::kNobody || older) oldest = &s;
  }
  *oldest = {};
  oldest->id = id;
  oldest->at = now;
  return *oldest;
}
