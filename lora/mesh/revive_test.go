package mesh

import (
	"testing"
	"time"
)

// blind is a node that has flooded a message, since it knew no way to its receiver.
func blind(t *testing.T) *node {
	n := newNode(t, nil)
	n.pass(n.mesh.tuning.WideLeast)
	n.learn(far, third, 0x55555555)
	n.takeSent()
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
	n.pass(rest)
	if sent := n.takeSent(); len(sent) != 0 {
		t.Errorf("sent %+v, want nothing for twice as long", sent)
	}
	n.pass(2 * rest)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].Next != Anybody || sent[0].Attempt != 2 {
		t.Errorf("sent %+v, want a third flood", sent)
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

// A node that has just begun tries three times at first, and again when its receiver is
// heard of; once, until it has tried by itself.
func TestNewcomer(t *testing.T) {
	for _, began := range []time.Duration{0, time.Hour} {
		n := newNode(t, nil)
		n.pass(began)
		n.enqueue(ours(1, far, 20*time.Hour))
		n.pass(n.mesh.packets(blindPackets, blindLeast))
		different := make(map[uint8]bool)
		for _, p := range n.takeSent() {
			different[p.Attempt] = true
		}
		want := 1
		if began == 0 {
			want = newTries
		}
		if len(different) != want {
			t.Errorf("begun %v ago: %d attempts, want %d", began, len(different), want)
		}
		for i, want := range []int{1, 0} {
			n.learn(far, far)
			n.pass(time.Minute)
			if sent := n.takeSent(); min(len(sent), 1) != want {
				t.Errorf("begun %v ago, heard %d times: sent %+v", began, i+1, sent)
			}
		}
	}
}

// A receiver that does not hear, and is heard all the time, is not tried for that.
func TestNotRevivedWithoutAWay(t *testing.T) {
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
	if got := attempts(rest - 4*time.Minute); got != 0 {
		t.Errorf("%d attempts within %v, want none", got, rest)
	}
	if got := attempts(2 * rest); got != 1 {
		t.Errorf("%d attempts within %v after it, want 1, by itself", got, 2*rest)
	}
	n.learn(far, far, here)
	n.pass(20 * time.Second)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].Attempt != 2 {
		t.Errorf("sent %+v, want an attempt, since a way is known now", sent)
	}
}
