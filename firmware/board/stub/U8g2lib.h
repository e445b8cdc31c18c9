// U8g2 2.36.5: what the board layer uses.
#pragma once
#include <stdint.h>

struct u8g2_cb_t;
extern const u8g2_cb_t* const U8G2_R0;
extern const uint8_t u8g2_font_5x8_tf[];

class U8G2 {
 public:
  void setBusClock(uint32_t hertz);
  bool begin();
  void setFont(const uint8_t* font);
  void setPowerSave(uint8_t on);
  void firstPage();
  uint8_t nextPage();
  uint16_t drawGlyph(uint16_t x, uint16_t y, uint16_t encoding);
  void drawBox(uint16_t x, uint16_t y, uint16_t w, uint16_t h);
  void drawHLine(uint16_t x, uint16_t y, uint16_t w);
};

class U8G2_SSD1306_128X64_NONAME_1_HW_I2C : public U8G2 {
 public:
  U8G2_SSD1306_128X64_NONAME_1_HW_I2C(const u8g2_cb_t* rotation, uint8_t reset = 255, uint8_t clock = 255, uint8_t data = 255);
};
