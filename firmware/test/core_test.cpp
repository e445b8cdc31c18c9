// Tests of the core: core_test LINK-VECTORS PACKET-VECTORS.
#include <fstream>

#include "bench.hpp"

std::vector<std::map<std::string, std::string>> sections(const char* path) {
  std::vector<std::map<std::string, std::string>> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      all.push_back({{"name", line.substr(1, line.size() - 2)}});
    } else if (const size_t at = line.find(" = "); at != std::string::npos) {
      all.back()[line.substr(0, at)] = line.substr(at + 3);
    }
  }
  CHECK(all.size() > 10, "%s", path);
  return all;
}

Bytes unhex(const std::string& s) {
  Bytes b;
  for (size_t i = 0; i + 1 < s.size(); i += 2) b.push_back(static_cast<uint8_t>(std::stoi(s.substr(i, 2), nullptr, 16)));
  return b;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  linkTests(argv[1]);
  packetTests(argv[2]);
  hostTests();
  radioTests();
  flashTests();
  relayTests();
  directedTests();
  return failures != 0;
}
