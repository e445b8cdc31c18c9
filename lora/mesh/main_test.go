package mesh

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lorrent/lora/packet"
)

const (
	here  uint32 = 0x11111111
	there uint32 = 0x22222222
	third uint32 = 0x33333333
	far   uint32 = 0x44444444
)

// epoch is when tests begin.
var epoch = time.Unix(1_000_000, 0)

// node drives a Mesh by hand: it answers nothing by itself.
type node struct {
	t    *testing.T
	mesh *Mesh
	now  time.Time

	sent      []Packet
	slots     int // of the last one
	cancelled int
	delivered []packet.ID
	states    []StateChanged
	beacons   uint32 // taught by learn
}

// airtimes that are easy to add up: ten milliseconds a byte.
func perByte(bytes int) time.Duration { return time.Duration(bytes) * 10 * time.Millisecond }

func newNode(t *testing.T, change func(*Config)) *node {
	cfg := Config{NodeID: here, Epoch: 1, Airtime: perByte, Random: rand.New(rand.NewPCG(1, 2)), FloorSNRdB: -17.5}
	if change != nil {
		change(&cfg)
	}
	n := &node{t: t, mesh: New(cfg), now: epoch}
	n.do(n.mesh.Up(n.now))
	return n
}

// do notes actions. A packet put on the air stays there until sent or lost.
func (n *node) do(actions []Action) {
	n.t.Helper()
	for _, a := range actions {
		switch a := a.(type) {
		case Transmit:
			if want := n.mesh.cfg.Airtime(a.Packet.Size()); a.Airtime != want || a.Packet.Tx != n.mesh.short {
				n.t.Errorf("transmits %+v of %v, want %v", a.Packet, a.Airtime, want)
			}
			n.sent, n.slots = append(n.sent, a.Packet), a.Slots
		case Cancel:
			n.cancelled++
		case Deliver:
			n.delivered = append(n.delivered, a.Packet.ID)
		case StateChanged:
			n.states = append(n.states, a)
		}
	}
}

// takeSent returns the packets put on the air since the last call, but for
// beacons and pulls, with which some may have gone.
func (n *node) takeSent() (sent []Packet) {
	news := func(p Packet) bool { return p.Type == Beacon || p.Type == Pull }
	for _, p := range n.sent {
		if all := len(p.Inner); all > 1 {
			p.Inner = slices.DeleteFunc(slices.Clone(p.Inner), news)
			if len(p.Inner) == 0 {
				continue
			}
			if alone := p.Inner[0]; len(p.Inner) == 1 && !alone.Repair {
				alone.Tx = p.Tx
				p = alone
			}
		}
		if !news(p) {
			sent = append(sent, p)
		}
	}
	n.sent = nil
	return sent
}

// items are packets, and those in bundles for them.
func items(sent []Packet) (all []Packet) {
	for _, p := range sent {
		if p.Type != Bundle {
			all = append(all, p)
		}
		all = append(all, p.Inner...)
	}
	return all
}

func (n *node) enqueue(m Message) {
	n.t.Helper()
	actions, err := n.mesh.Enqueue(m, n.now)
	if err != nil {
		n.t.Fatalf("Enqueue(%+v): %v", m, err)
	}
	n.do(actions)
}

func (n *node) receive(p Packet) {
	n.t.Helper()
	n.do(n.mesh.Receive(p, -80, 7, n.now))
}

// pass lets time pass the way a caller does: Tick at each Wake, and every
// packet leaves at once.
func (n *node) pass(d time.Duration) {
	n.t.Helper()
	until := n.now.Add(d)
	for range 100_000 {
		if n.mesh.onAir != nil {
			n.do(n.mesh.Sent(n.now))
			continue
		}
		wake, ok := n.mesh.Wake()
		if !ok || wake.After(until) {
			n.now = until
			return
		}
		if wake.After(n.now) {
			n.now = wake
		}
		n.do(n.mesh.Tick(n.now))
	}
	n.t.Fatal("Wake never moves on")
}

func (n *node) wantStates(want ...string) {
	n.t.Helper()
	var got []string
	for _, s := range n.states {
		got = append(got, fmt.Sprintf("%d %s %d", s.ID.Sequence, s.State, s.Attempts))
	}
	if !slices.Equal(got, want) {
		n.t.Errorf("states %q, want %q", got, want)
	}
}

// ours is outgoing message number seq.
func ours(seq uint32, to uint32, ttl time.Duration) Message {
	return Message{ID: packet.ID{Source: here, Epoch: 7, Sequence: seq}, To: to, Payload: []byte("sealed"), ExpiresAt: epoch.Add(ttl)}
}

// theirs is a message of node there, as a neighbour transmits it.
func theirs(seq uint32, to uint32, by uint32) Packet {
	p := Packet{
		Type: Routed, ID: packet.ID{Source: there, Epoch: 9, Sequence: seq}, From: there, To: to,
		Tx: Short(by), Next: Short(here), TTL: 3, Payload: []byte("sealed"),
	}
	if to == packet.Broadcast {
		p.Type, p.Next = Flood, nobody
	}
	return p
}

// ackOf is the acknowledgement of a message, as a neighbour transmits it.
func ackOf(id packet.ID, from, by uint32) Packet {
	return Packet{Type: Ack, ID: id, From: from, To: id.Source, Tx: Short(by), Next: Short(here), TTL: 3}
}

// learn lets the node know whom another one hears, by its own beacon when by is
// that node.
func (n *node) learn(who, by uint32, hears ...uint32) {
	n.t.Helper()
	n.beacons++
	p := Packet{Type: Beacon, ID: packet.ID{Source: who, Epoch: 1, Sequence: n.beacons}, From: who, To: packet.Broadcast, Tx: Short(by)}
	for _, id := range hears {
		p.Heard = append(p.Heard, Link{ID: Short(id), Margin: 30})
	}
	n.receive(p)
}
