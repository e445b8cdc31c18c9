// A node and nothing else, for a test that looks how large it is.
#include "../core/node.hpp"

using namespace lorrent;

alignas(8) uint8_t node[sizeof(Node)];

extern "C" void lives(Board& board, const Identity& self, const uint8_t* p, size_t n, Millis now);

void* operator new(size_t, void* at) noexcept;
inline void* operator new(size_t, void* at) noexcept { return at; }

void lives(Board& board, const Identity& self, const uint8_t* p, size_t n, Millis now) {
  Node* live = new (node) Node(board, self);
  live->start(now);
  live->received(p, n, now);
  live->heard(p, n, 0, 0, now);
  live->sent(now);
  live->listened(true, 0, now);
  live->tick(now);
  live->written(live->pending(&p));
}
