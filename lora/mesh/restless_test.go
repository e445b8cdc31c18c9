package mesh

import (
	"slices"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// heardFor lets a table hear neighbours once a minute, each as strong in dB above the
// floor as its margin says.
func heardFor(t *linkTable, from, to time.Duration, margins map[uint16]func(minute int) float64) {
	for at := from; at < to; at += time.Minute {
		for _, id := range []uint16{2, 3, 4} {
			if margin := margins[id]; margin != nil {
				t.hear(id, margin(int((at-from)/time.Minute))+t.floor, epoch.Add(at))
			}
		}
	}
}

func TestRestless(t *testing.T) {
	steady := func(int) float64 { return 20 }
	fades := func(minute int) float64 { return 20 + 6*float64(minute%2) - 3 }
	leaves := func(minute int) float64 { return max(20-2*float64(minute), 0) }
	table := newLinkTable(1, -17.5)
	heardFor(&table, 0, 15*time.Minute, map[uint16]func(int) float64{2: steady, 3: fades})
	want := func(what string, at time.Duration, restless ...uint16) {
		t.Helper()
		var got []uint16
		for _, link := range table.beacon(epoch.Add(at)) {
			if link.Restless {
				got = append(got, link.ID)
			}
		}
		if slices.Sort(got); !slices.Equal(got, restless) {
			t.Errorf("%s: %v are restless, want %v", what, got, restless)
		}
	}
	want("all from the start", 15*time.Minute)
	heardFor(&table, 15*time.Minute, 30*time.Minute, map[uint16]func(int) float64{2: leaves, 3: fades, 4: steady})
	want("one leaves, one is new", 30*time.Minute, 2, 4)
	heardFor(&table, 30*time.Minute, 36*time.Minute, map[uint16]func(int) float64{2: func(int) float64 { return 0 }, 3: fades, 4: steady})
	want("the new one has stayed", 36*time.Minute, 2)
	heardFor(&table, 36*time.Minute, 150*time.Minute, map[uint16]func(int) float64{2: func(int) float64 { return 0 }, 3: fades, 4: steady})
	want("all stay", 150*time.Minute)
}

// What moves is avoided by ways up to five hops longer, and taken when there is no other.
func TestWaysAvoidWhatMoves(t *testing.T) {
	graph := map[uint16][]uint16{1: {2, 3}, 2: {1, 4}, 3: {1, 5}, 5: {3, 4}, 4: {2, 5}}
	table := chart(1, graph)
	if got, ok := table.way(4, past{}, epoch); !ok || got != (step{2, 2}) {
		t.Errorf("where all stand still by way of %+v, want 2", got)
	}
	for i := range table.lists[4].hears {
		link := &table.lists[4].hears[i]
		link.Restless = link.ID == 2
	}
	table.out, table.fields = nil, nil
	if got, ok := table.way(4, past{}, epoch); !ok || got != (step{3, 3}) {
		t.Errorf("by way of %+v, want 3", got)
	}
	if got, ok := table.way(4, past{tried: []uint16{3}}, epoch); ok {
		t.Errorf("by way of %+v, which is farther than here", got)
	}
	table.lists[5].hears = table.lists[5].hears[:0]
	table.lists[3].hears = table.lists[3].hears[:0]
	table.lists[4].hears = table.lists[4].hears[:1]
	table.out, table.fields = nil, nil
	if got, ok := table.way(4, past{}, epoch); !ok || got.first != 2 {
		t.Errorf("by way of %+v, want 2, as there is no other", got)
	}
}

// relay is a node with two neighbours by which node far can be reached.
func relay(t *testing.T) *node {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(there, there, here)
	n.learn(0x55555555, 0x55555555, here, far)
	n.learn(far, third, third, 0x55555555)
	n.pass(time.Second)
	n.takeSent()
	return n
}

// sends is the first packet of a new message of the node.
func (n *node) sends(id uint32) Packet {
	n.t.Helper()
	n.enqueue(ours(id, far, time.Hour))
	n.pass(time.Second)
	return n.takeSent()[0]
}

// nexts are the neighbours to whom messages were sent.
func nexts(sent []Packet) (ids []uint16) {
	for _, p := range sent {
		if p.Type == Routed && !slices.Contains(ids, p.Next) {
			ids = append(ids, p.Next)
		}
	}
	return ids
}

// A later attempt goes another way than the one before, of which a relay has not seen
// the acknowledgement.
func TestAttemptsTakeTurns(t *testing.T) {
	n := relay(t)
	taken := make(map[uint16]bool)
	for attempt := range uint8(2) {
		p := theirs(1, far, there)
		p.Attempt, p.TTL = attempt, 7
		n.receive(p)
		n.pass(time.Second)
		ids := nexts(n.takeSent())
		if len(ids) != 1 {
			t.Fatalf("attempt %d goes to %04x, want one neighbour", attempt, ids)
		}
		passed := p
		passed.Tx, passed.Next, passed.TTL = ids[0], Short(far), p.TTL-2
		n.receive(passed)
		taken[ids[0]] = true
	}
	if len(taken) != 2 {
		t.Errorf("both attempts took %v", taken)
	}
}

// A message is not sent back to its source, even when nothing else is left.
func TestNeverBackToTheSource(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here, far)
	n.learn(third, third, here)
	n.learn(far, there, there)
	p := theirs(1, far, third)
	p.TTL = 7
	n.receive(p)
	n.pass(time.Minute)
	if ids := nexts(n.takeSent()); slices.Contains(ids, Short(there)) {
		t.Errorf("sent to %04x, among them its source", ids)
	}
}

