package mesh

import (
	"errors"
	"testing"
	"time"

	"lorrent/lora/packet"
)

func TestAckMeansStored(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here)
	p := theirs(1, here, there)
	n.receive(p)
	n.receive(p) // while it is being stored
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("acknowledged before it was stored: %+v", sent)
	}
	n.do(n.mesh.Stored(p.ID, n.now))
	n.pass(10 * time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || sent[0].Type != Ack || sent[0].ID != p.ID || sent[0].Next != Short(there) || sent[0].Hop {
		t.Fatalf("after the store: %+v, want an acknowledgement", sent)
	}
	p.Attempt = 1 // the acknowledgement was lost
	n.receive(p)
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Ack || sent[0].Attempt != 1 {
		t.Errorf("after the repetition: %+v, want an acknowledgement of attempt 1", sent)
	}
	if len(n.delivered) != 1 {
		t.Errorf("delivered %v, want it once", n.delivered)
	}
}

func TestStoreFailed(t *testing.T) {
	for _, to := range []uint32{here, packet.Broadcast} {
		n := newNode(t, nil)
		p := theirs(1, to, there)
		n.receive(p)
		n.mesh.StoreFailed(p.ID)
		n.receive(p)
		if len(n.delivered) != 2 {
			t.Errorf("to %08x: delivered %v, want a second try", to, n.delivered)
		}
	}
}

func TestDirectAlongAWay(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	m := ours(1, far, time.Hour)
	n.enqueue(m)
	n.pass(time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || sent[0].Type != Routed || sent[0].Next != Short(third) {
		t.Fatalf("on the air: %+v, want the message for the neighbour", sent)
	}
	passed := sent[0]
	passed.Tx, passed.Next, passed.TTL = Short(third), Short(far), sent[0].TTL-1
	n.receive(passed)
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

// A neighbour that has passed a message on is asked what became of it, since the
// last hop of an acknowledgement is repeated by nobody; then it is left in peace for
// as long as the others may need.
func TestAskAgain(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	m := ours(1, far, time.Hour)
	n.enqueue(m)
	n.pass(time.Second)
	first := n.takeSent()[0]
	passed := first
	passed.Tx, passed.Next, passed.TTL = Short(third), Short(far), first.TTL-1
	confirms := ackOf(m.ID, 0, third)
	confirms.Hop = true
	n.receive(passed)
	for range mostAsked {
		n.pass(90 * time.Second)
		sent := n.takeSent()
		if len(sent) == 0 || sent[0].Attempt != first.Attempt || sent[0].Next != first.Next {
			t.Fatalf("sent %+v, want the same again", sent)
		}
		n.receive(confirms)
	}
	n.pass(90 * time.Second)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("asked once more: %+v", sent)
	}
	n.receive(ackOf(m.ID, far, third))
	n.wantStates("1 sent 1", "1 relayed 1", "1 delivered 1")
}

// What is flooded, nobody repeats: its source does so soon.
func TestFloodedSoonAgain(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, far, time.Hour))
	n.pass(3 * time.Minute)
	attempts := make(map[uint8]bool)
	for _, p := range n.takeSent() {
		attempts[p.Attempt] = true
	}
	if len(attempts) < 2 {
		t.Errorf("attempts %v within three minutes", attempts)
	}
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
		for _, p := range n.sent {
			if p.Type == Routed && p.Next == Short(third) {
				tries++
			}
		}
		if short := tries < hopTries-1; short == talks {
			t.Errorf("talks %v: %d tries", talks, tries)
		}
	}
}

