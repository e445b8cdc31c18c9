// The node as a Linux process: the host link on a pseudo-terminal or a unix socket,
// a simulated radio behind another socket (lora/ether), flash in a file.
//
//   node --air SOCKET [--host SOCKET] [--flash FILE] [--node HEX] [--clock MS] [--seed N]
//
// Without --host it opens a pseudo-terminal. It prints "host PATH" when the link is there.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <memory>

#include "../core/node.hpp"
#include "../core/simulated.hpp"

namespace {

using lorrent::Battery;
using lorrent::Identity;
using lorrent::Millis;
using lorrent::Node;
using lorrent::RebootMode;

struct Options {
  const char* air = nullptr;
  const char* host = nullptr;
  const char* flash = nullptr;
  uint32_t node = 0;
  uint32_t clock = 0;
  uint32_t seed = 0;
};

[[noreturn]] void fail(const char* what) {
  perror(what);
  exit(1);
}

uint64_t monotonic() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
}

sockaddr_un address(const char* path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof a.sun_path) {
    fprintf(stderr, "socket path is too long: %s\n", path);
    exit(2);
  }
  strcpy(a.sun_path, path);
  return a;
}

void unblock(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) fail("set O_NONBLOCK");
}

// Host is the serial line. A pseudo-terminal stays open at both ends, so that a host
// may come and go as at a serial port.
class Host {
 public:
  explicit Host(const char* path) { path != nullptr ? listenAt(path) : openTerminal(); }

  int fd() const { return fd_; }
  int door() const { return door_; }
  void accept() {
    const int next = ::accept(door_, nullptr, nullptr);
    if (next < 0) return;
    unblock(next);
    if (fd_ >= 0) close(fd_);
    fd_ = next;
  }

  ssize_t read(uint8_t* to, size_t n) { return check(::read(fd_, to, n)); }
  // write drops what nobody is there to take.
  ssize_t write(const uint8_t* p, size_t n) {
    if (fd_ < 0) return static_cast<ssize_t>(n);
    return check(door_ < 0 ? ::write(fd_, p, n) : ::send(fd_, p, n, MSG_NOSIGNAL));
  }

 private:
  // check closes a socket that is over.
  ssize_t check(ssize_t n) {
    if (n > 0) return n;
    const bool later = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (!later && door_ >= 0) {
      close(fd_);
      fd_ = -1;
    }
    return 0;
  }

  void listenAt(const char* path) {
    const sockaddr_un a = address(path);
    unlink(path);
    door_ = socket(AF_UNIX, SOCK_STREAM, 0);
    if (door_ < 0 || bind(door_, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0 || listen(door_, 1) != 0) fail(path);
    announce(path);
  }

  void openTerminal() {
    fd_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (fd_ < 0 || grantpt(fd_) != 0 || unlockpt(fd_) != 0) fail("open pseudo-terminal");
    const char* path = ptsname(fd_);
    const int other = open(path, O_RDWR | O_NOCTTY);
    termios raw;
    if (other < 0 || tcgetattr(other, &raw) != 0) fail(path);
    cfmakeraw(&raw);
    if (tcsetattr(other, TCSANOW, &raw) != 0) fail(path);
    unblock(fd_);
    announce(path);
  }

  static void announce(const char* path) {
    printf("host %s\n", path);
    fflush(stdout);
  }

  int fd_ = -1;
  int door_ = -1;
};

// Desk is the board: files and sockets in place of flash and radio.
class Desk final : public lorrent::Board {
 public:
  Desk(const Options& options, Host& host) : options_(options), host_(host) {}

  // run is the life of a node from one start to the next.
  void run(uint8_t startReason);

 private:
  bool setRadio(const lorrent::Radio& radio) override { return connected() && radio_.set(radio) && flush(); }
  bool send(const uint8_t* packet, size_t n) override { return connected() && radio_.send(packet, n) && flush(); }
  bool listen() override { return connected() && radio_.listen() && flush(); }
  bool receiving() override { return radio_.receiving(); }

  bool readSlot(int slot, uint8_t* to, size_t n) override { return flash(slot, to, n, false); }
  bool writeSlot(int slot, const uint8_t* from, size_t n) override { return flash(slot, const_cast<uint8_t*>(from), n, true); }
  bool flash(int slot, uint8_t* b, size_t n, bool write);

  Battery battery() override { return {0, 255, false}; }
  void show(uint8_t kind, const uint8_t* text, size_t n) override {
    fprintf(stderr, "display %u %.*s\n", kind, static_cast<int>(n), reinterpret_cast<const char*>(text));
  }
  void restart(RebootMode) override { restarting_ = true; }

