// Package mesh decides what a node says on the air and when: the state machine
// between packets and messages.
//
// It is pure. Callers pass the time in, carry out the actions that come back,
// and call Tick at the time that Wake names; there is no goroutine, no I/O and
// no clock here, so that a thousand nodes run in one test. Its rules:
//
//   - An acknowledgement means stored. A text comes out as Deliver; only
//     Stored queues the acknowledgement.
//   - A text that was delivered once is not delivered again; each repetition of
//     a stored direct text is acknowledged again, since the acknowledgement
//     before may be lost.
//   - One direct text at a time is under way to each node, so they arrive in
//     order. It is repeated with growing pauses until it is acknowledged or
//     expires; a node that is heard again after a long silence is tried at once.
//   - One packet at a time is on the air: acknowledgements first, then direct
//     texts, then broadcasts.
//   - Everything is bounded: queues refuse, windows and tables forget.
package mesh

import (
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
)

// Config sets a Mesh up. NodeID and Airtime are required.
type Config struct {
	NodeID uint32
	// Airtime is how long a packet of that many bytes occupies the air.
	Airtime func(bytes int) time.Duration
	// Budget is how long a transmission must wait before the law or the user
	// allows it; 0 is now. Nil allows everything.
	Budget func(airtime time.Duration, priority Priority, now time.Time) time.Duration
	// Random spreads repetitions. Nil draws a seed.
	Random *rand.Rand
	// Turnaround is what a receiver takes to store a message and to find the
	// channel free, apart from time on air. Default 300 ms.
	Turnaround time.Duration
	// MaxBackoff limits the pause between two attempts. Default 15 min.
	MaxBackoff time.Duration
	// Broadcasts is how often a broadcast goes on the air. Default 2.
	Broadcasts int
	// MaxMessages limits the outgoing messages held. Default 1024.
	MaxMessages int
}

// Limits of what others can make us hold.
const (
	maxAcks  = 64
	maxSeen  = 1024
	maxNodes = 256
)

// Action is something for the caller to do: Transmit, Deliver or StateChanged.
type Action interface{ action() }

type (
	// Transmit asks for a packet to be sent now. No other Transmit comes before
	// Sent or SendFailed has answered this one.
	Transmit struct {
		Packet   []byte
		Airtime  time.Duration
		Priority Priority
	}
	// Deliver hands a text over, for this node or for everyone. The caller
	// answers with Stored or StoreFailed.
	Deliver struct {
		Packet         packet.Packet
		RSSIdBm, SNRdB float64
	}
	// StateChanged says that an outgoing message moved on. Attempts counts the
	// times it was on the air.
	StateChanged struct {
		ID       packet.ID
		State    State
		Attempts int
		Done     bool // the message is no longer held: no more changes come
	}
)

func (Transmit) action()     {}
func (Deliver) action()      {}
func (StateChanged) action() {}

// State of an outgoing message.
type State string

// States. A message is queued until its first StateChanged.
const (
	Sent      State = "sent"      // on the air at least once
	Delivered State = "delivered" // the receiver has stored it
	Expired   State = "expired"   // not acknowledged, or never sent, in time
)

// Stats counts what happened since New.
type Stats struct {
	Duplicates uint64 // texts heard again
	Lost       uint64 // direct texts sent and not acknowledged in time
}

// Mesh is the state of one node. It must not be used concurrently.
type Mesh struct {
	cfg   Config // immutable after New
	seen  window
	nodes nodeTable
	stats Stats

	acks     []packet.Packet
	lanes    map[uint32]*lane // outgoing messages by receiver
	messages map[packet.ID]struct{}
	up       bool
	onAir    *transmission
	blocked  time.Time // until then the budget allows nothing; zero when it does

	actions []Action // collected by the input in progress
}

