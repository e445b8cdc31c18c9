package mesh

import (
	"math/rand/v2"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// bounded fails when anything that others can fill is larger than it may be.
func (n *node) bounded() {
	n.t.Helper()
	m := n.mesh
	sizes := []struct {
		what      string
		size, max int
	}{
		{"jobs", len(m.jobs), maxJobs + m.cfg.MaxMessages},
		{"floods", len(m.floods.all), maxFloods}, {"floods in order", len(m.floods.order), maxFloods},
		{"checks", len(m.floods.checks), maxFloods},
		{"forwards", len(m.forwards.all), maxForwards}, {"waiting", len(m.forwards.waiting), maxForwards},
		{"acknowledgements", len(m.forwards.acks), maxForwards}, {"arrivals", len(m.forwards.arrivals.latest), maxForwards},
		{"neighbours", len(m.links.heard), maxNeighbours}, {"lists", len(m.links.lists), maxLists},
		{"fields", len(m.links.fields), maxFields}, {"nodes", len(m.nodes.nodes), maxNodes},
		{"seen", len(m.seen.entries), maxSeen}, {"asked", len(m.pulls.asked), 2 * maxNeighbours},
		{"accounts", len(m.fair.accounts), maxNodes + 1},
	}
	for _, s := range sizes {
		if s.size > s.max {
			n.t.Fatalf("%d %s, want at most %d", s.size, s.what, s.max)
		}
	}
}

// noise is a packet that somebody made up: any type, few and many sources,
// addresses that mean this node, true neighbours, or nobody.
func noise(random *rand.Rand) Packet {
	nodes := []uint32{here, there, third, far, packet.Broadcast, 0, random.Uint32(), random.Uint32N(3000)}
	anyone := func() uint32 { return nodes[random.IntN(len(nodes))] }
	p := Packet{
		Type: Type(random.IntN(int(Bundle) + 2)), From: anyone(), To: anyone(), Tx: Short(anyone()), Next: Short(anyone()),
		TTL: uint8(random.IntN(maxTTL + 1)), Attempt: uint8(random.IntN(attempts)), Hop: random.IntN(4) == 0,
		Repair: random.IntN(4) == 0, Payload: make([]byte, 1+random.IntN(100)),
	}
	p.ID = packet.ID{Source: p.From, Epoch: uint16(random.IntN(3)), Sequence: uint32(random.IntN(5000))}
	switch p.Type {
	case Beacon:
		for range random.IntN(80) {
			p.Heard = append(p.Heard, Link{ID: Short(anyone()), Margin: uint8(random.IntN(256))})
		}
	case Pull:
		p.Have = Filter{Salt: uint8(random.IntN(256)), Bits: make([]byte, random.IntN(maxFilter))}
	case Bundle:
		for range random.IntN(5) {
			inner := p
			inner.Type, inner.ID.Sequence = Type(random.IntN(int(Card)+1)), uint32(random.IntN(5000))
			p.Inner = append(p.Inner, inner)
		}
	}
	return p
}

// Whatever comes, at whatever time a clock that jumps says it is, tables stay
// bounded, nothing is delivered twice within the window, and afterwards the
// node works.
func TestNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	n := newNode(t, nil)
	for i := range 4_000 {
		switch random.IntN(200) {
		case 0:
			n.now = n.now.Add(24 * time.Hour)
		case 1:
			n.now = n.now.Add(-25 * time.Hour)
		case 2:
			n.pass(time.Minute)
		case 3:
			if _, err := n.mesh.Enqueue(ours(uint32(i), there, time.Hour), n.now); err != nil && i < 1000 {
				t.Fatal(err)
			}
		}
		p := noise(random)
		n.do(n.mesh.Receive(p, -float64(random.IntN(160)), float64(random.IntN(60)-30), n.now))
		for len(n.delivered) > 0 {
			n.do(n.mesh.Stored(n.delivered[0], n.now))
			n.delivered = n.delivered[1:]
		}
		if n.mesh.onAir != nil && random.IntN(2) == 0 {
			n.do(n.mesh.Sent(n.now))
		}
		if i%200 == 0 {
			n.bounded()
		}
	}
	n.bounded()
	n.now = n.now.Add(48 * time.Hour)
	n.pass(time.Hour)
	n.takeSent()
	n.receive(theirs(7_000_000, here, there))
	if len(n.delivered) != 1 {
		t.Error("a message after the noise is not delivered")
	}
}

// Ten packets a second, each of a source never heard of, for ten minutes: all that
// is kept of them stays bounded.
func TestStrangersAreBounded(t *testing.T) {
	n := newNode(t, func(c *Config) {
		c.Airtime = func(bytes int) time.Duration { return time.Duration(bytes) * 100 * time.Microsecond }
	})
	for i := range 6_000 {
		p := theirs(uint32(i), packet.Broadcast, third)
		p.From, p.ID.Source = uint32(i)+1_000_000, uint32(i)+1_000_000
		for _, a := range n.mesh.Receive(p, -80, 7, n.now) {
			if d, ok := a.(Deliver); ok {
				n.mesh.Stored(d.Packet.ID, n.now)
			}
		}
		n.now = n.now.Add(100 * time.Millisecond)
		if n.mesh.onAir != nil {
			n.mesh.Sent(n.now)
		}
	}
	n.bounded()
}

// A neighbour says that it hears everyone, and takes what is sent its way
// without passing it on: messages go another way.
func TestLyingNeighbour(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here, third, far) // the liar, with the shortest way to far
	n.learn(far, there, there, third)
	n.learn(third, third, here, far)
	n.takeSent()
	n.enqueue(ours(1, far, time.Hour))
	tried := make(map[uint16]bool)
	for range 120 {
		n.pass(30 * time.Second)
		for _, p := range n.takeSent() {
			tried[p.Next] = true
		}
		if tried[Short(third)] || tried[Anybody] {
			return
		}
	}
	t.Errorf("in an hour it only went to %v", tried)
}

// Copies of one packet, played again and again, are one message and at most a
// few transmissions.
func TestReplay(t *testing.T) {
	n := newNode(t, nil)
	n.learn(there, there, here)
	n.learn(third, third, here)
	n.takeSent()
	sent := 0
	for range 500 {
		n.receive(theirs(1, packet.Broadcast, there))
		n.receive(theirs(2, here, there))
		for _, id := range n.delivered[min(len(n.delivered), 2):] {
			t.Fatalf("%v is delivered again", id)
		}
		n.pass(time.Second)
		for _, p := range n.takeSent() {
			if p.Type == Flood || p.Type == Bundle {
				sent++
			}
		}
	}
	if len(n.delivered) != 2 || sent > 4 {
		t.Errorf("delivered %d, relayed %d times; want 2 and a few", len(n.delivered), sent)
	}
}

// Who makes senders up, a new one in each packet, makes no neighbour look gone that
// is silent for some minutes, and none is forgotten for their sake.
func TestForgedSenders(t *testing.T) {
	n := newNode(t, nil)
	for range 5 {
		for i := range uint32(6) {
			n.learn(third+i, third+i, here)
		}
		n.pass(time.Minute)
	}
	n.pass(2 * quiet)
	for i := range uint32(1000) {
		n.receive(theirs(i, packet.Broadcast, 50_000+i))
		n.now = n.now.Add(100 * time.Millisecond)
	}
	told := make(map[uint16]bool)
	for _, link := range n.mesh.links.beacon(n.now) {
		told[link.ID] = true
	}
	for i := range uint32(6) {
		if !told[Short(third+i)] {
			t.Errorf("neighbour %x is not told of", third+i)
		}
	}
	n.bounded()
}
