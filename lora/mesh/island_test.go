package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// shore is a node with a neighbour, third, and a link that works one way to another
// island, far, of which it hears another node, there. The channel is busy.
func shore(t *testing.T) *node {
	n := newNode(t, func(c *Config) { c.Tuning.NoRepair = true })
	n.learn(third, third, here)
	n.learn(there, there, far)
	n.learn(far, there, there, here)
	for _, other := range []uint32{0x55555555, 0x66666666} { // most are there
		n.learn(other, there, there, far)
	}
	n.mesh.load.heard(90*time.Second, n.now)
	return n
}

// busily passes time on a channel that stays busy.
func (n *node) busily(d time.Duration) {
	for end := n.now.Add(d); n.now.Before(end); {
		n.pass(10 * time.Second)
		n.mesh.load.heard(8*time.Second, n.now)
	}
}

func TestNobodyCanAskFromAnotherIsland(t *testing.T) {
	own := Packet{Type: Flood, ID: ours(1, packet.Broadcast, time.Hour).ID, From: here, To: packet.Broadcast, TTL: 9, Payload: []byte("sealed")}
	others := theirs(1, packet.Broadcast, third)
	others.From, others.ID.Source = third, third
	for name, p := range map[string]Packet{"own": own, "relayed": others} {
		for _, test := range []struct {
			name string
			by   uint32 // who is heard to have it, besides third
			want int
		}{
			{"nobody there is heard to have it", third, shoreTries},
			{"somebody there is", there, 1},
		} {
			n := shore(t)
			if p.From == here {
				n.enqueue(ours(1, packet.Broadcast, time.Hour))
			}
			p.Tx = Short(third)
			for n.mesh.onAir == nil {
				n.receive(p)
				n.pass(0)
				wake, _ := n.mesh.Wake()
				n.now = wake
				n.do(n.mesh.Tick(n.now))
			}
			n.do(n.mesh.Sent(n.now))
			p.Tx = Short(test.by)
			n.receive(p)
			n.busily(30 * time.Minute)
			if sent := n.takeSent(); len(sent) != test.want {
				t.Errorf("%s, %s: sent %d times, want %d", name, test.name, len(sent), test.want)
			}
		}
	}
}

// What a neighbour on another island tells those beside it is told everyone here, if
// nothing of it was spread for long.
func TestCastaway(t *testing.T) {
	const fourth uint32 = 0x55555555
	for _, c := range []struct {
		name   string
		change func(n *node, p *Packet)
		want   bool
	}{
		{"castaway", func(*node, *Packet) {}, true},
		{"heard here", func(_ *node, p *Packet) { p.Heard = append(p.Heard, Link{ID: Short(here), Margin: 30}) }, false},
		{"on this island", func(n *node, p *Packet) {
			n.learn(fourth, third, third)
			n.learn(third, third, here, fourth)
			n.learn(there, there, far, fourth)
			n.learn(fourth, third, third, there)
			n.pass(islandAge)
			n.mesh.links.lists[Short(there)].spread = time.Time{}
			n.sent = nil
			p.Heard = append(p.Heard, Link{ID: Short(fourth), Margin: 30})
		}, false},
		{"spread a while ago", func(n *node, p *Packet) {
			wide := *p
			wide.TTL = 5
			n.receive(wide)
			n.pass(signPause - 2*time.Minute)
			n.sent = nil
			p.ID.Sequence++
		}, false},
		{"spread long ago", func(n *node, p *Packet) {
			wide := *p
			wide.TTL = 5
			n.receive(wide)
			n.pass(signPause + time.Minute)
			n.sent = nil
			p.ID.Sequence++
		}, true},
		{"old", func(n *node, p *Packet) { p.ID.Sequence = 0 }, false},
	} {
		n := newNode(t, nil)
		n.learn(third, third, here)
		n.learn(there, there, far)
		n.learn(far, there, there)
		for range 3 {
			n.receive(theirs(9, packet.Broadcast, there)) // no stranger
		}
		n.pass(time.Minute)
		n.mesh.links.lists[Short(there)].spread = time.Time{}
		n.sent = nil
		p := Packet{
			Type: Beacon, ID: packet.ID{Source: there, Epoch: 1, Sequence: 99}, From: there, To: packet.Broadcast,
			Tx: Short(there), Heard: []Link{{ID: Short(far), Margin: 30}},
		}
		c.change(n, &p)
		n.receive(p)
		n.pass(2 * time.Minute)
		got := false
		for _, s := range items(n.sent) {
			got = got || s.Type == Beacon && s.From == there && s.TTL == maxTTL-1
		}
		if got != c.want {
			t.Errorf("%s: spread %v, want %v", c.name, got, c.want)
		}
	}
}

// A neighbour that hears both joins them to one island: who lacks something can ask.
func TestOneIsland(t *testing.T) {
	n := shore(t)
	n.learn(third, third, here, far)
	n.learn(far, there, there, here, third)
	if n.mesh.links.shore(n.now).abroad {
		t.Error("a link to another island begins here")
	}
	n.learn(third, third, here)
	n.now = n.now.Add(islandAge)
	if !n.mesh.links.shore(n.now).abroad {
		t.Error("no link to another island begins here")
	}
}

// Where links work one way the first beacon for everyone may not get over them, and nobody
// there can ask: it is said twice.
func TestSaysTwiceWhereIslandsAre(t *testing.T) {
	for name, c := range map[string]struct {
		hears []uint32 // node far
		known bool     // from an earlier life
		want  int
	}{
		"one island":            {[]uint32{third}, false, 1},
		"two islands":           {nil, false, 2},
		"two islands, as known": {nil, true, 1},
	} {
		n := newNode(t, func(cfg *Config) {
			if c.known {
				cfg.Known = []Packet{{Type: Beacon, From: third, To: packet.Broadcast, Tx: Short(third), Heard: []Link{{ID: Short(here), Margin: 30}}}}
				cfg.Tuning.WideMost = 20 * time.Hour
			}
		})
		for range 60 {
			n.learn(third, third, here, far)
			n.learn(far, third, c.hears...)
			n.pass(time.Minute)
		}
		wide := make(map[uint32]bool)
		for _, p := range items(n.sent) {
			if p.Type == Beacon && p.From == here && p.TTL > 0 {
				wide[p.ID.Sequence] = true
			}
		}
		if len(wide) != c.want {
			t.Errorf("%s: said %d times, want %d", name, len(wide), c.want)
		}
	}
}
