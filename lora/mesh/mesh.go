// Package mesh decides what a node says on the air and when: the state machine
// between packets and messages, for a network of many hops.
//
// It is pure. Callers pass the time in, carry out the actions that come back,
// and call Tick at the time that Wake names; there is no goroutine, no I/O and
// no clock here, so that a thousand nodes run in one test. Its rules:
//
//   - An acknowledgement means stored. A message comes out as Deliver; only
//     Stored queues the acknowledgement.
//   - A message that was delivered once is not delivered again.
//   - Messages for everyone are flooded by coverage: beacons tell who hears whom,
//     and a node relays while those who hear it, and who probably lack the
//     message, are worth a transmission: the more, the fewer of its neighbours can bring
//     it to them. Where beacons tell nothing, it relays unless it has heard the message
//     often enough.
//   - Messages for one node go hop by hop along the cheapest known way, over
//     links that work in the direction needed. Hearing the next hop pass it on
//     acknowledges the hop; else it is repeated, then sent another way, then
//     flooded a limited number of hops, by those from whom it may get there in as
//     many. Ways avoid links that may not last, since one of the two nodes moves, and a
//     later attempt those that an earlier one took. A node that moves itself goes by what
//     it hears rather than by what others say of it.
//   - The acknowledgement of the receiver rides back and ends all repetitions of
//     those who hear it. Until then the source repeats, with growing pauses, or, where it
//     knows no way, when it hears of the receiver.
//   - Nodes ask a neighbour from time to time for the messages they lack. Over links
//     that work one way nobody can ask: who is at the beginning of one repeats what
//     nobody on the other side is known to have, and who is at its end spreads what a node
//     there tells its neighbours.
//   - Packets for one node share a transmission, whichever neighbours they are for:
//     where the channel is busy, acknowledgements wait some time for another packet
//     of this node to go with. Messages are passed on at once.
//   - Who hears a node that talks without end speaks between two of its packets. Who does
//     not, and has a neighbour that does, sends three times in a row what that one lacks.
//   - Who hears a packet for a next hop that it does not hear is silent while that one
//     passes it on, so that the sender can hear it. So is who could answer a question that
//     another node answers.
//   - Who hears a message for the next hop, which would send it here, passes it on before
//     that one does, if both of the others hear that. So does who has passed a message on
//     and hears its acknowledgement.
//   - An acknowledgement does not name its message to a neighbour that has it.
//   - One packet at a time is on the air: acknowledgements first, then direct
//     messages, messages for everyone, repair, beacons.
//   - Everything is bounded: queues refuse, windows and tables forget.
package mesh

import (
	"hash/maphash"
	"math/rand/v2"
	"time"

	"lorrent/lora/packet"
)

// Priority orders the packets that wait for the air.
type Priority int

// Priorities, first to last on the air.
const (
	PriorityAck Priority = iota
	PriorityDirect
	PriorityBroadcast
	PriorityRepair
	PriorityBeacon
)

// Config sets a Mesh up. NodeID and Airtime are required.
type Config struct {
	NodeID uint32
	// Epoch tells the lives of a node apart; it is drawn at every start.
	Epoch uint16
	// Airtime is how long a packet of that many bytes occupies the air.
	Airtime func(bytes int) time.Duration
	// Budget is how long a transmission must wait before the law or the user
	// allows it; 0 is now. Others go first meanwhile. Nil allows everything.
	Budget func(t Transmit, now time.Time) time.Duration
	// Opens says whether an acknowledgement is that of the message, of which this
	// node has a copy: only its receiver can make it. Nil believes every one.
	Opens func(ack, message *Packet) bool
	// Random spreads transmissions. Nil draws a seed.
	Random *rand.Rand
	// FloorSNRdB is the SNR of the weakest signal that is received.
	FloorSNRdB float64
	// Known is what Mesh.Known returned in an earlier life.
	Known []Packet
	// Recent is what Mesh.Recent returned in an earlier life.
	Recent []Heard
	// MaxMessages limits the outgoing messages held. Default 1024.
	MaxMessages int
	// Tuning is zero for the defaults.
	Tuning Tuning
}

// Stats counts what happened since New.
type Stats struct {
	Duplicates uint64 // messages heard again
	Lost       uint64 // attempts of direct messages that were not acknowledged in time
}

// work counts what takes most of the time in networks of a thousand nodes.
type work struct {
	weighed  int // scenes
	gathered int // lists of what a pull tells
}

