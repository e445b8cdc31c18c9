package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// Who hears a node that talks without end speaks right after one of its packets, and
// what has missed its gap waits for the next.
func TestGap(t *testing.T) {
	n := crowded(t, nil)
	n.talk(120)
	n.takeSent()
	n.enqueue(ours(1, packet.Broadcast, time.Hour))
	loud := theirs(5000, packet.Broadcast, there)
	loud.Payload = make([]byte, 50)
	for range 20 {
		n.pass(500 * time.Millisecond)
		if sent := n.takeSent(); len(sent) > 0 {
			t.Fatalf("sent %+v between two gaps", sent)
		}
		n.now = n.now.Add(500 * time.Millisecond)
		loud.ID.Sequence++
		n.receive(loud)
		if n.mesh.onAir != nil {
			break
		}
	}
	if sent := n.takeSent(); len(sent) != 1 || sent[0].From != here {
		t.Fatalf("sent %+v at the gaps, want the own message", sent)
	}
	n.now = n.now.Add(time.Second)
	loud.ID.Sequence++
	n.cancelled = 0
	n.receive(loud)
	if n.cancelled == 0 {
		t.Error("what missed its gap was left to the board")
	}
	n.do(n.mesh.SendFailed(n.now))
	n.pass(gapWait)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].From != here {
		t.Errorf("sent %+v when the talk has ended, want the own message", sent)
	}
}

// deaf teaches the node that a neighbour which hears it hears another one, too, that
// perhaps talks without end, and how much better it hears this node, in dB.
func (n *node) deaf(lead int, endless bool) {
	n.learn(third, third, here)
	n.beacons++
	n.receive(Packet{
		Type: Beacon, ID: packet.ID{Source: third, Epoch: 1, Sequence: n.beacons}, From: third, To: packet.Broadcast, Tx: Short(third),
		Heard: []Link{{ID: Short(here), Margin: uint8(10 + lead)}, {ID: Short(far), Margin: 10, Endless: endless}},
	})
}

// A neighbour that hears one that talks without end gets everything several times in a row,
// unless it hears this node well enough, or this node hears the gaps itself.
func TestBurst(t *testing.T) {
	for _, c := range []struct {
		name    string
		lead    int
		endless bool
		hears   bool // this node hears far
		want    int
	}{
		{"deaf", 2, true, false, burstMost},
		{"captured", captureB, true, false, 1},
		{"nobody talks", 2, false, false, 1},
		{"in range as well", 2, true, true, 1},
	} {
		n := newNode(t, nil)
		if c.hears {
			n.learn(far, far)
		}
		n.deaf(c.lead, c.endless)
		n.enqueue(ours(1, packet.Broadcast, time.Hour))
		n.pass(time.Second)
		if sent := n.takeSent(); len(sent) != c.want {
			t.Errorf("%s: sent %d times at once, want %d", c.name, len(sent), c.want)
		}
		if at := n.slots == answerSlots; at != (c.want > 1) {
			t.Errorf("%s: the last over %d slots", c.name, n.slots)
		}
	}
}

// A beacon says who talks without end, soon after that is known.
func TestBeaconTellsWhoTalks(t *testing.T) {
	n := crowded(t, nil)
	n.learn(there, there) // it is no news that it is there
	n.pass(50 * time.Minute)
	n.sent = nil
	n.talk(240)
	for _, p := range items(n.sent) {
		for _, link := range p.Heard {
			if link.ID == Short(there) && link.Endless {
				return
			}
		}
	}
	t.Error("no beacon says that a neighbour talks without end")
}
