package mesh

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lorrent/lora/packet"
)

func TestDirectIsDelivered(t *testing.T) {
	n := newNode(t, nil)
	m := ours(1, there, time.Hour)
	n.enqueue(m)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Text != "text 1" || sent[0].Type != packet.Routed {
		t.Fatalf("on the air: %+v", sent)
	}
	n.onAirDone()
	n.receive(packet.NewAck(m.ID, there))
	n.wantStates("1 sent 1", "1 delivered 1")
	n.pass(2 * time.Hour)
	if sent := n.takeSent(); len(sent) != 0 || n.mesh.Len() != 0 {
		t.Errorf("after delivery: %d packets sent, %d messages held", len(sent), n.mesh.Len())
	}
}

func TestDirectIsRepeatedWithGrowingPauses(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, 24*time.Hour))
	n.onAirDone()
	var pauses []time.Duration
	for last := n.now; len(pauses) < 14; {
		wake, ok := n.mesh.Wake()
		if !ok {
			t.Fatal("no repetition planned")
		}
		pauses = append(pauses, wake.Sub(last))
		last = wake
		n.pass(wake.Sub(n.now))
	}
	reply := n.mesh.replyTime()
	for i, pause := range pauses {
		least := min(reply<<i, 15*time.Minute)
		if pause < least || pause > least+least/2 {
			t.Errorf("pause %d is %v, want %v to half as much again", i, pause, least)
		}
	}
	if lost := n.mesh.Stats().Lost; lost != 14 {
		t.Errorf("%d lost, want 14", lost)
	}
}

func TestExpiry(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Minute))
	n.onAirDone()
	n.pass(59 * time.Second)
	attempts := n.states[len(n.states)-1].Attempts
	n.states = nil
	n.pass(2 * time.Second)
	if len(n.states) != 1 || n.states[0].State != Expired || !n.states[0].Done || n.states[0].Attempts != attempts {
		t.Errorf("after its time: %+v, want expired after %d attempts", n.states, attempts)
	}
	n.takeSent()
	n.pass(time.Hour)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("still sent: %+v", sent)
	}
}

// Messages expire while the radio is away, too, and nothing is transmitted.
func TestDown(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Hour))
	n.takeSent()
	n.mesh.Down()
	n.enqueue(ours(2, there, time.Minute))
	n.pass(2 * time.Minute)
	n.wantStates("2 expired 0")
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("sent without a radio: %+v", sent)
	}
	n.do(n.mesh.Up(n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].ID.Sequence != 1 {
		t.Errorf("sent with the radio back: %+v, want message 1", sent)
	}
}

func TestAckMeansStored(t *testing.T) {
	n := newNode(t, nil)
	p := theirs(1, here)
	n.receive(p)
	n.receive(p) // while it is being stored
	n.pass(time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("acknowledged before it was stored: %+v", sent)
	}
	n.do(n.mesh.Stored(p.ID, n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0] != packet.NewAck(p.ID, here) {
		t.Fatalf("after the store: %+v, want an acknowledgement", sent)
	}
	n.onAirDone()
	n.receive(p) // the acknowledgement was lost
	if sent := n.takeSent(); len(sent) != 1 || sent[0] != packet.NewAck(p.ID, here) {
		t.Errorf("after the repetition: %+v, want an acknowledgement", sent)
	}
	if len(n.delivered) != 1 || n.mesh.Stats().Duplicates != 2 {
		t.Errorf("delivered %q with %d duplicates, want once with 2", n.delivered, n.mesh.Stats().Duplicates)
	}
}

func TestStoreFailed(t *testing.T) {
	n := newNode(t, nil)
	p := theirs(1, here)
	n.receive(p)
	n.mesh.StoreFailed(p.ID)
	n.receive(p)
	if len(n.delivered) != 2 || len(n.takeSent()) != 0 {
		t.Errorf("delivered %q, want a second try and no acknowledgement", n.delivered)
	}
}

func TestBroadcast(t *testing.T) {
	n := newNode(t, func(c *Config) { c.Broadcasts = 3 })
	n.enqueue(ours(1, packet.Broadcast, time.Hour))
	n.onAirDone()
	n.pass(10 * time.Minute)
	if sent := n.takeSent(); len(sent) != 3 || sent[0].Type != packet.Flood || sent[2] != sent[0] {
		t.Errorf("sent %+v, want the same flood three times", sent)
	}
	n.wantStates("1 sent 1", "1 sent 2", "1 sent 3")
	if last := n.states[len(n.states)-1]; !last.Done || n.mesh.Len() != 0 {
		t.Errorf("last state %+v with %d messages held, want done", last, n.mesh.Len())
	}
}

func TestBroadcastHeardTwiceIsOneMessage(t *testing.T) {
	n := newNode(t, nil)
	p := theirs(1, packet.Broadcast)
	n.receive(p)
	n.do(n.mesh.Stored(p.ID, n.now))
	n.receive(p)
	if len(n.delivered) != 1 || len(n.takeSent()) != 0 {
		t.Errorf("delivered %q, want one, and no acknowledgement", n.delivered)
	}
}

func TestNotForUs(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Hour))
	n.onAirDone()
	n.takeSent()
	n.states = nil
	const other = 0x33333333
	tests := []struct {
		name string
		p    packet.Packet
	}{
		{"a text for another", theirs(1, other)},
		{"an acknowledgement for another", packet.NewAck(packet.ID{Source: other, Epoch: 7, Sequence: 1}, there)},
		{"an acknowledgement by another", packet.NewAck(ours(1, there, 0).ID, other)},
		{"an acknowledgement of another epoch", packet.NewAck(packet.ID{Source: here, Epoch: 8, Sequence: 1}, there)},
		{"our own address", packet.NewText(packet.ID{Source: here, Epoch: 1, Sequence: 1}, packet.Broadcast, "me")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n.receive(test.p)
			if len(n.delivered) != 0 || len(n.takeSent()) != 0 || len(n.states) != 0 {
				t.Errorf("delivered %q, states %+v: want nothing", n.delivered, n.states)
			}
		})
	}
	for _, known := range n.mesh.Nodes() {
		if known.ID == here {
			t.Error("we are in our own node table")
		}
	}
}