  Millis now() const { return static_cast<Millis>(monotonic() - began_) + options_.clock; }
  bool connected();
  bool flush();
  void disconnect();
  void readAir();
  void readHost();
  void writeHost();

  const Options& options_;
  Host& host_;
  uint64_t began_ = monotonic();
  int air_ = -1;
  lorrent::SimulatedRadio radio_;
  std::unique_ptr<Node> node_;
  bool restarting_ = false;
};

bool Desk::flash(int slot, uint8_t* b, size_t n, bool write) {
  if (options_.flash == nullptr) return false;
  const int fd = open(options_.flash, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const auto at = static_cast<off_t>(slot) * 64;
  const ssize_t done = write ? pwrite(fd, b, n, at) : pread(fd, b, n, at);
  const bool synced = !write || fsync(fd) == 0;
  close(fd);
  return synced && done == static_cast<ssize_t>(n);
}

// connected has the socket to the air open, if there is an air.
bool Desk::connected() {
  if (air_ >= 0) return true;
  const sockaddr_un a = address(options_.air);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return false;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) {
    close(fd);
    return false;
  }
  unblock(fd);
  air_ = fd;
  radio_ = {};
  return true;
}

void Desk::disconnect() {
  if (air_ >= 0) close(air_);
  air_ = -1;
}

// flush writes what the radio has to say. The lines are local and frames are short,
// so one that does not fit means that nobody is reading.
bool Desk::flush() {
  const uint8_t* p;
  const size_t n = radio_.pending(&p);
  if (::send(air_, p, n, MSG_NOSIGNAL) != static_cast<ssize_t>(n)) {
    disconnect();
    return false;
  }
  return true;
}

void Desk::readAir() {
  uint8_t b[1024];
  const ssize_t n = read(air_, b, sizeof b);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return disconnect();
  for (ssize_t i = 0; i < n; i++) radio_.received(b[i], *node_, now());
}

void Desk::readHost() {
  uint8_t b[1024];
  const ssize_t n = host_.read(b, sizeof b);
  if (n > 0) node_->received(b, static_cast<size_t>(n), now());
}

void Desk::writeHost() {
  const uint8_t* p;
  for (size_t n; (n = node_->pending(&p)) > 0;) {
    const ssize_t done = host_.write(p, n);
    if (done <= 0) return;
    node_->written(static_cast<size_t>(done));
  }
}

void Desk::run(uint8_t startReason) {
  restarting_ = false;
  began_ = monotonic();
  const Identity self = {lorrent::kCanRelay | lorrent::kHasDisplay | lorrent::kHasFlash | lorrent::kHasCad,
                         1, 0, startReason, 22, -9, options_.node, options_.seed};
  node_ = std::make_unique<Node>(*this, self);
  node_->start(now());
  while (true) {
    const Millis wait = node_->tick(now());
    writeHost();
    if (restarting_) break;
    const uint8_t* p;
    const auto out = static_cast<short>(node_->pending(&p) > 0 ? POLLOUT : 0);
    pollfd fds[3] = {{host_.fd(), static_cast<short>(POLLIN | out), 0}, {air_, POLLIN, 0}, {host_.door(), POLLIN, 0}};
    if (poll(fds, 3, static_cast<int>(wait)) < 0 && errno != EINTR) fail("poll");
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) readHost();
    if (fds[1].revents != 0) readAir();
    if (fds[2].revents != 0) host_.accept();
  }
  disconnect();
}

uint32_t number(const char* text, int base) { return static_cast<uint32_t>(strtoull(text, nullptr, base)); }

Options parse(int argc, char** argv) {
  Options o;
  o.node = static_cast<uint32_t>(getpid()) * 2654435761u | 1;
  o.seed = o.node ^ static_cast<uint32_t>(monotonic());
  for (int i = 1; i + 1 < argc; i += 2) {
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--air") == 0) o.air = value;
    else if (strcmp(argv[i], "--host") == 0) o.host = value;
    else if (strcmp(argv[i], "--flash") == 0) o.flash = value;
    else if (strcmp(argv[i], "--node") == 0) o.node = number(value, 16);
    else if (strcmp(argv[i], "--clock") == 0) o.clock = number(value, 10);
    else if (strcmp(argv[i], "--seed") == 0) o.seed = number(value, 10);
    else o.air = nullptr, i = argc;
  }
  if (o.air == nullptr || argc % 2 == 0) {
    fprintf(stderr, "usage: node --air SOCKET [--host SOCKET] [--flash FILE] [--node HEX] [--clock MS] [--seed N]\n");
    exit(2);
  }
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Host host(options.host);
  auto desk = std::make_unique<Desk>(options, host);
  for (uint8_t reason = 0;; reason = 1) desk->run(reason);
}
