package mesh

import (
	"testing"
	"time"
)

// blind is a node that has flooded a message, since it knew no way.
func blind(t *testing.T) *node {
	n := newNode(t, nil)
	n.enqueue(ours(1, far, 10*time.Hour))
	n.pass(3 * time.Minute)
	sent := n.takeSent()
	if len(sent) == 0 {
		t.Fatal("sent nothing")
	}
	for _, p := range sent {
		if p.Type != Routed || p.Next != Anybody || p.TTL != unknownHops || p.Attempt != 0 {
			t.Fatalf("sent %+v, want one flood", p)
		}
	}
	return n
}

func TestUnknownWayFloodsAndRests(t *testing.T) {
	n := blind(t)
	rest := n.mesh.packets(blindPackets, blindLeast)
	n.pass(rest - 4*time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("sent %+v, want nothing yet", sent)
	}
	n.pass(rest)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].Next != Anybody || sent[0].Attempt != 1 {
		t.Errorf("sent %+v, want another flood", sent)
	}
}

func TestBeaconOfReceiverBringsAttempt(t *testing.T) {
	n := blind(t)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	n.pass(20 * time.Second)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].Next != Short(third) || sent[0].Attempt != 1 {
		t.Errorf("sent %+v, want an attempt along the way", sent)
	}
}

// An answer to the last attempt may be on its way.
func TestNotRevivedAtOnce(t *testing.T) {
	n := newNode(t, nil)
	n.enqueue(ours(1, far, 10*time.Hour))
	n.pass(30 * time.Second)
	n.takeSent()
	n.learn(far, far)
	n.pass(time.Minute)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("sent %+v, want nothing yet", sent)
	}
}

// A receiver that does not hear, and is heard all the time, is not tried each time.
func TestRevivedOnceUntilNextAttempt(t *testing.T) {
	n := blind(t)
	rest := n.mesh.packets(blindPackets, blindLeast)
	attempts := func(d time.Duration) int {
		t.Helper()
		different := make(map[uint8]bool)
		for range d / time.Minute {
			n.learn(far, far)
			n.pass(time.Minute)
			for _, p := range n.takeSent() {
				if p.Type == Routed {
					different[p.Attempt] = true
				}
			}
		}
		return len(different)
	}
	if got := attempts(rest - 4*time.Minute); got != 1 {
		t.Errorf("%d attempts within %v, want 1", got, rest)
	}
	if got := attempts(rest); got != 2 {
		t.Errorf("%d attempts within %v after it, want 2: one by itself, and one since it is heard", got, rest)
	}
}
