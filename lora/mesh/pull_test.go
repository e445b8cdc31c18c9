package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// pulls passes time among neighbours that say nothing but beacons, and counts how
// often the node asks.
func (n *node) pulls(d time.Duration) (count int) {
	n.t.Helper()
	n.sent = nil
	for end := n.now.Add(d); n.now.Before(end); {
		n.learn(third, third, here)
		n.pass(min(10*time.Minute, end.Sub(n.now)))
	}
	for _, times := range n.asked() {
		count += times
	}
	return count
}

// Where nobody writes to everyone there is little to ask for: nodes do it ever more
// rarely, until one of them hears that somebody has written.
func TestPullsInCalm(t *testing.T) {
	filter := newFilter(1, 7)
	filter.add(packet.ID{Source: far, Epoch: 1, Sequence: 1})
	for name, news := range map[string]Packet{
		"message":           theirs(1, packet.Broadcast, third),
		"what a node has":   {Type: Pull, From: third, Tx: Short(third), Next: Short(far), Have: filter},
		"nothing in a pull": {Type: Pull, From: third, Tx: Short(third), Next: Short(far), Have: newFilter(0, 7)},
	} {
		n := newNode(t, nil)
		n.pulls(2 * time.Hour)
		if got := n.pulls(3 * time.Hour); got < 2 || got > 12 {
			t.Errorf("asked %d times in three calm hours", got)
		}
		n.receive(news)
		soon, want := n.mesh.pulls.pause <= n.mesh.tuning.PullMost, name != "nothing in a pull"
		if soon != want || want && n.mesh.pulls.next.Sub(n.now) > 6*time.Minute {
			t.Errorf("%s: asks in %v", name, n.mesh.pulls.next.Sub(n.now))
		}
	}
}

// Who is asked answers, also where the beacon of the asker does not name it: what the
// asker heard when it made that was perhaps little else than one node. Others
// answer only who hears them.
func TestPullsAreAnsweredByWhoIsAsked(t *testing.T) {
	for next, want := range map[uint32]int{here: 1, there: 0} {
		n := newNode(t, nil)
		n.learn(third, third, there)
		lacks := theirs(1, packet.Broadcast, far)
		lacks.From, lacks.ID.Source, lacks.TTL = far, far, 0
		n.receive(lacks)
		n.pass(2 * time.Minute)
		n.takeSent()
		n.receive(Packet{Type: Pull, From: third, Tx: Short(third), Next: Short(next), Have: newFilter(1, 7)})
		n.pass(2 * time.Minute)
		if sent := n.takeSent(); len(sent) != want {
			t.Errorf("node %x asked: sent %+v, want %d packets", next, sent, want)
		}
	}
}

// ask is a question by third to a node, of one that has nothing.
func ask(next uint32) Packet {
	return Packet{Type: Pull, From: third, Tx: Short(third), Next: Short(next), Have: newFilter(0, 7)}
}

// having is a node with a message to answer with, which third hears.
func having(t *testing.T) (*node, Packet) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	p := theirs(1, packet.Broadcast, there)
	p.TTL = 0
	n.receive(p)
	n.pass(time.Minute)
	n.takeSent()
	return n, p
}

// Who lacks much gets the oldest of it at once, and the rest when it asks again.
func TestPullsAreAnsweredInPortions(t *testing.T) {
	for kind, want := range map[Type]int{Flood: maxOffered, Beacon: maxNews} {
		n := newNode(t, nil)
		n.learn(third, third, here)
		const all = maxOffered + 5
		for i := range uint32(all) {
			p := theirs(i+1, packet.Broadcast, there)
			p.Type, p.TTL, p.Repair = kind, 0, true
			n.receive(p)
		}
		n.pass(time.Minute)
		n.sent = nil
		n.receive(ask(here))
		n.pass(time.Minute)
		told := make(map[uint32]bool)
		for _, p := range items(n.sent) {
			if p.From == there {
				told[p.ID.Sequence] = true
			}
		}
		if len(told) != want || !told[1] || told[all] {
			t.Errorf("%v: sent %d of %d, want the first %d", kind, len(told), all, want)
		}
	}
}

