// The node on bare metal: an lm3s6965evb (Cortex-M3) as QEMU has it. UART0 is the
// host link, UART1 the line to the simulated radio (lora/ether), SysTick the clock.
// Flash is a file of the machine that runs QEMU, by ARM semihosting, whose command
// line is "FLASH NODE SEED", the last two hexadecimal.
#include <stddef.h>
#include <stdint.h>

#include "../core/node.hpp"
#include "../core/simulated.hpp"

namespace {

using namespace lorrent;

volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }

volatile Millis ticks;

// Uart is a PL011. Its interrupt only ends the sleep of the main loop.
class Uart {
 public:
  constexpr explicit Uart(uint32_t base) : base_(base) {}

  void start() {
    reg(base_ + 0x2C) = 0x70;   // 8N1, FIFO
    reg(base_ + 0x30) = 0x301;  // on
  }
  bool read(uint8_t* b) {
    if (reg(base_ + 0x18) & 0x10) return false;
    *b = static_cast<uint8_t>(reg(base_));
    return true;
  }
  void write(const uint8_t* p, size_t n) {
    for (size_t i = 0; i < n; i++) {
      while (reg(base_ + 0x18) & 0x20) {
      }
      reg(base_) = p[i];
    }
  }
  void wake(bool on) { reg(base_ + 0x38) = on ? 0x50 : 0; }

 private:
  uint32_t base_;
};

Uart host(0x4000C000);
Uart air(0x4000D000);

// semihost asks QEMU (ARM semihosting, IHI 0053).
int semihost(int what, const void* arguments) {
  register int r0 asm("r0") = what;
  register const void* r1 asm("r1") = arguments;
  asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

char commandLine[200];

size_t length(const char* text) {
  size_t n = 0;
  while (text[n] != 0 && text[n] != ' ') n++;
  return n;
}

uint32_t hex(const char* text) {
  uint32_t v = 0;
  for (; *text != 0 && *text != ' '; text++) v = v << 4 | static_cast<uint32_t>(*text <= '9' ? *text - '0' : (*text | 32) - 'a' + 10);
  return v;
}

const char* argument(int which) {
  const char* p = commandLine;
  for (; which > 0; which--) {
    p += length(p);
    if (*p == ' ') p++;
  }
  return p;
}

// flash reads or writes a slot of the file.
bool flash(int slot, uint8_t* b, size_t n, bool write) {
  char path[200];
  const size_t size = length(commandLine);
  for (size_t i = 0; i < size; i++) path[i] = commandLine[i];
  path[size] = 0;
  const auto word = [](const void* p) { return reinterpret_cast<uint32_t>(p); };
  uint32_t open[3] = {word(path), 3, size};  // "r+b"
  int file = semihost(0x01, open);
  if (file < 0 && write) {
    open[1] = 7;  // "w+b"
    file = semihost(0x01, open);
  }
  if (file < 0) return false;
  const uint32_t seek[2] = {static_cast<uint32_t>(file), static_cast<uint32_t>(slot) * 64};
  const uint32_t move[3] = {static_cast<uint32_t>(file), word(b), n};
  const bool done = semihost(0x0A, seek) == 0 && semihost(write ? 0x05 : 0x06, move) == 0;  // bytes not done
  const uint32_t close[1] = {static_cast<uint32_t>(file)};
  semihost(0x02, close);
  return done;
}

constexpr uint32_t kRestarted = 0x52455354;
[[gnu::section(".noinit")]] uint32_t restarted;

class Machine final : public Board {
 public:
  bool setRadio(const Radio& radio) override { return radio_.set(radio) && flush(); }
  bool send(const uint8_t* packet, size_t n) override { return radio_.send(packet, n) && flush(); }
  bool listen() override { return radio_.listen() && flush(); }
  bool receiving() override { return radio_.receiving(); }
  bool readSlot(int slot, uint8_t* to, size_t n) override { return flash(slot, to, n, false); }
  bool writeSlot(int slot, const uint8_t* from, size_t n) override { return flash(slot, const_cast<uint8_t*>(from), n, true); }
  Battery battery() override { return {0, 255, false}; }
  void show(uint8_t, const uint8_t*, size_t) override {}
  void restart(RebootMode) override { restarting_ = true; }

  [[noreturn]] void run(Node& node);

 private:
  bool flush() {
    const uint8_t* p;
    const size_t n = radio_.pending(&p);
    air.write(p, n);
    return true;
  }

  SimulatedRadio radio_;
  bool restarting_ = false;
};

void Machine::run(Node& node) {
  node.start(ticks);
  while (true) {
    uint8_t b;
    while (air.read(&b)) radio_.received(b, node, ticks);
    for (int i = 0; i < 256 && host.read(&b); i++) node.received(&b, 1, ticks);
    node.tick(ticks);
    const uint8_t* p;
    for (size_t n; (n = node.pending(&p)) > 0; node.written(n)) host.write(p, n);
    if (restarting_) {
      restarted = kRestarted;
      reg(0xE000ED0C) = 0x05FA0004;  // AIRCR: system reset
    }
    host.wake(true);
    air.wake(true);
    asm volatile("wfi");
  }
}

void start() {
  reg(0x400FE104) = 3;         // RCGC1: both UARTs have a clock
  reg(0xE000E014) = 12500 - 1;  // SysTick: 1 ms at 12.5 MHz
  reg(0xE000E018) = 0;
  reg(0xE000E010) = 7;
  reg(0xE000E100) = 3 << 5;  // NVIC: both UARTs
  host.start();
  air.start();
  const uint32_t line[2] = {reinterpret_cast<uint32_t>(commandLine), sizeof commandLine};
  semihost(0x15, line);
  const Identity self = {kCanRelay | kHasFlash | kHasCad, 2, 0, static_cast<uint8_t>(restarted == kRestarted), 22, -9,
                         hex(argument(1)), hex(argument(2))};
  restarted = 0;
  static Machine machine;
  static Node node(machine, self);
  machine.run(node);
}

}  // namespace

extern "C" {

extern uint32_t data_begin[], data_end[], data_from[], bss_begin[], bss_end[], stack_top[];

void reset() {
  for (uint32_t *to = data_begin, *from = data_from; to < data_end;) *to++ = *from++;
  for (uint32_t* p = bss_begin; p < bss_end;) *p++ = 0;
  start();
}

void sysTick() { ticks = ticks + 1; }
void uart() {
  host.wake(false);
  air.wake(false);
}
[[noreturn]] void fault() {
  reg(0xE000ED0C) = 0x05FA0004;
  while (true) {
  }
}
[[noreturn]] void __cxa_pure_virtual() { fault(); }

using Vector = void (*)();

[[gnu::section(".vectors"), gnu::used]] const Vector vectors[16 + 7] = {
    reinterpret_cast<Vector>(stack_top), reset, fault, fault, fault, fault, fault, nullptr, nullptr, nullptr, nullptr,
    fault, fault, nullptr, fault, sysTick,
    // 0 to 4: GPIO A to E; 5 and 6: UART 0 and 1
    fault, fault, fault, fault, fault, uart, uart};
}
