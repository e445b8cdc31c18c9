package mesh

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// inShares is an outgoing message of so many data shares, and one more.
func inShares(seq, to uint32, data int) Message {
	m := ours(seq, to, 12*time.Hour)
	m.Payload, m.Data = nil, data
	for i := range data + 1 {
		m.Shares = append(m.Shares, fmt.Appendf(nil, "sealed share %d", i))
	}
	return m
}

// indexes are which shares of m were sent, in order.
func (n *node) indexes(m Message) (list []int) {
	for _, p := range n.takeSent() {
		i := int(p.ID.Sequence) - int(m.ID.Sequence)
		if p.Type == Ack {
			continue
		}
		if !p.Fragment || i < 0 || i >= len(m.Shares) || string(p.Payload) != string(m.Shares[i]) {
			n.t.Errorf("sent %+v", p)
		}
		list = append(list, i)
	}
	return list
}

// passesOn lets a neighbour pass on whatever this node sends for a while, and
// returns the shares.
func (n *node) passesOn(by uint32, m Message, d time.Duration) (list []int) {
	n.t.Helper()
	for end := n.now.Add(d); n.now.Before(end); {
		n.pass(100 * time.Millisecond)
		for _, p := range n.takeSent() {
			if p.Type != Routed || p.Next != Short(by) {
				continue
			}
			list = append(list, int(p.ID.Sequence)-int(m.ID.Sequence))
			p.Tx, p.Next, p.TTL = Short(by), Short(far), p.TTL-1
			n.receive(p)
		}
	}
	return list
}

func (n *node) held(m Message, shares ...int) {
	n.do(n.mesh.Held(m.To, m.ID, func(i int) bool { return slices.Contains(shares, i) }, n.now))
}

func TestSharesAlongAWay(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here, far)
	n.learn(far, third, third)
	m := inShares(100, far, 5)
	n.enqueue(m)
	n.pass(9 * time.Second)
	if got := n.indexes(m); !slices.Equal(got, []int{0}) {
		t.Fatalf("sent shares %v before the first was passed on", got)
	}
	p := Packet{Type: Ack, Hop: true, ID: m.ID, From: third, To: here, Tx: Short(third), Next: Short(here)}
	n.receive(p) // as a relay does, or the receiver
	if got := n.passesOn(third, m, time.Minute); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Fatalf("sent shares %v, want each of the others once", got)
	}
	n.held(m, 0, 2, 3)
	if got := n.passesOn(third, m, time.Minute); !slices.Equal(got, []int{1, 4}) {
		t.Fatalf("sent shares %v, want those that are missing", got)
	}
	n.held(m, 0, 2, 3, 5)
	n.held(m, 0, 2, 3, 5) // twice
	if got := n.passesOn(third, m, time.Minute); !slices.Equal(got, []int{1}) {
		t.Fatalf("sent shares %v, want one, since any is enough", got)
	}
	n.do(n.mesh.Held(third, m.ID, func(int) bool { return false }, n.now)) // not the receiver
	n.receive(ackOf(packet.ID{Source: here, Epoch: 7, Sequence: 103}, far, third))
	n.wantStates("100 sent 1", "100 relayed 1", "100 sent 2", "100 sent 3", "100 delivered 3")
	n.pass(12 * time.Hour)
	if got := n.indexes(m); len(got) > 0 || n.mesh.Len() != 0 || len(n.mesh.shares) != 0 {
		t.Errorf("after delivery shares %v, %d messages, %d shares held", got, n.mesh.Len(), len(n.mesh.shares))
	}
}

// Where a packet takes a twentieth, what the receiver says counts again as much sooner.
func TestSharesFollowTheAirtime(t *testing.T) {
	for _, fast := range []bool{false, true} {
		round := time.Minute
		n := newNode(t, func(c *Config) {
			if fast {
				c.Airtime = func(bytes int) time.Duration { return perByte(bytes) / 20 }
				round = 5 * time.Second
			}
		})
		n.learn(third, third, here, far)
		n.learn(far, third, third)
		m := inShares(100, far, 5)
		n.enqueue(m)
		if got := n.passesOn(third, m, round); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Fatalf("fast %v: sent shares %v", fast, got)
		}
		n.held(m, 0, 1, 2)
		n.passesOn(third, m, 4*time.Second)
		n.takeSent()
		n.held(m, 0, 1, 2, 3)
		if got := n.passesOn(third, m, 4*time.Second); slices.Contains(got, 4) != fast {
			t.Errorf("fast %v: sent shares %v, 4 s after it was told the same", fast, got)
		}
	}
}

