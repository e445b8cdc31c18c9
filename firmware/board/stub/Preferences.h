#pragma once
#include <stddef.h>

class Preferences {
 public:
  bool begin(const char* name, bool readOnly = false, const char* partition = nullptr);
  size_t getBytes(const char* key, void* to, size_t room);
  size_t putBytes(const char* key, const void* from, size_t n);
};
