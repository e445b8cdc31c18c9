package mesh

import (
	"slices"
	"testing"
	"time"
)

// attemptsOf are the attempts of a packet of one kind that were sent, in order.
func attemptsOf(sent []Packet, kind Type, seq uint32) (list []uint8) {
	for _, p := range sent {
		if p.Type == kind && p.ID.Sequence == seq && !p.Hop {
			list = append(list, p.Attempt)
		}
	}
	return list
}

// Attempts have four numbers, and the fifth is one: who passed the first on tells it
// from a repetition by the time that has gone by, along a way as in a flood.
func TestAttemptNumbersComeAround(t *testing.T) {
	for _, flooded := range []bool{false, true} {
		n := newNode(t, nil)
		n.learn(third, third, here, far)
		n.learn(far, third, third)
		n.learn(there, there, here)
		p := theirs(1, far, there)
		p.TTL = 6
		soon := 3 * time.Second // before it is repeated
		if flooded {
			p.Next, soon = Anybody, 15*time.Second
		}
		// round lets p come twice, and says how often it is passed on.
		round := func() int {
			passed := len(n.sent)
			for range 2 {
				n.receive(p)
				n.pass(soon)
				back := p
				back.Tx, back.Next, back.TTL = Short(third), Short(far), p.TTL-2
				if flooded {
					back.Next = Anybody
				}
				n.receive(back)
			}
			return len(attemptsOf(items(n.sent[passed:]), Routed, 1))
		}
		for i := range 5 {
			if passed := round(); passed != 1 {
				t.Errorf("flooded %v, time %d: passed on %d times, want once", flooded, i, passed)
			}
			n.pass(30 * time.Minute)
		}
	}
}

// The receiver acknowledges a fifth attempt, too, where nobody hears it but by a flood.
func TestAckNumbersComeAround(t *testing.T) {
	n := newNode(t, nil)
	p := theirs(1, here, third)
	p.Next = Anybody
	n.receive(p)
	n.do(n.mesh.Stored(p.ID, n.now))
	for i := range 3 {
		n.pass(30 * time.Minute)
		if got := attemptsOf(n.takeSent(), Ack, 1); len(got) == 0 {
			t.Errorf("time %d: not acknowledged", i)
		}
		n.receive(p)
	}
}

// A share counts its own attempts: that others went four times between says nothing to
// those who have passed it on.
func TestSharesCountTheirAttempts(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	m := inShares(100, far, 5)
	n.enqueue(m)
	var first, last []uint8
	for round := range 9 {
		if round == 0 || round%4 == 0 {
			n.held(m, 1, 2, 3, 4) // lacks the first
		} else {
			n.held(m, 0, 1, 2, 3) // lacks the last
		}
		for range 20 {
			n.pass(time.Second)
			sent := n.takeSent()
			first = append(first, attemptsOf(sent, Routed, 100)...)
			last = append(last, attemptsOf(sent, Routed, 104)...)
			for _, p := range sent {
				p.Tx, p.Next, p.TTL = Short(third), Short(far), p.TTL-1
				n.receive(p)
			}
		}
	}
	if !slices.Equal(first, []uint8{0, 1, 2}) {
		t.Errorf("attempts of the first share %v, want each its own", first)
	}
	if want := []uint8{0, 1, 2, 3, 0, 1, 2}; len(last) < 6 || !slices.Equal(last, want[:len(last)]) {
		t.Errorf("attempts of the last share %v, want %v", last, want)
	}
}

// Whatever goes when the receiver is silent, it ends with a share after which nothing
// is to be expected: that is what makes it answer.
func TestQuestionsAsk(t *testing.T) {
	n := newNode(t, nil)
	m := inShares(100, there, 5)
	n.enqueue(m)
	var sent []int
	for end := n.now.Add(11 * time.Hour); n.now.Before(end); {
		n.pass(time.Minute)
		sent = append(sent, n.indexes(m)...)
	}
	sent = slices.Compact(sent) // floods are repeated
	if all := slices.Compact(slices.Sorted(slices.Values(sent))); len(all) != len(m.Shares) {
		t.Errorf("shares %v went, want all", all)
	}
	for i, share := range sent[:len(sent)-1] {
		if share < m.Data-1 && sent[i+1] < m.Data-1 {
			t.Fatalf("share %d went, and then %d: none that asks", share, sent[i+1])
		}
	}
}

// A share that is forgotten, as so much else passes, does not keep the next one from
// going.
func TestForgottenShare(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	m := inShares(100, far, 5)
	n.enqueue(m)
	n.pass(time.Second)
	if got := n.indexes(m); !slices.Equal(got, []int{0}) {
		t.Fatalf("sent shares %v", got)
	}
	for i := range uint32(maxForwards) {
		f := &forward{key: floodKey{kind: Ack, id: theirs(i, far, there).ID}, done: true}
		n.mesh.forwards.add(f)
	}
	n.pass(5 * time.Minute)
	got := n.indexes(m)
	if len(got) == 0 || got[0] == 0 {
		t.Errorf("then sent %v, want the others", got)
	}
}