func TestPriorities(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, 0x33333333, time.Hour)) // on the air meanwhile
	n.enqueue(ours(2, packet.Broadcast, time.Hour))
	n.enqueue(ours(3, there, time.Hour))
	p := theirs(1, here)
	n.receive(p)
	n.do(n.mesh.Stored(p.ID, n.now))
	for range 4 {
		n.onAirDone()
	}
	var types []packet.Type
	for _, p := range n.takeSent() {
		types = append(types, p.Type)
	}
	want := []packet.Type{packet.Routed, packet.Ack, packet.Routed, packet.Flood}
	for i := range want {
		if i >= len(types) || types[i] != want[i] {
			t.Fatalf("on the air: types %v, want %v", types, want)
		}
	}
}

func TestOneAtATimePerReceiver(t *testing.T) {
	n := newNode(t, nil)
	for seq := range uint32(3) {
		n.enqueue(ours(seq+1, there, time.Hour))
	}
	n.onAirDone()
	if sent := n.takeSent(); len(sent) != 1 {
		t.Fatalf("%d texts under way to one node, want 1", len(sent))
	}
	n.receive(packet.NewAck(ours(1, there, 0).ID, there))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].ID.Sequence != 2 {
		t.Errorf("after the acknowledgement: %+v, want message 2", sent)
	}
}

func TestAckOvertakesSent(t *testing.T) {
	n := newNode(t, nil)
	m := ours(1, there, time.Hour)
	n.enqueue(m)
	n.receive(packet.NewAck(m.ID, there))
	n.onAirDone()
	n.wantStates("1 delivered 1")
	n.pass(time.Hour)
	if len(n.sent) != 1 {
		t.Errorf("%d packets sent, want 1", len(n.sent))
	}
}

func TestSendFailedIsNoAttempt(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Hour))
	n.do(n.mesh.SendFailed(n.now))
	n.wantStates()
	n.pass(10 * time.Second)
	if len(n.sent) < 2 || len(n.states) == 0 || n.states[0].Attempts != 1 {
		t.Errorf("%d packets, states %+v: want another try that counts as the first", len(n.sent), n.states)
	}
}

// A node that comes back does not wait for the end of a long pause.
func TestReviveOnHearing(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, 24*time.Hour))
	n.onAirDone()
	n.pass(3 * time.Hour)
	wake, _ := n.mesh.Wake()
	for wake.Sub(n.now) < 5*time.Minute {
		n.pass(wake.Sub(n.now))
		n.pass(30 * time.Second)
		wake, _ = n.mesh.Wake()
	}
	n.takeSent()
	n.receive(theirs(1, packet.Broadcast))
	n.pass(n.mesh.replyTime())
	if sent := n.takeSent(); len(sent) != 1 {
		t.Fatalf("%d packets to a node heard again, want 1", len(sent))
	}
	// But its chatter does not make us chatter.
	for seq := range uint32(20) {
		n.receive(theirs(seq+2, packet.Broadcast))
	}
	n.pass(n.mesh.replyTime())
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("%d packets in answer to chatter, want 0", len(sent))
	}
}

