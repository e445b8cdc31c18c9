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