// New returns the state of a node that has heard and said nothing. Its radio
// is down.
func New(cfg Config) *Mesh {
	if cfg.Random == nil {
		cfg.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if cfg.Turnaround == 0 {
		cfg.Turnaround = 300 * time.Millisecond
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = 15 * time.Minute
	}
	if cfg.Broadcasts == 0 {
		cfg.Broadcasts = 2
	}
	if cfg.MaxMessages == 0 {
		cfg.MaxMessages = 1024
	}
	return &Mesh{
		cfg:      cfg,
		seen:     newWindow(maxSeen),
		nodes:    newNodeTable(maxNodes),
		lanes:    make(map[uint32]*lane),
		messages: make(map[packet.ID]struct{}),
	}
}

// Up says that the radio works: packets may be transmitted from now on.
func (m *Mesh) Up(now time.Time) []Action {
	m.up = true
	return m.step(now)
}

// Down says that the radio is gone, and with it the packet on the air, if any.
// Messages wait, and expire.
func (m *Mesh) Down() {
	m.up, m.onAir = false, nil
}

// Receive takes in a packet from the air.
func (m *Mesh) Receive(p packet.Packet, rssi, snr float64, now time.Time) []Action {
	if p.From == m.cfg.NodeID {
		return m.step(now) // our own, echoed, or someone who took our address
	}
	m.nodes.heard(p.From, rssi, snr, now)
	m.revive(p.From, now)
	switch {
	case p.Type == packet.Ack && p.To == m.cfg.NodeID:
		m.acknowledged(p, now)
	case p.Type == packet.Flood, p.Type == packet.Routed && p.To == m.cfg.NodeID:
		m.text(p, rssi, snr)
	}
	return m.step(now)
}

// text delivers what is new and acknowledges again what is stored.
func (m *Mesh) text(p packet.Packet, rssi, snr float64) {
	if m.seen.add(p.ID, p.Type == packet.Routed) {
		m.emit(Deliver{Packet: p, RSSIdBm: rssi, SNRdB: snr})
		return
	}
	m.stats.Duplicates++
	if m.seen.wantsAck(p.ID) {
		m.queueAck(p.ID)
	}
}

// Stored says that a delivered text is on stable storage, and queues its
// acknowledgement if it was for this node alone.
func (m *Mesh) Stored(id packet.ID, now time.Time) []Action {
	m.seen.stored(id)
	if m.seen.wantsAck(id) {
		m.queueAck(id)
	}
	return m.step(now)
}

// StoreFailed forgets a delivered text, so that its next repetition is
// delivered again.
func (m *Mesh) StoreFailed(id packet.ID) { m.seen.forget(id) }

// Tick lets time pass: repetitions and expiries that are due happen.
func (m *Mesh) Tick(now time.Time) []Action { return m.step(now) }

// Wake is when Tick has something to do next; false when only another input
// can bring news.
func (m *Mesh) Wake() (time.Time, bool) {
	var wake time.Time
	earlier := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	for _, l := range m.lanes {
		if m.up && m.onAir == nil && m.blocked.IsZero() {
			earlier(l.due)
		}
		for _, o := range l.queue {
			if !m.carries(o) {
				earlier(o.ExpiresAt)
			}
		}
	}
	if m.up && m.onAir == nil && !m.blocked.IsZero() {
		earlier(m.blocked)
	}
	return wake, !wake.IsZero()
}

// Nodes returns what is known about the nodes heard, latest first.
func (m *Mesh) Nodes() []Node { return m.nodes.list() }

// Stats returns the counters.
func (m *Mesh) Stats() Stats { return m.stats }

// Len is how many outgoing messages are held.
func (m *Mesh) Len() int { return len(m.messages) }

// step ends every input: what is overdue expires, the air is filled, and the
// actions collected go to the caller.
func (m *Mesh) step(now time.Time) []Action {
	m.expire(now)
	m.fill(now)
	actions := m.actions
	m.actions = nil
	return actions
}

func (m *Mesh) emit(a Action) { m.actions = append(m.actions, a) }
