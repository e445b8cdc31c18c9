// The relay of a board without a host. It decides as lora/mesh does (rule.hpp), with
// less memory: what spreads is relayed by coverage, what is directed is passed on
// hop by hop and repeated until it is heard to go on, and beacons tell others that it
// is there. Everything it sends goes through the Transmitter, within the duty cycle.
#pragma once

#include "links.hpp"
#include "rule.hpp"
#include "session.hpp"

namespace lorrent {

constexpr int kFloods = 48;
constexpr int kForwards = 24;
constexpr int kAcks = 16;
constexpr int kMaxHolders = 16;
constexpr int kMaxTried = 3;
constexpr int kAccounts = 16;

// Job is a packet that the relay sends, perhaps again and again.
struct Job {
  bool used;
  bool queued;  // for the air
  bool over;    // it is not to be sent any more
  uint8_t ttl;  // relays left to this node: one more than it is sent with
  Name name;
  Millis last;  // that it was heard of
  uint16_t next;
  uint8_t sent;   // forwards: to next
  uint8_t count;  // of holders, or of those tried
};

class Relay final : public Outcomes {
 public:
  Relay(Transmitter& transmitter, Counters& counters) : transmitter_(transmitter), counters_(counters) {}

  void start(uint32_t node, Millis now);
  void stop(Millis now);
  bool running() const { return running_; }
  void tick(Millis now);
  void heard(const Header& h, const uint8_t* packet, size_t n, int16_t snrTenths, Millis now);

  bool wanted(Transmission& t, Millis now) override;
  void done(const Transmission& t, Millis begin, uint32_t micros, Millis now) override;
  void dropped(const Transmission& t, Reason why, Millis now) override;

 private:
  // Flood is something on its way to everyone in reach.
  struct Flood : Job {
    uint32_t content;
    uint8_t copies;
    bool confirmed;  // own: a neighbour relayed it
    uint16_t spoke;  // of the holders, as bits, who sent it
    uint16_t holders[kMaxHolders];  // who has it

    int holder(uint16_t id) const;  // its place, count if it is none
    int speakers(const List& l) const;
  };

  // Forward is a packet for one node on its way through this one.
  struct Forward : Job {
    uint16_t dest;
    uint16_t prev;
    uint16_t tried[kMaxTried];
    uint8_t ways;
  };

  // Account is how long, in ms, this node has sent for a source, fading.
  struct Account {
    uint32_t source;
    Millis airtime;
  };

  struct Ack {
    Name name;
    uint8_t token[kTokenSize];
  };

  // relay.cpp: what is heard
  void take(const Header& h, const uint8_t* packet, size_t n);
  void empty();
  Job* place(Job* first, size_t size, int n, const Header& h);
  void spread(const Header& h, const uint8_t* packet, size_t n);
  Flood* newFlood(const Header& h, uint32_t content);
  bool worthIt(const Flood& f, double* rank);
  void reconsider();
  Millis window(uint32_t more);
  Millis usual() const;
  bool isFlood(const Job* j) const { return j >= floods_ && j < floods_ + kFloods; }

  // fair.cpp: who gets how much of it
  Account& account(uint32_t source);
  bool fair(uint32_t source);

  // forward.cpp: what is directed
  void directed(const Header& h, const uint8_t* packet, size_t n);
  void acknowledgement(const Header& h, const uint8_t* packet, size_t n);
  void passOn(const Header& h, const uint8_t* packet, size_t n);
  void passAck(const Header& h, const uint8_t* packet);
  void acknowledgeAgain(const Header& h, const uint8_t* packet, const Ack& a);
  void sendForward(Forward& f, const uint8_t* packet, size_t n);
  bool choose(Forward& f);
  bool retry(Forward& f, Transmission& t);
  void sentForward(Forward& f, const Transmission& t);
  void progress(const Header& h);
  void finish(Job& j);
  void takeBack(Job& j);
  void finishMessage(const Name& name);
  void confirmHop(const Header& h, const uint8_t* packet);
  Writer writeAck(uint8_t* to, const Header& h, const uint8_t* packet, uint8_t options);
  Forward* findForward(const Name& name, PacketType type);
  Forward* newForward(const Header& h);
  const Ack* findAck(const Name& name) const;

  // beacon.cpp: what it says of itself
  void beaconTick();
  void beacon();
  void planBeacon();
  void neighbourhoodChanged();

  // queue puts a packet on its way to the air, as what a job says, if it is of one.
  void queue(Job* job, const uint8_t* packet, size_t n, Millis delay);
  Millis shortWhile(size_t n);
  uint16_t short_() const { return static_cast<uint16_t>(node_); }

  Transmitter& transmitter_;
  Counters& counters_;
  bool running_ = false;
  // From the first start on:
  Millis now_;  // when it was last called
  uint32_t node_;
  uint16_t epoch_;
  Millis pause_;
  Millis nextBeacon_;
  Millis reset_;
  Millis wide_;
  bool anyWide_;
  Millis faded_;

  uint32_t beaconSequence_ = 0;
  int changes_ = 0;
  unsigned nextAck_ = 0;
  Account accounts_[kAccounts] = {};
  Ack acks_[kAcks] = {};
  Forward forwards_[kForwards];  // emptied by start
  Flood floods_[kFloods];
  Links links_;
};

enum Priority : uint8_t { kFirstAck, kDirect, kBroadcast, kRepair, kBeacons };

}  // namespace lorrent
