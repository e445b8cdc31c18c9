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
)

// node drives a Mesh by hand: it answers nothing by itself.
type node struct {
	t    *testing.T
	mesh *Mesh
	now  time.Time

	sent      []packet.Packet
	delivered []string
	states    []StateChanged
}

// airtimes that are easy to add up: a millisecond a byte.
func perByte(bytes int) time.Duration { return time.Duration(bytes) * time.Millisecond }

func newNode(t *testing.T, change func(*Config)) *node {
	cfg := Config{NodeID: here, Airtime: perByte, Random: rand.New(rand.NewPCG(1, 2))}
	if change != nil {
		change(&cfg)
	}
	n := &node{t: t, mesh: New(cfg), now: time.Unix(1_000_000, 0)}
	n.do(n.mesh.Up(n.now))
	return n
}

// do notes actions. A packet put on the air stays there until sent or lost.
func (n *node) do(actions []Action) {
	n.t.Helper()
	for _, a := range actions {
		switch a := a.(type) {
		case Transmit:
			p, err := packet.Decode(a.Packet)
			if err != nil {
				n.t.Fatalf("transmits %x: %v", a.Packet, err)
			}
			n.sent = append(n.sent, p)
		case Deliver:
			n.delivered = append(n.delivered, a.Packet.Text)
		case StateChanged:
			n.states = append(n.states, a)
		}
	}
}

// takeSent returns the packets put on the air since the last call.
func (n *node) takeSent() []packet.Packet {
	sent := n.sent
	n.sent = nil
	return sent
}

func (n *node) enqueue(m Message) {
	n.t.Helper()
	actions, err := n.mesh.Enqueue(m, n.now)
	if err != nil {
		n.t.Fatalf("Enqueue(%+v): %v", m, err)
	}
	n.do(actions)
}

func (n *node) receive(p packet.Packet) {
	n.t.Helper()
	n.do(n.mesh.Receive(p, -80, 7, n.now))
}

// onAirDone ends the transmission under way.
func (n *node) onAirDone() {
	n.t.Helper()
	n.do(n.mesh.Sent(n.now))
}

// pass lets time pass the way a caller does: Tick at each Wake.
func (n *node) pass(d time.Duration) {
	n.t.Helper()
	until := n.now.Add(d)
	for range 100_000 {
		wake, ok := n.mesh.Wake()
		if !ok || wake.After(until) {
			n.now = until
			return
		}
		if wake.After(n.now) {
			n.now = wake
		}
		n.do(n.mesh.Tick(n.now))
		if n.mesh.onAir != nil {
			n.onAirDone()
		}
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
	return Message{
		ID: packet.ID{Source: here, Epoch: 7, Sequence: seq}, To: to,
		Text: fmt.Sprintf("text %d", seq), ExpiresAt: time.Unix(1_000_000, 0).Add(ttl),
	}
}

// theirs is a text from node there.
func theirs(seq uint32, to uint32) packet.Packet {
	return packet.NewText(packet.ID{Source: there, Epoch: 9, Sequence: seq}, to, fmt.Sprintf("text %d", seq))
}