func TestBudget(t *testing.T) {
	allowed := time.Unix(1_000_000, 0).Add(time.Hour)
	n := newNode(t, func(c *Config) {
		c.Budget = func(_ time.Duration, p Priority, now time.Time) time.Duration {
			if p == PriorityAck {
				return 0
			}
			return max(allowed.Sub(now), 0)
		}
	})
	n.enqueue(ours(1, there, 2*time.Hour))
	p := theirs(1, here)
	n.receive(p)
	n.do(n.mesh.Stored(p.ID, n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != packet.Ack {
		t.Fatalf("sent %+v, want the acknowledgement alone", sent)
	}
	n.onAirDone()
	n.pass(59 * time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("sent %+v over the budget", sent)
	}
	n.pass(2 * time.Minute)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].Text != "text 1" {
		t.Errorf("sent %+v with budget again, want the message", sent)
	}
}

func TestBounds(t *testing.T) {
	t.Run("messages", func(t *testing.T) {
		n := newNode(t, func(c *Config) { c.MaxMessages = 3 })
		for seq := range uint32(3) {
			n.enqueue(ours(seq+1, there, time.Hour))
		}
		if _, err := n.mesh.Enqueue(ours(4, there, time.Hour), n.now); !errors.Is(err, ErrFull) {
			t.Errorf("fourth of three: %v, want ErrFull", err)
		}
		if _, err := n.mesh.Enqueue(ours(3, there, time.Hour), n.now); !errors.Is(err, ErrDuplicate) {
			t.Errorf("the same again: %v, want ErrDuplicate", err)
		}
	})
	t.Run("invalid", func(t *testing.T) {
		n := newNode(t, nil)
		m := ours(1, there, time.Hour)
		m.Text = strings.Repeat("a", packet.MaxText+1)
		if _, err := n.mesh.Enqueue(m, n.now); !errors.Is(err, packet.ErrInvalid) || n.mesh.Len() != 0 {
			t.Errorf("long text: %v with %d held, want ErrInvalid and none", err, n.mesh.Len())
		}
	})
	t.Run("a flooder with fresh ids and addresses", func(t *testing.T) {
		n := newNode(t, nil)
		n.enqueue(ours(1, 0x33333333, time.Hour)) // keeps the air taken
		for i := range uint32(5000) {
			p := packet.NewText(packet.ID{Source: 0x44000000 + i, Sequence: i}, here, "spam")
			n.now = n.now.Add(time.Millisecond)
			n.receive(p)
			n.do(n.mesh.Stored(p.ID, n.now))
		}
		if acks, seen, nodes := len(n.mesh.acks), len(n.mesh.seen.entries), len(n.mesh.Nodes()); acks > maxAcks || seen > maxSeen || nodes != maxNodes {
			t.Errorf("held: %d acknowledgements, %d ids, %d nodes", acks, seen, nodes)
		}
		if latest := n.mesh.Nodes()[0].ID; latest != 0x44000000+4999 {
			t.Errorf("latest node is %08x", latest)
		}
	})
}

func TestNodeTable(t *testing.T) {
	n := newNode(t, nil)
	n.do(n.mesh.Receive(theirs(1, packet.Broadcast), -90, 3, n.now))
	n.now = n.now.Add(time.Second)
	n.do(n.mesh.Receive(theirs(1, packet.Broadcast), -95, -2, n.now))
	want := Node{ID: there, LastHeard: n.now, RSSIdBm: -95, SNRdB: -2, Packets: 2}
	if got := n.mesh.Nodes(); len(got) != 1 || got[0] != want {
		t.Errorf("nodes %+v, want %+v", got, want)
	}
}

// The window forgets in order of arrival, also around a slot that was freed.
func TestWindow(t *testing.T) {
	w := newWindow(3)
	id := func(n uint32) packet.ID { return packet.ID{Source: there, Sequence: n} }
	for n := range uint32(3) {
		if !w.add(id(n), true) {
			t.Fatalf("id %d is not new", n)
		}
	}
	w.forget(id(1))
	if !w.add(id(1), true) { // takes the slot of 0
		t.Error("a forgotten id is not new")
	}
	w.add(id(3), true) // takes the freed slot
	for n, want := range []bool{false, true, true, true} {
		if _, known := w.entries[id(uint32(n))]; known != want {
			t.Errorf("id %d known: %v, want %v", n, known, want)
		}
	}
}