// Mesh is the state of one node. It must not be used concurrently.
type Mesh struct {
	cfg    Config // immutable after New
	tuning Tuning
	short  uint16
	seed   maphash.Seed

	seen     window
	nodes    nodeTable
	links    linkTable
	floods   floodTable
	forwards forwardTable
	fair     fairShare
	beacons  beaconState
	pulls    pullState
	load     load
	stats    Stats

	lanes    map[uint32]*lane // outgoing direct messages by receiver
	messages map[packet.ID]*outgoing
	shares   map[packet.ID]*outgoing // by the ID of each, of messages in fragments

	work   work
	sketch scene          // used again at each decision,
	index  map[uint16]int // as is this, of its nodes beyond

	jobs    []*job
	up      bool
	onAir   *transmission
	gap     time.Time // until then one that talks without end is silent
	hush    time.Time // until then only answers go: one is due, or a node that is not heard here gives one
	hushed  time.Time // when this node was last silent for an answer to a question
	blocked time.Time // until then the budget, or others, allow nothing of what is due; zero when they do
	filled  time.Time // when that was found
	fills   uint64    // rounds of fill so far,
	filling uint64    // and the one in progress, in which verdicts on floods stand; 0 outside

	actions []Action // collected by the input in progress
}

// New returns the state of a node that has heard and said nothing. Its radio
// is down.
func New(cfg Config) *Mesh {
	if cfg.Random == nil {
		cfg.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if cfg.MaxMessages == 0 {
		cfg.MaxMessages = 1024
	}
	short := Short(cfg.NodeID)
	return &Mesh{
		cfg: cfg, tuning: cfg.Tuning.complete(), short: short, seed: maphash.MakeSeed(),
		seen:     newWindow(maxSeen),
		nodes:    newNodeTable(maxNodes),
		links:    newLinkTable(short, cfg.FloorSNRdB),
		floods:   newFloodTable(),
		forwards: newForwardTable(),
		lanes:    make(map[uint32]*lane),
		messages: make(map[packet.ID]*outgoing),
		shares:   make(map[packet.ID]*outgoing),
		index:    make(map[uint16]int),
	}
}

// Up says that the radio works: packets may be transmitted from now on.
func (m *Mesh) Up(now time.Time) []Action {
	m.up = true
	if m.cfg.Known != nil {
		m.links.restore(m.cfg.Known, now)
		m.cfg.Known = nil
		m.beacons.wide = now.Add(-m.jitter(m.tuning.WideMost)) // others know it from the earlier life
		m.beacons.spoken = 1
	}
	m.restore(m.cfg.Recent, now)
	m.cfg.Recent = nil
	m.startBeacons(now)
	m.startPulls(now)
	return m.step(now)
}

// Down says that the radio is gone, and with it the packet on the air, if any.
// Messages wait, and expire.
func (m *Mesh) Down() {
	if m.onAir != nil {
		m.requeue(m.onAir)
	}
	m.up, m.onAir = false, nil
}

// Receive takes in a packet from the air.
func (m *Mesh) Receive(p Packet, rssi, snr float64, now time.Time) []Action {
	if p.Tx == m.short || m.echoed(&p) {
		return m.step(now) // our own, or someone who took our address
	}
	airtime := m.cfg.Airtime(p.Size())
	m.load.heard(airtime, now)
	if m.links.hear(p.Tx, snr, now) {
		m.neighbourhoodChanged(now)
	}
	if n := m.links.heard[p.Tx]; n != nil {
		n.air.heard(airtime, now)
		if n.endless(now) {
			m.gapBegins(n, now)
		}
	}
	r := reception{rssi: rssi, snr: snr, now: now}
	if p.Type != Bundle {
		m.take(p, r)
	}
	for _, inner := range p.Inner {
		if inner.Tx = p.Tx; !m.echoed(&inner) {
			m.take(inner, r)
		}
	}
	m.hushFor(&p, now)
	m.reconsider(now)
	return m.step(now)
}

// echoed says whether a packet is one of this node's own of which a copy tells nothing.
func (m *Mesh) echoed(p *Packet) bool {
	return p.From == m.cfg.NodeID && (p.Type == Beacon || p.Type == Pull || p.Type == Bundle)
}

// take takes in a packet, alone or out of a bundle.
func (m *Mesh) take(p Packet, r reception) {
	if p.From != m.cfg.NodeID && Short(p.From) == p.Tx && p.named() {
		m.nodes.heard(p.From, r.rssi, r.snr, r.now)
	}
	switch p.Type {
	case Flood, Card:
		m.receiveFlood(p, r)
	case Routed:
		m.receiveRouted(p, r)
	case Ack:
		m.receiveAck(p, r)
	case Beacon:
		m.receiveBeacon(p, r)
	case Pull:
		m.receivePull(p, r)
	}
}

// reception is how a packet arrived.
type reception struct {
	rssi, snr float64
	now       time.Time
}

// deliver hands a message over once, and counts it otherwise.
func (m *Mesh) deliver(p Packet, r reception) (fresh bool) {
	if !m.seen.add(p.ID, p.Type == Routed && !p.Quiet) {
		m.stats.Duplicates++
		return false
	}
	m.emit(Deliver{Packet: p, RSSIdBm: r.rssi, SNRdB: r.snr, Repaired: p.Repair})
	return true
}

// Stored says that a delivered message is on stable storage, and queues its
// acknowledgement if it was for this node alone.
func (m *Mesh) Stored(id packet.ID, now time.Time) []Action {
	m.seen.stored(id)
	if m.seen.wantsAck(id) {
		m.acknowledge(id, now)
	}
	return m.step(now)
}

// Arrived says that a message of this node has reached its receiver, as is known from
// elsewhere than an acknowledgement.
func (m *Mesh) Arrived(id packet.ID, now time.Time) []Action {
	m.acknowledged(id, now)
	return m.step(now)
}

// StoreFailed forgets a delivered message, so that its next copy is delivered
// again.
func (m *Mesh) StoreFailed(id packet.ID) {
	m.seen.forget(id)
	m.floods.forget(id)
}

// Ignored says that a delivered message was not for this node, or was not what
// its ID says: one under the same ID is delivered all the same.
func (m *Mesh) Ignored(id packet.ID) { m.seen.forget(id) }

// Announce spreads a Card of this node.
func (m *Mesh) Announce(p Packet, now time.Time) []Action {
	m.launch(p, nil, now)
	return m.step(now)
}

// Tick lets time pass: what is due happens.
func (m *Mesh) Tick(now time.Time) []Action { return m.step(now) }

// Wake is when Tick has something to do next; false when only another input
// can bring news.
func (m *Mesh) Wake() (time.Time, bool) {
	var wake time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	for _, o := range m.messages {
		if !m.carries(o) {
			earlier(o.ExpiresAt)
		}
	}
	if m.up {
		if m.onAir == nil {
			for _, j := range m.jobs {
				if m.blocked.IsZero() || j.due.After(m.filled) {
					earlier(j.due)
				}
			}
			earlier(m.blocked)
		}
		for _, l := range m.lanes {
			earlier(l.due)
		}
		for _, f := range m.forwards.waiting {
			earlier(f.deadline)
		}
		for _, f := range m.floods.checks {
			earlier(f.check)
		}
		earlier(m.beacons.next)
		earlier(m.pulls.next)
	}
	return wake, !wake.IsZero()
}

// Nodes returns what is known about the nodes heard directly, latest first.
func (m *Mesh) Nodes() []Node { return m.nodes.list() }

// Known is who hears whom, as beacons, this node's own among them. A host that
// keeps it from time to time spares a restarted node the floods by which it
// would otherwise find ways again.
func (m *Mesh) Known() []Packet { return m.links.known(m.cfg.NodeID, m.load.at) }

// Stats returns the counters.
func (m *Mesh) Stats() Stats { return m.stats }

// Busy is the share of the time that the channel is taken, 0 to 1, as heard here.
func (m *Mesh) Busy(now time.Time) float64 { return m.load.share(now) }

// Len is how many outgoing messages are held.
func (m *Mesh) Len() int { return len(m.messages) }

// step ends every input: what is overdue happens, the air is filled, and the
// actions collected go to the caller.
func (m *Mesh) step(now time.Time) []Action {
	m.expire(now)
	if m.up {
		m.beaconTick(now)
		m.pullTick(now)
		m.attemptDue(now)
		m.forwardsDue(now)
		m.floodsDue(now)
		m.fill(now)
	}
	actions := m.actions
	m.actions = nil
	return actions
}

func (m *Mesh) emit(a Action) { m.actions = append(m.actions, a) }

// jitter is a random time below most.
func (m *Mesh) jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(m.cfg.Random.Int64N(int64(most)))
}
