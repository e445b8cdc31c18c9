// The pages of the OLED. The button turns them; after a minute it goes dark, for
// its sake and the battery's, until the button or a message wakes it.
#pragma once

#include "journal.hpp"
#include "node.hpp"

class Screen {
 public:
  Screen(lorrent::Node& node, const Journal& journal) : node_(node), journal_(journal) {}

  // begin pulses the display's reset, which it needs after its supply comes.
  void begin(lorrent::Millis now);
  // tick draws a strip of the page at a time, so that the loop never waits long.
  void tick(const lorrent::Battery& battery, lorrent::Millis now);

 private:
  enum Page : uint8_t { messages, stations, air, board, pages };

  void button(lorrent::Millis now);
  void wake(lorrent::Millis now);
  void draw(const lorrent::Battery& battery, lorrent::Millis now);
  void drawHead(const char* title, const lorrent::Battery& battery);
  void drawMessages(lorrent::Millis now);
  void drawStations(lorrent::Millis now);
  void drawAir(lorrent::Millis now);
  void drawBoard(const lorrent::Battery& battery, lorrent::Millis now);

  lorrent::Node& node_;
  const Journal& journal_;
  uint8_t page_ = messages;
  bool dark_ = false;
  bool drawing_ = false;
  bool pressed_ = false;
  lorrent::Millis pressedAt_ = 0;
  lorrent::Millis awakeSince_ = 0;
  lorrent::Millis drawn_ = 0;
  lorrent::Millis shown_ = 0;  // the time that the page under way shows
  uint32_t changes_ = 0;
};