// A message that comes back to its source goes another way, and who brought it back
// is told when there is no other.
func TestComesBackToItsSource(t *testing.T) {
	n := relay(t)
	first := n.sends(1)
	back := first
	back.Tx, back.Next, back.TTL = first.Next, Short(here), first.TTL-1
	n.receive(back)
	n.pass(time.Second)
	ids := nexts(n.takeSent())
	if len(ids) != 1 || ids[0] == first.Next {
		t.Fatalf("goes to %04x after %04x sent it back", ids, first.Next)
	}
	n.receive(ackOf(first.ID, far, third))
	n.wantStates("1 sent 1", "1 delivered 1")
	n.takeSent()
	n.receive(back)
	n.pass(time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Ack || !sent[0].Hop || sent[0].Next != back.Tx {
		t.Errorf("sent %+v, want word that it has arrived", sent)
	}
}

// However often somebody brings a message back, its source does not go on.
func TestComesBackForEver(t *testing.T) {
	n := relay(t)
	back := n.sends(1)
	count := 0
	for liar := range uint16(100) {
		back.Tx, back.Next, back.TTL = 1000+liar, Short(here), 200
		n.receive(back)
		n.pass(100 * time.Millisecond)
		for _, p := range n.takeSent() {
			if p.Type == Routed {
				count++
			}
		}
	}
	if f := n.mesh.forwards.all[floodKey{kind: Routed, id: back.ID}]; f == nil || len(f.tried) > maxReturns+2 || count > maxReturns+2 {
		t.Errorf("%d more copies, %+v", count, f)
	}
}

// A neighbour that moves is not tried for as long as one that stays.
func TestFleetingNeighbour(t *testing.T) {
	tries := func(restless bool) (count int) {
		n := relay(t)
		n.enqueue(ours(1, far, time.Hour))
		n.pass(time.Second)
		first := n.takeSent()[0]
		if restless {
			n.mesh.links.heard[first.Next].steady.drift = 20
		}
		for range 120 {
			n.pass(time.Second)
			for _, p := range n.takeSent() {
				if p.Type == Routed && p.Next == first.Next && p.Attempt == first.Attempt {
					count++
				}
			}
			for id := range n.mesh.links.heard { // others are heard all the time
				if id != first.Next {
					n.mesh.links.hear(id, 7, n.now)
				}
			}
		}
		return count + 1
	}
	if stays, moves := tries(false), tries(true); moves > silentTries+1 || stays <= moves {
		t.Errorf("%d tries at a neighbour that stays, %d at one that moves", stays, moves)
	}
}

// A copy over a link that may not last brings its listener nothing, while the channel is
// calm; nor is there anything to bring to a restless neighbour that is not heard any more.
func TestCopiesOverRestlessLinks(t *testing.T) {
	p := theirs(1, packet.Broadcast, there)
	tests := []struct {
		name     string
		restless bool
		load     time.Duration // heard just before
		want     int
	}{
		{"links that last", false, 0, 0},
		{"restless links", true, 0, 1},
		{"restless links, but no room", true, time.Minute, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Tuning.NoRepair = true })
			n.learn(third, third, here, there)
			n.learn(far, far, here, there)
			for _, list := range n.mesh.links.lists {
				for i := range list.hears {
					list.hears[i].Restless = test.restless
				}
			}
			n.mesh.load.heard(test.load, n.now)
			n.receive(p)
			n.pass(20 * time.Second)
			if sent := n.takeSent(); len(sent) != test.want {
				t.Errorf("relayed %+v, want %d", sent, test.want)
			}
		})
	}
}

func TestNothingForWhoHasLeft(t *testing.T) {
	for _, test := range []struct {
		name  string
		drift float64
		want  int
	}{{"stands still", 0, 1}, {"moves", mostDrift + 1, 0}} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Tuning.NoRepair = true })
			n.learn(there, there, here)
			n.learn(third, third, here)
			n.mesh.links.heard[Short(third)].steady.drift = test.drift
			n.pass(quiet + time.Second)
			n.takeSent()
			n.receive(theirs(1, packet.Broadcast, there))
			n.pass(20 * time.Second)
			sent := slices.DeleteFunc(n.takeSent(), func(p Packet) bool { return p.Type != Flood })
			if len(sent) != test.want {
				t.Errorf("relayed %+v, want %d", sent, test.want)
			}
		})
	}
}
