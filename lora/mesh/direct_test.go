package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// passedOn is a node that has sent a message to node far, by node third, and heard
// that one pass it on.
func passedOn(t *testing.T) (n *node, m Message, sent Packet) {
	t.Helper()
	n = newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	m = ours(1, far, time.Hour)
	n.enqueue(m)
	n.pass(time.Second)
	all := n.takeSent()
	if len(all) != 1 || all[0].Type != Routed || all[0].Next != Short(third) {
		t.Fatalf("on the air: %+v, want the message for the neighbour", all)
	}
	passed := all[0]
	passed.Tx, passed.Next, passed.TTL = Short(third), Short(far), passed.TTL-1
	n.receive(passed)
	return n, m, all[0]
}

func TestDirectAlongAWay(t *testing.T) {
	n, m, _ := passedOn(t)
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("sent %+v though the neighbour passed it on", sent)
	}
	n.receive(ackOf(m.ID, far, third))
	n.wantStates("1 sent 1", "1 relayed 1", "1 delivered 1")
	n.pass(time.Hour)
	if sent := n.takeSent(); len(sent) != 0 || n.mesh.Len() != 0 {
		t.Errorf("after delivery: %+v sent, %d messages held", sent, n.mesh.Len())
	}
}

// A neighbour that has passed a message on is asked once what became of it, since the
// last hop of an acknowledgement is repeated by nobody; then it is left in peace for
// as long as the others may need.
func TestAskAgain(t *testing.T) {
	n, m, first := passedOn(t)
	n.pass(askAfter * n.mesh.roundTrip(2, n.now) * 9 / 10)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("asked while the acknowledgement may be on its way: %+v", sent)
	}
	n.pass(30 * time.Second)
	sent := n.takeSent()
	if len(sent) == 0 || sent[0].Attempt != first.Attempt || sent[0].Next != first.Next {
		t.Fatalf("sent %+v, want the same again", sent)
	}
	confirms := ackOf(m.ID, 0, third)
	confirms.Hop = true
	n.receive(confirms)
	n.pass(90 * time.Second)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("asked once more: %+v", sent)
	}
	n.receive(ackOf(m.ID, far, third))
	n.wantStates("1 sent 1", "1 relayed 1", "1 delivered 1")
}

// Who has an acknowledgement answers a flood of its message with it, and a source
// that goes on all the more; it does not pass the message on.
func TestAckAnswersFlood(t *testing.T) {
	n := newNode(t, nil)
	p := theirs(1, far, there)
	p.Next = Anybody
	n.receive(p)
	n.pass(20 * time.Second)
	ack := ackOf(p.ID, far, third)
	ack.Next = Anybody
	n.receive(ack)
	n.pass(20 * time.Second)
	n.takeSent()
	p.Attempt = 1
	for try := range 2 {
		n.receive(p)
		n.pass(20 * time.Second)
		sent := n.takeSent()
		if len(sent) == 0 {
			t.Fatalf("try %d: no answer", try)
		}
		for _, s := range sent {
			if s.Type != Ack || s.ID != p.ID || s.Attempt != 1 {
				t.Errorf("try %d: sent %+v, want the acknowledgement", try, s)
			}
		}
	}
}

// A neighbour that does not pass on is asked again, then another one is.
func TestAlternateNeighbour(t *testing.T) {
	n := newNode(t, nil)
	const other = 0x55555555
	n.learn(third, third, here, far)
	n.learn(other, other, here, far)
	n.learn(far, third, third, other)
	n.enqueue(ours(1, far, time.Hour))
	n.pass(30 * time.Minute)
	count := make(map[uint16]int)
	for _, p := range n.takeSent() {
		count[p.Next]++
	}
	if count[Short(third)] < silentTries || count[Short(other)] < silentTries {
		t.Errorf("sent to %v, want %d times or more to either", count, silentTries)
	}
}

