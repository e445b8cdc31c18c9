#include "screen.hpp"

#include <Arduino.h>
#include <U8g2lib.h>
#include <Wire.h>
#include <stdio.h>

#include "pins.hpp"

using lorrent::Battery;
using lorrent::Millis;

namespace {

constexpr Millis kDarkAfter = 60000, kRedraw = 500, kBounce = 30;
constexpr int kAdvance = 5, kLine = 10, kColumns = 128 / kAdvance;

U8G2_SSD1306_128X64_NONAME_1_HW_I2C oled(U8G2_R0, pins::kScreenReset, pins::kScl, pins::kSda);

// next takes a code point off a UTF-8 text; 0 for what is none.
uint16_t next(const char** text) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(*text);
  const uint8_t lead = *p;
  const int more = lead < 0x80 ? 0 : lead < 0xC0 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  uint32_t code = more == 0 ? lead : more == 1 ? lead & 0x1F : 0;
  int i = 1;
  for (; i <= more && (p[i] & 0xC0) == 0x80; i++) code = code << 6 | (p[i] & 0x3F);
  *text += i;
  return more == 0 || (more == 1 && i == 2) ? static_cast<uint16_t>(code) : 0;
}

// drawText draws what the font has, Latin-1, and blocks for the rest.
void drawText(int x, int y, const char* text) {
  for (int column = x / kAdvance; *text != 0 && column < kColumns; column++, x += kAdvance) {
    const uint16_t code = next(&text);
    const bool known = (code >= 0x20 && code < 0x7F) || (code >= 0xA0 && code <= 0xFF);
    if (known) oled.drawGlyph(x, y, code);
    else oled.drawBox(x, y - 6, kAdvance - 1, 6);
  }
}

void age(char* to, size_t room, Millis now, Millis then) {
  const uint32_t s = (now - then) / 1000;
  if (s < 60) snprintf(to, room, "%lus", static_cast<unsigned long>(s));
  else if (s < 3600) snprintf(to, room, "%lum", static_cast<unsigned long>(s / 60));
  else snprintf(to, room, "%luh", static_cast<unsigned long>(s / 3600));
}

}  // namespace

void Screen::begin(Millis now) {
  pinMode(pins::kButton, INPUT_PULLUP);
  pinMode(pins::kScreenReset, OUTPUT);
  digitalWrite(pins::kScreenReset, LOW);
  delay(50);
  digitalWrite(pins::kScreenReset, HIGH);
  oled.setBusClock(400000);
  oled.begin();
  oled.setFont(u8g2_font_5x8_tf);
  awakeSince_ = now;
}

void Screen::tick(const Battery& battery, Millis now) {
  button(now);
  if (journal_.changes() != changes_) {
    changes_ = journal_.changes();
    page_ = messages;
    wake(now);
  }
  if (dark_) return;
  if (!drawing_ && lorrent::since(now, awakeSince_) > static_cast<int32_t>(kDarkAfter)) {
    dark_ = true;
    oled.setPowerSave(1);
    return;
  }
  if (!drawing_) {
    if (lorrent::since(now, drawn_) < static_cast<int32_t>(kRedraw)) return;
    drawing_ = true;
    shown_ = now;
    oled.firstPage();
  }
  draw(battery, shown_);
  if (oled.nextPage() != 0) return;
  drawing_ = false;
  drawn_ = now;
}

void Screen::button(Millis now) {
  const bool down = digitalRead(pins::kButton) == LOW;
  if (down == pressed_ || lorrent::since(now, pressedAt_) < static_cast<int32_t>(kBounce)) return;
  pressed_ = down;
  pressedAt_ = now;
  if (!down) return;
  if (!dark_) page_ = static_cast<uint8_t>((page_ + 1) % pages);
  wake(now);
}

void Screen::wake(Millis now) {
  awakeSince_ = now;
  drawn_ = now - kRedraw;
  if (!dark_) return;
  dark_ = false;
  oled.setPowerSave(0);
}

