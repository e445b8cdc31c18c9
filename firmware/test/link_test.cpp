// The link against its golden vectors, and a node against what is none.
#include "bench.hpp"

namespace {

void testLinkVectors(const char* path) {
  for (auto& s : sections(path)) {
    const Bytes wire = unhex(s["wire"]);
    Deframer in;
    std::string types;
    Message last{};
    for (uint8_t byte : wire) {
      if (!in.push(byte)) continue;
      const Frame& f = in.frame();
      last = {f.type, f.sequence, Bytes(f.body, f.body + f.size)};
      char text[16];
      snprintf(text, sizeof text, "%s%02x:%u", types.empty() ? "" : " ", f.type, f.sequence);
      types += text;
    }
    if (s["kind"] == "stream") {
      CHECK((types.empty() ? "none" : types) == s["types"], "%s: %s", s["name"].c_str(), types.c_str());
      CHECK(in.skipped() == std::stoi(s["skipped"]), "%s: %u skipped", s["name"].c_str(), in.skipped());
    } else if (s["kind"] == "message" || s["kind"] == "frame") {
      CHECK(Bench::frame(last.type, last.body, last.sequence) == wire, "%s", s["name"].c_str());
      Bytes plain = {last.type, last.sequence};
      plain.insert(plain.end(), last.body.begin(), last.body.end());
      const uint16_t crc = checksum(plain.data(), plain.size());
      plain.push_back(static_cast<uint8_t>(crc >> 8)), plain.push_back(static_cast<uint8_t>(crc));
      CHECK(plain == unhex(s["plain"]), "%s", s["name"].c_str());
    }
  }
}

// A node goes on after each, and transmits nothing.
void testRubbishFromTheHost(const char* path) {
  Bench b;
  b.hello();
  b.tune(kFast);
  const auto bad = [&] {
    const Bytes state = b.ask(kStatus);
    CHECK(state.size() == 38);
    return state.size() == 38 ? get16(&state[22]) : 0;
  };
  const int clean = bad();
  int skipped = 0;
  for (auto& s : sections(path)) {
    if (s["kind"] != "stream" || s["types"] == "none") continue;
    b.raw(unhex(s["wire"]));
    b.raw({0});
    skipped += std::stoi(s["skipped"]);
    CHECK(b.ask(kPing).size() == 5, "after %s", s["name"].c_str());
  }
  CHECK(bad() - clean == skipped && skipped > 8, "%d frames are bad, want %d", bad() - clean, skipped);
  uint32_t random = 1;
  for (int i = 0; i < 1000; i++) {
    Bytes noise(300);
    for (uint8_t& byte : noise) byte = static_cast<uint8_t>((random = random * 1664525 + 1013904223) >> 24);
    b.raw(noise);
    if (i % 10 == 0) b.pass(1);
  }
  b.raw({0});
  CHECK(b.ask(kPing).size() == 5 && bad() > skipped + 500, "%d", bad());
  b.pass(3000);
  CHECK(b.desk.sent.empty());
}

}  // namespace

void linkTests(const char* linkVectors) {
  run("link vectors", [=] { testLinkVectors(linkVectors); });
  run("rubbish from the host", [=] { testRubbishFromTheHost(linkVectors); });
}