// A neighbour that was heard of late gets more patience than a silent one.
func TestSilentNeighbour(t *testing.T) {
	for _, talks := range []bool{false, true} {
		n := newNode(t, nil)
		n.learn(third, third, here, far)
		n.learn(far, third, third)
		n.pass(quiet + time.Second)
		n.enqueue(ours(1, far, time.Hour))
		n.takeSent()
		for range 12 {
			n.pass(20 * time.Second)
			if talks {
				n.learn(third, third, here, far)
			}
		}
		tries := 0
		for _, p := range items(n.sent) {
			if p.Type == Routed && p.Next == Short(third) {
				tries++
			}
		}
		if short := tries < hopTries-1; short == talks {
			t.Errorf("talks %v: %d tries", talks, tries)
		}
	}
}

// A relay passes a message on once for each attempt, and tells who asks again.
func TestPassOn(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here)
	n.learn(far, far, here)
	p := theirs(1, far, there)
	n.receive(p)
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Next != Short(far) || sent[0].TTL != p.TTL-1 {
		t.Fatalf("passed on %+v", sent)
	}
	n.receive(p)
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || !sent[0].Hop || sent[0].Next != Short(there) {
		t.Fatalf("asked again: %+v, want a hop acknowledged", sent)
	}
	n.receive(ackOf(p.ID, far, far))
	n.pass(2 * n.mesh.ride(false, n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Ack || sent[0].Hop || sent[0].Next != Short(there) {
		t.Fatalf("passed back %+v, want the acknowledgement", sent)
	}
	p.Attempt = 1 // the acknowledgement was lost behind us
	n.receive(p)
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Ack || sent[0].Attempt != 1 {
		t.Errorf("asked anew: %+v, want the acknowledgement again", sent)
	}
	if len(n.delivered) != 0 {
		t.Errorf("delivered %v, which is for another", n.delivered)
	}
}

func TestOneAtATimePerReceiver(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here)
	for seq := range uint32(3) {
		n.enqueue(ours(seq+1, there, time.Hour))
	}
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 {
		t.Fatalf("%d messages under way to one node, want 1", len(sent))
	}
	n.receive(ackOf(ours(1, there, 0).ID, there, there))
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].ID.Sequence != 2 {
		t.Errorf("after the acknowledgement: %+v, want message 2", sent)
	}
}

// A message for everyone whose second transmission others made needless is done.
func TestAbandonedIsDone(t *testing.T) {
	n := newNode(t, nil)
	m := ours(1, packet.Broadcast, time.Hour)
	n.enqueue(m)
	for len(n.sent) < 2 { // the second one waits for the channel
		if n.mesh.onAir != nil && len(n.sent) == 1 {
			n.do(n.mesh.Sent(n.now))
		}
		wake, ok := n.mesh.Wake()
		if !ok {
			t.Fatal("nothing to come")
		}
		n.now = wake
		n.do(n.mesh.Tick(n.now))
	}
	relayed := n.sent[0]
	relayed.Tx, relayed.TTL = Short(third), relayed.TTL-1
	n.receive(relayed)
	if n.cancelled != 1 {
		t.Fatalf("%d cancelled, want the second one", n.cancelled)
	}
	n.do(n.mesh.SendFailed(n.now))
	n.wantStates("1 sent 1", "1 sent 1")
	if n.mesh.Len() != 0 {
		t.Errorf("%d messages held", n.mesh.Len())
	}
}

// Each packet of a bundle counts as if it had come alone.
func TestBundleOfDirect(t *testing.T) {
	n, m, _ := passedOn(t)
	mine, passing := theirs(1, here, third), theirs(2, far, third)
	n.learn(far, far, here)
	n.pass(fieldAge)
	n.receive(Packet{Type: Bundle, Tx: Short(third), Inner: []Packet{mine, passing, ackOf(m.ID, far, third)}})
	n.wantStates("1 sent 1", "1 relayed 1", "1 delivered 1")
	if len(n.delivered) != 1 || n.delivered[0] != mine.ID {
		t.Errorf("delivered %v, want the message for this node", n.delivered)
	}
	n.pass(10 * time.Second)
	passed := false
	sent := n.takeSent()
	for _, p := range sent {
		passed = passed || p.Type == Routed && p.ID == passing.ID && p.Next == Short(far)
	}
	if !passed {
		t.Errorf("sent %+v, want the message for another node passed on", sent)
	}
}