// What waited for something else meanwhile is no answer any more: others speak again.
func TestLateAnswers(t *testing.T) {
	for wait, want := range map[time.Duration]int{answerTurn / 2: answerSlots, answerTurn: usualSlots} {
		n, _ := having(t)
		n.enqueue(ours(2, packet.Broadcast, time.Hour)) // waits at the board
		n.receive(ask(here))
		n.now = n.now.Add(wait)
		n.do(n.mesh.Sent(n.now))
		if sent := items(n.takeSent()); len(sent) != 2 || !sent[1].Repair || n.slots != want {
			t.Errorf("after %v sent %+v over %d slots, want the answer over %d", wait, sent, n.slots, want)
		}
	}
}

// Where an hour allows little, beacons that a node lacks go as far as its own may, and do
// not wait for more.
func TestRepairOfBeaconsIsABeacon(t *testing.T) {
	for kind, want := range map[Type]int{Flood: 1, Beacon: 0} {
		n := newNode(t, func(cfg *Config) {
			cfg.Budget = func(tr Transmit, now time.Time) time.Duration {
				if freed := epoch.Add(2 * time.Minute); tr.Priority == PriorityBeacon && now.Before(freed) {
					return freed.Sub(now)
				}
				return 0
			}
		})
		n.learn(third, third, here)
		lacks := theirs(1, packet.Broadcast, there)
		lacks.Type, lacks.TTL, lacks.Repair = kind, 0, true
		n.receive(lacks)
		n.pass(time.Minute)
		n.sent = nil
		n.receive(ask(here))
		n.pass(2 * time.Minute)
		got := 0
		for _, p := range items(n.sent) {
			if p.From == there {
				got++
			}
		}
		if got != want {
			t.Errorf("%v: sent %+v, want %d of theirs", kind, n.sent, want)
		}
	}
}

// What came before a restart is told of, offered, and neither delivered nor relayed
// again; what is too old, or of a time to come, is nothing.
func TestRecentSurvivesARestart(t *testing.T) {
	before := newNode(t, nil)
	before.learn(third, third, here)
	old := theirs(1, packet.Broadcast, there)
	before.receive(old)
	before.pass(pullSpan - time.Minute)
	kept := theirs(2, packet.Broadcast, there)
	before.receive(kept)
	before.enqueue(ours(9, packet.Broadcast, time.Hour)) // its place is the outbox
	for _, h := range before.mesh.Recent() {
		if h.Packet.Type == Flood && h.Packet.From == here {
			t.Error("keeps a message that it has not sent")
		}
	}
	ahead := Heard{theirs(3, packet.Broadcast, there), before.now.Add(time.Hour)}

	n := &node{t: t, now: before.now.Add(90 * time.Second), mesh: New(Config{
		NodeID: here, Epoch: 2, Airtime: perByte, FloorSNRdB: -17.5, Recent: append(before.mesh.Recent(), ahead),
	})}
	n.do(n.mesh.Up(n.now))
	n.learn(third, third, here)
	have := n.mesh.have(n.now, 1)
	if !have.has(kept.ID) || have.has(old.ID) || have.has(ahead.Packet.ID) {
		t.Error("after the restart it tells of something else")
	}
	n.takeSent()
	n.receive(kept)
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(n.delivered) != 0 || len(sent) != 0 {
		t.Errorf("delivered %v, sent %+v of what came before the restart", n.delivered, sent)
	}
	n.receive(Packet{Type: Pull, From: third, Tx: Short(third), Next: Short(here), Have: newFilter(1, 7)})
	n.pass(10 * time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || len(sent[0].Inner) != 1 || sent[0].Inner[0].ID != kept.ID {
		t.Errorf("offered %+v, want the message from before the restart", sent)
	}
}