void Screen::draw(const Battery& battery, Millis now) {
  static const char* const titles[pages] = {"Messages", "Neighbours", "Air", "Board"};
  drawHead(titles[page_], battery);
  switch (page_) {
    case messages: return drawMessages(now);
    case stations: return drawStations(now);
    case air: return drawAir(now);
    default: return drawBoard(battery, now);
  }
}

void Screen::drawHead(const char* title, const Battery& battery) {
  char right[16] = "";
  if (battery.percent <= 100) snprintf(right, sizeof right, "%u%%%s", battery.percent, battery.charging ? "+" : "");
  drawText(0, 8, title);
  drawText(64, 8, node_.attached() ? "host" : node_.relaying() ? "relay" : "alone");
  drawText(100, 8, right);
  oled.drawHLine(0, 10, 128);
}

void Screen::drawMessages(Millis now) {
  int y = 20;
  for (int i = 0; i < 2; i++, y += 2 * kLine) {
    const Journal::Line& l = journal_.line(i);
    if (!l.any) break;
    char when[8];
    age(when, sizeof when, now, l.at);
    drawText(0, y, l.from);
    drawText(108, y, when);
    drawText(0, y + kLine, l.text);
  }
}

void Screen::drawStations(Millis now) {
  int y = 20;
  for (int i = 0; i < Journal::kStations && y <= 60; i++) {
    const Journal::Station& s = journal_.station(i);
    if (s.id == lorrent::kNobody) continue;
    char id[8], snr[12], when[8];
    snprintf(id, sizeof id, "%04x", s.id);
    snprintf(snr, sizeof snr, "%d dB", s.snrTenths / 10);
    age(when, sizeof when, now, s.at);
    drawText(0, y, s.name[0] != 0 ? s.name : id);
    drawText(75, y, snr);
    drawText(108, y, when);
    y += kLine;
  }
}

void Screen::drawAir(Millis now) {
  lorrent::Transmitter& t = node_.transmitter();
  const lorrent::Radio& r = t.radio();
  char line[40];
  snprintf(line, sizeof line, "%lu.%03lu MHz SF%u %d dBm", static_cast<unsigned long>(r.frequencyHz / 1000000),
           static_cast<unsigned long>(r.frequencyHz / 1000 % 1000), r.spreadingFactor, r.powerDBm);
  drawText(0, 20, line);
  const uint32_t allowed = lorrent::smaller<uint32_t>(r.dutyCycle, 10000) * 360;  // ms of an hour
  snprintf(line, sizeof line, "sent %lu of %lu s", static_cast<unsigned long>(t.usedMillis(now) / 1000),
           static_cast<unsigned long>(allowed / 1000));
  drawText(0, 30, line);
  snprintf(line, sizeof line, "busy %u%%  noise %d dBm", t.load(now) / 100, t.noiseTenths() / 10);
  drawText(0, 40, line);
  const lorrent::Counters& c = node_.counters();
  snprintf(line, sizeof line, "%lu in %lu out %lu relayed", static_cast<unsigned long>(c.heard),
           static_cast<unsigned long>(t.sentPackets()), static_cast<unsigned long>(c.relayed));
  drawText(0, 50, line);
  if (t.radioFailed()) drawText(0, 60, "the radio does not answer");
}

void Screen::drawBoard(const Battery& battery, Millis now) {
  const lorrent::Stored& s = node_.settings().stored();
  char line[40];
  snprintf(line, sizeof line, "node !%08lx", static_cast<unsigned long>(s.node()));
  drawText(0, 20, line);
  char name[lorrent::kMaxName + 1];
  for (size_t i = 0; i < s.nameSize(); i++) name[i] = static_cast<char>(s.name()[i]);
  name[s.nameSize()] = 0;
  drawText(0, 30, name);
  snprintf(line, sizeof line, "battery %u mV", battery.millivolts);
  drawText(0, 40, battery.millivolts > 0 ? line : "no battery");
  snprintf(line, sizeof line, "up %lu min, v%u.%u.%u", static_cast<unsigned long>(now / 60000), lorrent::kFirmware[0],
           lorrent::kFirmware[1], lorrent::kFirmware[2]);
  drawText(0, 50, line);
  drawText(0, 60, journal_.host());
}
