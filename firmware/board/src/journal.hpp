// What the screen has to tell: the last messages, and who was heard. Fixed arrays,
// the oldest goes first.
#pragma once

#include "node.hpp"

class Journal {
 public:
  static constexpr int kLines = 4;
  static constexpr int kStations = 8;
  static constexpr size_t kText = 64;

  struct Line {
    char from[lorrent::kMaxName + 1];
    char text[kText + 1];
    lorrent::Millis at;
    bool any;
  };

  struct Station {
    uint16_t id;  // lorrent::kNobody: the place is free
    int16_t snrTenths;
    char name[lorrent::kMaxName + 1];
    lorrent::Millis at;
  };

  // show is a DISPLAY of the host.
  void show(uint8_t kind, const uint8_t* text, size_t n, lorrent::Millis now);
  // heard notes a packet that passes, and without a host, who cannot read it either,
  // makes a line of it.
  void heard(const uint8_t* packet, size_t n, int16_t snrTenths, bool host, lorrent::Millis now);

  const Line& line(int i) const { return lines_[(newest_ + kLines - i) % kLines]; }  // 0: the newest
  const Station& station(int i) const { return stations_[i]; }
  const char* host() const { return host_; }
  // changes counts messages, to wake the screen.
  uint32_t changes() const { return changes_; }

 private:
  Line& add(lorrent::Millis now);
  Station& find(uint16_t id, lorrent::Millis now);

  Line lines_[kLines] = {};
  Station stations_[kStations] = {};
  char host_[kText + 1] = {};
  int newest_ = 0;
  uint32_t changes_ = 0;
};