// An acknowledgement with several hops to go, or on a busy channel, waits some time for a
// packet to go with; between neighbours on a calm one it goes at once.
func TestAckRides(t *testing.T) {
	for _, test := range []struct {
		name  string
		busy  bool
		relay bool // the message came by one
		also  bool // there is a message to send meanwhile
	}{
		{"calm", false, false, false},
		{"calm, by a relay", false, true, false},
		{"calm, by a relay, with company", false, true, true},
		{"busy", true, false, false},
		{"busy, with company", true, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.learn(there, there, here)
			n.learn(third, third, here)
			if test.busy {
				n.mesh.load.heard(time.Minute, n.now)
			}
			p := theirs(1, here, there)
			waits := test.busy || test.relay
			if test.relay {
				p.From, p.ID.Source = far, far
			}
			n.receive(p)
			n.do(n.mesh.Stored(p.ID, n.now))
			n.pass(1500 * time.Millisecond)
			early := len(n.takeSent())
			if early != 0 && waits || early != 1 && !waits {
				t.Fatalf("%d packets within one and a half seconds", early)
			}
			if test.also {
				n.enqueue(ours(1, third, time.Hour))
			}
			if n.pass(n.mesh.ride(!test.relay, n.now)); test.busy {
				n.pass(time.Minute / 2)
			}
			sent := n.takeSent()
			switch {
			case !waits:
			case test.also:
				if len(sent) == 0 || sent[0].Type != Bundle || len(sent[0].Inner) != 2 || sent[0].Inner[0].Type != Routed || sent[0].Inner[1].Type != Ack {
					t.Errorf("sent %+v, want message and acknowledgement in one packet", sent)
				}
				for _, p := range sent[min(1, len(sent)):] {
					if p.Type == Ack {
						t.Errorf("the acknowledgement again: %+v", p)
					}
				}
			case len(sent) != 1 || sent[0].Type != Ack:
				t.Errorf("sent %+v, want the acknowledgement", sent)
			}
		})
	}
}

// Nobody sends a message to a relay that may not pass it on.
func TestNoRelaysLeft(t *testing.T) {
	for _, test := range []struct {
		name string
		to   uint32
		ttl  uint8
		want int
	}{{"a relay", far, 1, 0}, {"a relay that may relay", far, 2, 1}, {"the receiver", third, 1, 1}} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, nil)
			n.learn(there, there, here)
			n.learn(third, third, here, far)
			n.learn(far, far, third)
			n.mesh.load.heard(time.Minute, n.now)
			n.takeSent()
			p := theirs(1, test.to, there)
			p.TTL = test.ttl
			n.receive(p)
			n.pass(time.Second)
			if ids := nexts(n.takeSent()); len(ids) != test.want {
				t.Errorf("sent to %04x, want %d", ids, test.want)
			}
		})
	}
}

// A source that cannot hear its next hop gives the acknowledgement the time that it takes
// on its way, before it sends again.
func TestWaitsForAckWhereNextHopIsNotHeard(t *testing.T) {
	n := newNode(t, nil)
	// From here over third to far, and back over there, all one way.
	n.learn(far, there, third)
	n.learn(third, there, here)
	n.learn(there, there, far)
	n.enqueue(ours(1, far, time.Hour))
	n.pass(n.mesh.roundTrip(4, n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Next != Short(third) {
		t.Fatalf("sent %+v, want the message once", sent)
	}
	n.pass(2 * n.mesh.roundTrip(4, n.now))
	if sent := n.takeSent(); len(sent) == 0 {
		t.Error("not sent again")
	}
}
