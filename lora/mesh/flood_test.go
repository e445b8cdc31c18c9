package mesh

import (
	"maps"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// Who relays: one that has listeners who probably lack the message.
func TestCoverage(t *testing.T) {
	p := theirs(1, packet.Broadcast, there)
	var crowd []uint32
	for id := range uint32(12) {
		crowd = append(crowd, 0x55550000+id)
	}
	tests := []struct {
		name  string
		teach func(*node)
		want  int
	}{
		{"nothing known", func(*node) {}, 1},
		{"listeners that lack it", func(n *node) { n.learn(third, third, here); n.learn(far, far, here) }, 1},
		{"listeners that heard it too", func(n *node) { n.learn(third, third, here, there); n.learn(far, far, here, there) }, 0},
		{"only its source listens", func(n *node) { n.learn(there, there, here) }, 0},
		{"a listener on the far side", func(n *node) { n.learn(third, third, append(crowd, here)...) }, 1},
		{"a listener in the midst of neighbours", func(n *node) {
			for _, id := range crowd {
				n.learn(id, id, append(crowd, here, there)...)
			}
			n.learn(third, third, append(crowd, here)...)
		}, 0},
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
	n.receive(pull)
	if n.slots != answerSlots {
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

// What waits for the budget is weighed once for each packet that comes, however
// many places in the queue and in bundles there are for it, and a pull that waits
// is not gathered anew for each: a thousand nodes would spend their time on that.
func TestWaitingCostsLittle(t *testing.T) {
	n := crowded(t, func(c *Config) { c.Budget = func(Transmit, time.Time) time.Duration { return time.Hour } })
	for i := range uint32(100) {
		p := theirs(i, packet.Broadcast, there)
		p.From, p.ID.Source = 5000+i, 5000+i
		n.learn(p.From, there, there) // each has a share of its own
		n.receive(p)
	}
	n.pass(5 * time.Minute) // a pull is due as well
	waiting := len(n.mesh.jobs)
	if waiting < 50 {
		t.Fatalf("%d packets wait, want most", waiting)
	}
	const heard = 20
	before := n.mesh.work
	for i := range uint32(heard) {
		n.receive(Packet{Type: Routed, ID: packet.ID{Source: there, Epoch: 9, Sequence: i}, From: there, To: far, Tx: Short(there), Next: Short(far)})
		n.now = n.now.Add(time.Second)
	}
	if weighed := n.mesh.work.weighed - before.weighed; weighed < heard || weighed > heard*(waiting+5) {
		t.Errorf("weighed %d times for %d packets while %d waited", weighed, heard, waiting)
	}
	if gathered := n.mesh.work.gathered - before.gathered; gathered > 1 {
		t.Errorf("gathered %d times for %d packets", gathered, heard)
	}
}

// The count of floods by account is that of the table, also when it overflows.
func TestFloodsAreCounted(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	for i := range uint32(3 * maxFloods) {
		p := theirs(i, packet.Broadcast, there)
		if i%3 == 0 {
			p.From, p.ID.Source = third, third
		}
		if i%7 == 0 {
			p.From, p.ID.Source = 5000+i, 5000+i
		}
		n.receive(p)
		if i%5 == 0 {
			n.mesh.StoreFailed(p.ID)
		}
	}
	counts, greedy := make(map[uint32]int), 0
	for _, f := range n.mesh.floods.order {
		counts[f.account]++
	}
	for _, count := range counts {
		if count > mostFloods {
			greedy++
		}
	}
	if got := n.mesh.floods; !maps.Equal(got.counts, counts) || got.greedy != greedy || len(got.order) > maxFloods {
		t.Errorf("counted %v, %d greedy; there are %v, %d", got.counts, got.greedy, counts, greedy)
	}
}

// What is flooded to one node is sent once by each relay, however much lies behind a
// listener that is not heard to relay it. What is for everyone is not.
func TestFloodForOneNodeOnce(t *testing.T) {
	for _, to := range []uint32{far, packet.Broadcast} {
		n := newNode(t, nil)
		n.learn(there, there, here)
		n.learn(third, there, here) // not heard itself
		for i := range uint32(4) {
			n.learn(0x55555500+i, there, third)
		}
		p := theirs(1, to, there)
		if to == far {
			p.Next = Anybody
		}
		n.receive(p)
		n.pass(3 * time.Minute)
		times := 0
		for _, p := range items(n.sent) {
			if p.ID == theirs(1, to, there).ID && !p.Repair {
				times++
			}
		}
		if once := times == 1; once != (to == far) || times == 0 {
			t.Errorf("to %x: sent %d times", to, times)
		}
	}
}
