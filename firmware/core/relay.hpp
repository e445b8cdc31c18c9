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

class Relay {
 public:
  Relay(Transmitter& transmitter, Counters& counters) : transmitter_(transmitter), counters_(counters) {}

  void start(uint32_t node, Millis now);
  void stop(Millis now);
  bool running() const { return running_; }
  void tick(Millis now);
  void heard(const uint8_t* packet, size_t n, int16_t snrTenths, Millis now);

  // What becomes of its transmissions.
  bool wanted(Transmission& t, Millis now);
  void done(const Transmission& t, Millis now);
  void dropped(const Transmission& t, Reason why, Millis now);

  const Links& links() const { return links_; }

 private:
  // Flood is something on its way to everyone in reach.
  struct Flood {
    bool used;
    uint8_t ttl;  // relays left to this node
    Name name;
    uint8_t copies;
    uint8_t sent;
    uint32_t content;
    bool own;
    bool confirmed;  // own: a neighbour relayed it
    bool over;       // the receiver has it
    bool queued;
    uint8_t holderCount;
    uint16_t holders[kMaxHolders];  // who has it
    uint16_t spoke;                 // of those, as bits, who sent it
    Millis last;
  };

  // Forward is a packet for one node on its way through this one.
  struct Forward {
    bool used;
    uint8_t ttl;
    Name name;
    uint16_t dest;
    uint16_t prev;
    uint16_t next;
    uint16_t tried[3];
    uint8_t triedCount;
    uint8_t tries;  // to next
    uint8_t ways;
    bool over;
    bool queued;
    Millis last;
  };

  struct Ack {
    bool used;
    Name name;
    uint8_t token[8];
  };

  // relay.cpp: what is heard
  void spread(const Header& h, const uint8_t* packet, size_t n, Millis now);
  Flood* findFlood(const Header& h, uint32_t content);
  Flood* newFlood(const Header& h, uint32_t content, Millis now);
  void holds(Flood& f, uint16_t id, bool spoke);
  bool worthIt(const Flood& f, Millis now, double* rank);
  void reconsider(Millis now);
  Millis spreadDelay(double rank, Millis now);
  Millis window(Millis now, uint32_t more);
  Millis usual() const;

  // forward.cpp: what is directed
  void directed(const Header& h, const uint8_t* packet, size_t n, Millis now);
  void acknowledgement(const Header& h, const uint8_t* packet, size_t n, Millis now);
  void passOn(const Header& h, const uint8_t* packet, size_t n, Millis now);
  void passAck(const Header& h, const uint8_t* packet, Millis now);
  void sendForward(Forward& f, const uint8_t* packet, size_t n, Millis now);
  bool choose(Forward& f);
  bool retry(Forward& f, Transmission& t, Millis now);
  void sentForward(Forward& f, const Transmission& t, Millis now);
  void progress(const Header& h, PacketType type, Millis now);
  void finish(Forward& f, Millis now);
  void finishMessage(const Header& h, Millis now);
  void confirmHop(const Header& h, Millis now);
  Forward* findForward(Name name, PacketType type);
  Forward* newForward(const Header& h, Millis now);
  Ack* findAck(const Name& name);

  // beacon.cpp: what it says of itself
  void beaconTick(Millis now);
  void beacon(Millis now);
  void planBeacon(Millis now);
  void neighbourhoodChanged(Millis now);

  // queue puts a packet on its way to the air; nullptr: there is no room.
  Transmission* queue(uint16_t id, uint8_t priority, const uint8_t* packet, size_t n, Millis due, Millis now);
  uint16_t short_() const { return static_cast<uint16_t>(node_); }

  Transmitter& transmitter_;
  Counters& counters_;
  bool running_ = false;
  uint32_t node_ = 0;
  uint16_t epoch_ = 0;
  uint32_t beaconSequence_ = 0;
  Millis pause_ = 0;
  Millis nextBeacon_ = 0;
  Millis reset_ = 0;
  Millis wide_ = 0;
  bool anyWide_ = false;
  int changes_ = 0;

  int nextAck_ = 0;
  Ack acks_[kAcks] = {};
  Forward forwards_[kForwards] = {};
  Flood floods_[kFloods] = {};
  Links links_;
};

// Transmissions of the relay are named by what they are of, and its place.
constexpr uint16_t kFloodIds = 0x0000;
constexpr uint16_t kForwardIds = 0x1000;
constexpr uint16_t kBeaconId = 0x2000;
constexpr uint16_t kHopAckId = 0x2001;

enum Priority : uint8_t { kFirstAck, kDirect, kBroadcast, kRepair, kBeacons };

}  // namespace lorrent
