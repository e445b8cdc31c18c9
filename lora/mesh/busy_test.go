package mesh

import (
	"testing"
	"time"
)

// attemptsIn is how many attempts at a message that a neighbour passes on begin within
// a time in which the channel is taken so much.
func attemptsIn(t *testing.T, share float64, d time.Duration) int {
	t.Helper()
	n, first, _ := passedOn(t)
	n.receive(ackOf(first.ID, far, third))
	begun := make(map[uint8]bool)
	run := func(d time.Duration) {
		const step = 5 * time.Second
		for range d / step {
			n.mesh.load.heard(time.Duration(share*float64(step)), n.now)
			n.pass(step)
			for _, p := range n.takeSent() {
				if p.Type == Routed {
					begun[p.Attempt] = true
					p.Tx, p.Next, p.TTL = Short(third), Short(far), p.TTL-1
					n.receive(p)
				}
			}
		}
	}
	run(10 * time.Minute)
	n.enqueue(ours(2, far, 3*time.Hour))
	run(d)
	return len(begun)
}

// Where the channel is busy an attempt is long under way, and the next begins later.
func TestAttemptsWaitWhereBusy(t *testing.T) {
	if calm := attemptsIn(t, 0.15, 10*time.Minute); calm != 2 {
		t.Errorf("%d attempts in ten minutes on a calm channel, want 2", calm)
	}
	if busy := attemptsIn(t, 0.5, 10*time.Minute); busy != 1 {
		t.Errorf("%d attempts in ten minutes on a busy channel, want 1", busy)
	}
	if busy := attemptsIn(t, 0.5, time.Hour); busy < 2 {
		t.Errorf("%d attempts in an hour on a busy channel, want more", busy)
	}
}

// A flood for one node is relayed by those from whom it may get there, and by those who
// do not know how far that is.
func TestFloodOnCourse(t *testing.T) {
	const between, unknown = 0x55555555, 0x66666666
	for _, test := range []struct {
		name   string
		to     uint32
		ttl    uint8
		relays int
	}{
		{"far enough", far, 3, 1},
		{"too far", far, 2, 0},
		{"not known", unknown, 1, 1},
	} {
		n := newNode(t, nil)
		n.learn(there, there, here)
		n.learn(third, third, here, between)
		n.learn(between, third, third, far)
		n.learn(far, third, between)
		p := theirs(1, test.to, there)
		p.Next, p.TTL = Anybody, test.ttl
		n.receive(p)
		n.pass(8 * time.Second)
		if got := len(attemptsOf(n.takeSent(), Routed, 1)); got != test.relays {
			t.Errorf("%s: relayed %d times, want %d", test.name, got, test.relays)
		}
	}
}