// Where no way is known, or it went before a restart, one share has to bring an
// answer before the rest follows; they grow rarer.
func TestSharesAsk(t *testing.T) {
	for _, earlier := range []int{0, 2} {
		n := newNode(t, nil)
		if earlier > 0 {
			n.learn(there, there, here)
		}
		m := inShares(100, there, 5)
		m.Attempts = earlier
		n.enqueue(m)
		n.pass(3 * time.Minute)
		list := n.indexes(m)
		slices.Sort(list)
		if list = slices.Compact(list); len(list) != 1 {
			t.Fatalf("earlier %d: shares %v, want one", earlier, list)
		}
		n.pass(8 * time.Hour)
		more := n.indexes(m)
		slices.Sort(more)
		if more = slices.Compact(more); len(more) < 3 || len(n.states) > 8*5 {
			t.Errorf("earlier %d: shares %v in 8 hours, %d attempts", earlier, more, len(n.states))
		}
		n.held(m, list...)
		n.pass(time.Hour)
		more = n.indexes(m)
		slices.Sort(more)
		if more = slices.Compact(more); len(more) < 4 {
			t.Errorf("earlier %d: shares %v after an answer", earlier, more)
		}
		n.pass(24 * time.Hour)
		if last := n.states[len(n.states)-1]; last.State != Expired || last.ID != m.ID || n.mesh.Len() != 0 {
			t.Errorf("ends as %+v", last)
		}
	}
}

// A message in fragments for everyone goes share by share, and short ones go
// between.
func TestSharesToChannel(t *testing.T) {
	n := newNode(t, nil)
	m := inShares(100, packet.Broadcast, 3)
	n.enqueue(m)
	short := ours(200, packet.Broadcast, time.Hour)
	n.pass(time.Second)
	n.enqueue(short)
	n.pass(10 * time.Minute)
	count := make(map[uint32]int)
	for _, p := range n.takeSent() {
		if p.Type == Flood {
			count[p.ID.Sequence]++
		}
	}
	for _, seq := range []uint32{100, 101, 102, 103, 200} {
		if count[seq] == 0 {
			t.Errorf("sequences sent %v, want %d", count, seq)
		}
	}
	done := 0
	for _, s := range n.states {
		if s.Done && s.State == Sent {
			done++
		}
	}
	if done != 2 || n.mesh.Len() != 0 || len(n.mesh.lanes) != 0 {
		t.Errorf("states %+v, %d held", n.states, n.mesh.Len())
	}
}

// Who receives a fragment, or what is not acknowledged, says so to the last hop,
// which hears nobody pass it on.
func TestLastHopIsTold(t *testing.T) {
	for _, change := range []func(*Packet){func(p *Packet) { p.Fragment = true }, func(p *Packet) { p.Quiet = true }} {
		n := newNode(t, nil)
		n.learn(third, third, here)
		p := theirs(1, here, third)
		change(&p)
		n.receive(p)
		n.mesh.Ignored(p.ID) // held, until the rest has come
		n.pass(10 * time.Second)
		if sent := n.takeSent(); len(sent) != 1 || !sent[0].Hop || sent[0].ID != p.ID || sent[0].Next != Short(third) {
			t.Errorf("answers %+v, want an acknowledgement of the hop", sent)
		}
		n.receive(p)
		if len(n.delivered) != 2 {
			t.Errorf("delivered %v, want the next copy too", n.delivered)
		}
	}
}

// What is told is told once, whatever waits for the same node.
func TestTell(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here)
	n.enqueue(ours(1, there, time.Hour))
	n.pass(time.Second)
	n.takeSent()
	m := ours(2, there, time.Hour)
	n.do(n.mesh.Tell(m, n.now))
	n.pass(2 * time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || sent[0].ID != m.ID || !sent[0].Quiet || sent[0].Next != Short(there) {
		t.Fatalf("sent %+v", sent)
	}
	n.receive(Packet{Type: Ack, Hop: true, ID: m.ID, To: here, Tx: Short(there), Next: Short(here)})
	n.pass(30 * time.Minute)
	for _, p := range n.takeSent() {
		if p.ID == m.ID {
			t.Errorf("sent again: %+v", p)
		}
	}
}

func TestSharesAreChecked(t *testing.T) {
	for name, change := range map[string]func(*Message){
		"no data":    func(m *Message) { m.Data = 0 },
		"more data":  func(m *Message) { m.Data = 7 },
		"too many":   func(m *Message) { m.Shares = make([][]byte, maxShares+1) },
		"empty":      func(m *Message) { m.Shares[1] = nil },
		"too long":   func(m *Message) { m.Shares[1] = make([]byte, MaxPayload+1) },
		"to nobody":  func(m *Message) { m.To = 0 },
		"to oneself": func(m *Message) { m.To = here },
	} {
		n := newNode(t, nil)
		m := inShares(1, there, 5)
		change(&m)
		if _, err := n.mesh.Enqueue(m, n.now); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
