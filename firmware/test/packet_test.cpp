// Packets against their golden vectors, and how long they take.
#include "bench.hpp"

namespace {

void testPacketVectors(const char* path) {
  for (auto& s : sections(path)) {
    if (!s.count("packet")) continue;
    const Bytes p = unhex(s["packet"]);
    Header h;
    const bool ok = parse(p.data(), p.size(), &h);
    const std::string kind = s["kind"];
    if (kind == "refused" || kind == "mac") continue;  // by whom has the key, often
    const bool travels = kind != "nack" && kind != "pull" && kind != "brief-ack";
    CHECK(ok == travels, "%s of kind %s", s["name"].c_str(), kind.c_str());
    if (!ok || kind == "bundle") continue;
    if (s.count("source")) CHECK(h.source == std::stoul(s["source"], nullptr, 16), "%s", s["name"].c_str());
    if (s.count("sequence")) CHECK(h.sequence == std::stoul(s["sequence"], nullptr, 16), "%s", s["name"].c_str());
    if (s.count("tx")) CHECK(h.tx == std::stoul(s["tx"], nullptr, 16), "%s", s["name"].c_str());
    if (s.count("ttl")) CHECK(h.ttl == std::stoul(s["ttl"]), "%s", s["name"].c_str());
    if (h.directed && s.count("next")) CHECK(h.next == std::stoul(s["next"], nullptr, 16), "%s", s["name"].c_str());
  }
}

void testAirtime() {
  const struct { uint8_t sf; uint32_t bw; uint8_t cr; uint8_t preamble; size_t size; uint32_t micros; } vectors[] = {
      {7, 125000, 5, 8, 1, 25856},   {7, 125000, 5, 8, 51, 102656},   {7, 250000, 5, 16, 56, 57984},
      {8, 62500, 8, 32, 38, 508928}, {9, 250000, 5, 16, 64, 211456},  {10, 62500, 5, 16, 30, 1118208},
      {11, 250000, 5, 16, 255, 2156544}, {12, 125000, 8, 16, 255, 14295040}, {5, 250000, 5, 12, 64, 20640},
  };
  for (const auto& v : vectors) {
    const Radio r = {868000000, v.bw, v.sf, v.cr, v.preamble, 0x12, 14, 10000, 0};
    CHECK(r.airtimeMicros(v.size) == v.micros, "SF%u/%u %zu bytes: %u", v.sf, v.bw, v.size, r.airtimeMicros(v.size));
  }
}

}  // namespace

void packetTests(const char* packetVectors) {
  run("packet vectors", [=] { testPacketVectors(packetVectors); });
  run("time on air", testAirtime);
}