func TestUnknownWayFloods(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, far, time.Hour))
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Routed || sent[0].Next != Anybody || sent[0].TTL != unknownHops {
		t.Errorf("sent %+v, want a flood", sent)
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
	n.pass(time.Second)
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

// Who relays: one that has listeners who probably lack the message.
func TestCoverage(t *testing.T) {
	p := theirs(1, packet.Broadcast, there)
	tests := []struct {
		name  string
		teach func(*node)
		want  int
	}{
		{"nothing known", func(*node) {}, 1},
		{"listeners that lack it", func(n *node) { n.learn(third, third, here); n.learn(far, far, here) }, 1},
		{"listeners that heard it too", func(n *node) { n.learn(third, third, here, there); n.learn(far, far, here, there) }, 0},
		{"only its source listens", func(n *node) { n.learn(there, there, here) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Tuning.NoRepair = true })
			test.teach(n)
			n.receive(p)
			n.pass(20 * time.Second)
			if sent := n.takeSent(); len(sent) != test.want {
				t.Errorf("relayed %+v, want %d", sent, test.want)
			}
		})
	}
	t.Run("enough copies where nothing is known", func(t *testing.T) {
		n := newNode(t, func(c *Config) { c.Tuning.NoRepair = true })
		for _, by := range []uint32{there, third, far} {
			q := p
			q.Tx = Short(by)
			n.receive(q)
		}
		n.pass(20 * time.Second)
		if sent := n.takeSent(); len(sent) != 0 {
			t.Errorf("relayed %+v", sent)
		}
	})
	t.Run("taken back while it waits for the channel", func(t *testing.T) {
		n := newNode(t, func(c *Config) { c.Tuning.NoRepair = true })
		n.learn(third, third, here)
		n.receive(p)
		for n.mesh.onAir == nil {
			wake, _ := n.mesh.Wake()
			n.now = wake
			n.do(n.mesh.Tick(n.now))
		}
		q := p
		q.Tx = Short(third)
		n.receive(q)
		if n.cancelled != 1 {
			t.Fatalf("%d cancelled, want 1", n.cancelled)
		}
		n.do(n.mesh.SendFailed(n.now))
		n.sent = nil
		n.pass(time.Minute)
		if sent := n.takeSent(); len(sent) != 0 {
			t.Errorf("relayed %+v all the same", sent)
		}
	})
}

func TestBroadcastIsRepeatedUntilRelayed(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, packet.Broadcast, time.Hour))
	n.pass(5 * time.Minute)
	if sent := n.takeSent(); len(sent) != originTries {
		t.Errorf("sent %d times, want %d", len(sent), originTries)
	}
	n.wantStates("1 sent 1", "1 sent 2", "1 sent 3")
	n.states = nil
	n.enqueue(ours(2, packet.Broadcast, time.Hour))
	n.pass(time.Second)
	sent := n.takeSent()
	relay := sent[0]
	relay.Tx, relay.TTL = Short(third), relay.TTL-1
	n.receive(relay)
	n.pass(5 * time.Minute)
	if again := n.takeSent(); len(sent) != 1 || len(again) != 0 {
		t.Errorf("sent %d times, and %d times more", len(sent), len(again))
	}
	if last := n.states[len(n.states)-1]; !last.Done || last.Attempts != 1 || n.mesh.Len() != 0 {
		t.Errorf("last state %+v, %d held", last, n.mesh.Len())
	}
}

// A neighbour that asks gets what it lacks and no more.
func TestRepair(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	lacks, has := theirs(1, packet.Broadcast, there), theirs(2, packet.Broadcast, there)
	lacks.TTL, has.TTL = 0, 0
	n.receive(lacks)
	n.receive(has)
	n.pass(3 * time.Minute)
	n.takeSent()
	filter := newFilter(1, 7)
	filter.add(has.ID)
	pull := Packet{Type: Pull, From: third, Tx: Short(third), Next: Short(here), Have: filter}
	answer := false
	for _, a := range n.mesh.Receive(pull, -80, 7, n.now) {
		if tr, ok := a.(Transmit); ok {
			answer = tr.Answer
		}
		n.do([]Action{a})
	}
	if !answer {
		t.Error("the transmission is not said to be an answer")
	}
	n.pass(time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || sent[0].Type != Bundle || len(sent[0].Inner) != 1 || sent[0].Inner[0].ID != lacks.ID || !sent[0].Inner[0].Repair {
		t.Errorf("sent %+v, want message %v", sent, lacks.ID)
	}
}

// A filter that finds a message by mistake costs the repair of one pull only: the
// next one has another salt.
func TestRepairAfterMistake(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	lacks := theirs(1, packet.Broadcast, there)
	lacks.TTL = 0
	n.receive(lacks)
	n.pass(2 * time.Minute)
	n.takeSent()
	pull := Packet{Type: Pull, From: third, Tx: Short(third), Next: Short(here), Have: newFilter(1, 7)}
	pull.Have.add(lacks.ID) // as if by mistake
	n.receive(pull)
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("sent %+v to who has it", sent)
	}
	pull.Have = newFilter(1, 8)
	n.receive(pull)
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Bundle || sent[0].Inner[0].ID != lacks.ID {
		t.Errorf("sent %+v, want message %v", sent, lacks.ID)
	}
}

func TestExpiry(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Minute))
	n.mesh.Down()
	n.enqueue(ours(2, there, 2*time.Minute))
	n.pass(3 * time.Minute)
	n.wantStates("1 expired 0", "2 expired 0")
	if n.mesh.Len() != 0 {
		t.Errorf("%d held", n.mesh.Len())
	}
	n.takeSent()
	n.do(n.mesh.Up(n.now))
	n.pass(10 * time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("sent %+v", sent)
	}
}

// A radio that goes away takes nothing with it.
func TestDown(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, there, time.Hour))
	n.takeSent()
	n.mesh.Down()
	n.pass(time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Fatalf("sent without a radio: %+v", sent)
	}
	n.do(n.mesh.Up(n.now))
	if sent := n.takeSent(); len(sent) != 1 || sent[0].ID.Sequence != 1 {
		t.Errorf("sent with the radio back: %+v, want message 1", sent)
	}
}

func TestForgedAck(t *testing.T) {
	n := newNode(t, nil)
	m := ours(1, far, time.Hour)
	n.enqueue(m)
	n.pass(time.Second)
	n.states = nil
	for _, p := range []Packet{
		ackOf(m.ID, third, third),
		ackOf(packet.ID{Source: here, Epoch: 8, Sequence: 1}, far, far),
		{Type: Ack, Hop: true, ID: m.ID, From: far, To: here, Tx: Short(far), Next: Short(here)},
	} {
		n.receive(p)
	}
	for _, s := range n.states {
		if s.State == Delivered {
			t.Errorf("%+v", s)
		}
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

func TestBudget(t *testing.T) {
	allowed := epoch.Add(time.Hour)
	n := newNode(t, func(c *Config) {
		c.Budget = func(tr Transmit, now time.Time) time.Duration {
			if tr.Priority == PriorityAck {
				return 0
			}
			return max(allowed.Sub(now), 0)
		}
	})
	n.learn(there, there, here)
	n.enqueue(ours(1, there, 2*time.Hour))
	p := theirs(1, here, there)
	n.receive(p)
	n.do(n.mesh.Stored(p.ID, n.now))
	n.pass(59 * time.Minute)
	if len(n.sent) != 1 || n.sent[0].Type != Ack {
		t.Fatalf("sent %+v, want the acknowledgement alone", n.sent)
	}
	n.sent = nil
	n.pass(2 * time.Minute)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].ID.Sequence != 1 || sent[0].Type != Routed {
		t.Errorf("sent %+v with budget again, want the message", sent)
	}
}

func TestEnqueueRefuses(t *testing.T) {
	n := newNode(t, func(c *Config) { c.MaxMessages = 3 })
	long := ours(9, there, time.Hour)
	long.Payload = make([]byte, MaxPayload+1)
	if _, err := n.mesh.Enqueue(long, n.now); !errors.Is(err, ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
	for seq := range uint32(3) {
		n.enqueue(ours(seq+1, there, time.Hour))
	}
	if _, err := n.mesh.Enqueue(ours(3, there, time.Hour), n.now); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same again: %v", err)
	}
	if _, err := n.mesh.Enqueue(ours(4, there, time.Hour), n.now); !errors.Is(err, ErrFull) {
		t.Errorf("fourth of three: %v", err)
	}
}

// Whatever comes with fresh ids and addresses, tables stay bounded, and the
// flood of one source does not push out what others sent.
func TestFlooderIsBounded(t *testing.T) {
	n := newNode(t, nil)
	n.learn(far, far, here)
	honest := theirs(1, packet.Broadcast, there)
	honest.From, honest.ID.Source = far, far
	n.receive(honest)
	for i := range uint32(5000) {
		n.now = n.now.Add(100 * time.Millisecond)
		n.receive(theirs(i, packet.Broadcast, there))
		q := theirs(i, here, third)
		q.From, q.ID.Source = 0x60000000+i, 0x60000000+i
		n.receive(q)
		n.do(n.mesh.Stored(q.ID, n.now))
		q.To, q.ID.Sequence = 0x70000000+i, 1<<20
		n.receive(q)
		if i%50 == 0 {
			n.pass(0)
		}
	}
	m := n.mesh
	if m.floods.all[m.keyOf(&honest)] == nil {
		t.Error("an honest message was forgotten")
	}
	sizes := map[string][2]int{
		"jobs": {len(m.jobs), maxJobs}, "floods": {len(m.floods.order), maxFloods}, "forwards": {len(m.forwards.all), maxForwards},
		"waiting": {len(m.forwards.waiting), maxForwards}, "seen": {len(m.seen.entries), maxSeen}, "nodes": {len(m.Nodes()), maxNodes},
		"neighbours": {len(m.links.heard), maxNeighbours}, "lists": {len(m.links.lists), maxLists}, "checks": {len(m.floods.checks), maxFloods},
	}
	for name, s := range sizes {
		if s[0] > s[1] {
			t.Errorf("%d %s held, at most %d", s[0], name, s[1])
		}
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
