package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// talk lets node there say something new for everyone each second.
func (n *node) talk(seconds int) {
	n.t.Helper()
	for range seconds {
		p := theirs(uint32(n.now.Unix()&0x3FFFFF), packet.Broadcast, there)
		p.Payload = make([]byte, 50)
		n.receive(p)
		n.pass(time.Second)
	}
}

// asked counts the pulls on the air by whom they ask.
func (n *node) asked() map[uint16]int {
	asked := make(map[uint16]int)
	for _, p := range items(n.sent) {
		if p.Type == Pull {
			asked[p.Next]++
		}
	}
	return asked
}

// crowded is a node that six others hear, which hear nobody else.
func crowded(t *testing.T, change func(*Config)) *node {
	n := newNode(t, change)
	for i := range uint32(6) {
		n.learn(third+i, third+i, here)
	}
	return n
}

// What waits for its source's share does not stand in the way of others.
func TestFlooderDelaysNobody(t *testing.T) {
	n := crowded(t, func(c *Config) {
		c.Budget = func(tr Transmit, _ time.Time) time.Duration {
			if tr.Packet.From == there || tr.Packet.Type == Bundle {
				return time.Hour
			}
			return 0
		}
	})
	n.talk(300)
	n.takeSent()
	n.enqueue(ours(1, packet.Broadcast, time.Hour))
	n.pass(10 * time.Second)
	if sent := n.takeSent(); len(sent) != 1 || sent[0].From != here {
		t.Errorf("sent %+v, want the own message", sent)
	}
}

// relayedOf counts what was relayed of a source, alone or in bundles.
func (n *node) relayedOf(source uint32) (count int) {
	for _, p := range n.takeSent() {
		for _, inner := range append(p.Inner, p) {
			if inner.Type == Flood && inner.From == source {
				count++
			}
		}
	}
	return count
}

// Of one source, no more is relayed than is its share, and nothing once it is known
// to talk without end: others are, and so is it when it has been silent for a while.
func TestFlooderIsRelayedInPart(t *testing.T) {
	n := crowded(t, nil)
	n.talk(240)
	if of := n.relayedOf(there); of == 0 || of > 60 {
		t.Errorf("relayed %d of 240, want some of the first", of)
	}
	n.talk(300)
	if of := n.relayedOf(there); of != 0 {
		t.Errorf("relayed %d of 300, want nothing", of)
	}
	other := theirs(1, packet.Broadcast, far)
	other.From, other.ID.Source = far, far
	n.receive(other)
	n.talk(60)
	if of := n.relayedOf(far); of != 1 {
		t.Errorf("relayed %d of another source, want 1", of)
	}
	n.pass(30 * time.Minute)
	n.takeSent()
	n.receive(theirs(9000, packet.Broadcast, there))
	n.pass(time.Minute)
	if of := n.relayedOf(there); of != 1 {
		t.Errorf("relayed %d of a source that was silent for half an hour, want 1", of)
	}
}

// airtimeSF11 is about that of SF11/250.
func airtimeSF11(c *Config) {
	c.Airtime = func(bytes int) time.Duration { return time.Duration(bytes) * 6200 * time.Microsecond }
}

// bustle lets a neighbour take half of the channel with what is for another one, while
// node there says something for everyone every so many seconds.
func (n *node) bustle(d, every time.Duration) {
	n.t.Helper()
	for i := range uint32(d / time.Second) {
		n.receive(Packet{
			Type: Routed, ID: packet.ID{Source: third, Epoch: 9, Sequence: i}, From: third, To: far, Tx: Short(third), Next: Short(far),
			Payload: make([]byte, 60),
		})
		if time.Duration(i)*time.Second%every == 0 {
			p := theirs(i+1, packet.Broadcast, there)
			p.Payload = make([]byte, 50)
			n.receive(p)
		}
		n.pass(time.Second)
	}
}

// A flooder that gives way to others takes a seventh of the channel, and is known as one
// after some minutes all the same.
func TestFlooderGivesWay(t *testing.T) {
	n := crowded(t, airtimeSF11)
	n.learn(there, there)
	for i := range uint32(20 * 60 / 3) {
		p := theirs(i+1, packet.Broadcast, there)
		p.Payload = make([]byte, 50)
		n.receive(p)
		n.pass(3 * time.Second)
	}
	if !n.mesh.fair.endless(n.mesh.account(there), n.now) {
		t.Error("who has said something every three seconds for twenty minutes is not known to talk without end")
	}
}

// Where the channel is busy, who says much more than others do is known within minutes,
// and what of it waits for the air does not go out any more.
func TestLoudIsMuted(t *testing.T) {
	held := true
	n := crowded(t, func(c *Config) {
		airtimeSF11(c)
		c.Budget = func(Transmit, time.Time) time.Duration {
			if held {
				return time.Second
			}
			return 0
		}
	})
	n.learn(there, there)
	n.bustle(3*time.Minute, 5*time.Second)
	if n.mesh.fair.endless(there, n.now) || !n.mesh.fair.loud(there, n.now) {
		t.Error("who has said something every five seconds for three minutes is not known to be loud")
	}
	held = false
	n.pass(10 * time.Second)
	if of := n.relayedOf(there); of != 0 {
		t.Errorf("relayed %d of those that waited, want none", of)
	}
}

// Two texts of 4 kB to a channel, one after the other, are not talk without end.
func TestLongTextsAreRelayed(t *testing.T) {
	n := crowded(t, airtimeSF11)
	for i := range uint32(2 * 45) {
		p := theirs(i+1, packet.Broadcast, there)
		p.Fragment, p.Payload = true, make([]byte, 110)
		n.receive(p)
		n.now = n.now.Add(time.Second)
	}
	if n.mesh.fair.endless(there, n.now) {
		t.Errorf("90 fragments in %v are taken for talk without end", 90*time.Second)
	}
	if n.mesh.fair.loud(there, n.now) {
		t.Error("fragments of a text are taken for as many messages")
	}
}

// Who talks without end passes nothing on: ways lead around it, but for what is for it.
func TestFlooderIsNoWay(t *testing.T) {
	const around = 0x0a0a0505
	n := newNode(t, nil)
	n.learn(there, there, here, far)
	n.learn(third, third, here)
	n.learn(around, third, third)
	n.learn(far, third, there, around)
	next := func(to uint32) uint16 {
		n.pass(fieldAge)
		way, _ := n.mesh.way(Short(to), past{}, n.now)
		return way.first
	}
	if got := next(far); got != Short(there) {
		t.Fatalf("before: by %04x, want the short way", got)
	}
	n.talk(120)
	if got := next(far); got != Short(third) {
		t.Errorf("by %04x, want the way around", got)
	}
	if got := next(there); got != Short(there) {
		t.Errorf("to itself by %04x", got)
	}
	n.pass(15 * time.Minute)
	if got := next(far); got != Short(there) {
		t.Errorf("after a quarter of an hour of silence: by %04x, want the short way", got)
	}
}

// What waits counts as well: while the channel is taken, and nothing leaves, no more
// than its share of one source is queued.
func TestFlooderFillsNoQueue(t *testing.T) {
	n := crowded(t, nil)
	n.learn(there, there)
	for i := range uint32(400) { // a busy channel
		n.receive(Packet{Type: Routed, ID: packet.ID{Source: third, Epoch: 9, Sequence: i}, From: third, To: far, Tx: Short(third), Next: Short(far)})
		n.now = n.now.Add(time.Second / 2)
	}
	for i := range uint32(100) {
		n.receive(theirs(7000+i, packet.Broadcast, there))
		n.now = n.now.Add(100 * time.Millisecond)
	}
	waiting := 0
	for _, j := range n.mesh.jobs {
		if j.relays() && j.flood.key.id.Source == there {
			waiting++
		}
	}
	if waiting == 0 || waiting > 20 {
		t.Errorf("%d of 100 wait to be relayed, want a few", waiting)
	}
}

// Neighbours learn of what else came, and are sent it, whatever one source said.
func TestFlooderHidesNothing(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	n.talk(120)
	lacks := theirs(1, packet.Broadcast, far)
	lacks.From, lacks.ID.Source, lacks.TTL = far, far, 0
	n.receive(lacks)
	n.talk(240)
	if have := n.mesh.have(n.now, 1); len(have.Bits) > 2*maxTold {
		t.Errorf("a pull of %d bytes", len(have.Bits))
	}
	n.takeSent()
	n.receive(Packet{Type: Pull, From: third, Tx: Short(third), Next: Short(here), Have: newFilter(1, 7)})
	n.pass(2 * time.Second)
	for _, p := range n.takeSent() {
		for _, inner := range p.Inner {
			if inner.ID == lacks.ID {
				return
			}
		}
	}
	t.Error("what a flooder did not say was not offered")
}

// A neighbour that talks without end does not make others' messages worth less.
func TestFlooderIsNoCrowd(t *testing.T) {
	n := newNode(t, nil)
	n.talk(300)
	if busy, crowd := n.mesh.Busy(n.now), n.mesh.crowd(n.now); busy < 0.4 || crowd > busy/2 {
		t.Errorf("busy %.2f, of which a crowd %.2f", busy, crowd)
	}
}

// Who hears little else than one neighbour asks the others again and again, those
// that it does not hear of late as well as any.
func TestFlooderDrownsNobody(t *testing.T) {
	n := crowded(t, nil)
	n.talk(60)
	n.sent = nil
	n.talk(600)
	asked := n.asked()
	if len(asked) != 6 {
		t.Errorf("asked %v in ten minutes, want all six", asked)
	}
}

// Who hears the flooder as well lacks the same, and is not asked.
func TestFlooderDrownsWhoIsNotAsked(t *testing.T) {
	n := crowded(t, nil)
	for i := range uint32(3) {
		n.learn(third+i, third+i, here, there)
	}
	n.talk(120)
	n.sent = nil
	n.talk(600)
	asked := n.asked()
	for i := range uint32(6) {
		if drowned := i < 3; drowned == (asked[Short(third+i)] > 0) {
			t.Errorf("asked %v, want those three only that do not hear the flooder", asked)
		}
	}
}

// Where an answer gets through, the next question follows at once, to the same node.
func TestFlooderIsTalkedPast(t *testing.T) {
	n := crowded(t, nil)
	n.talk(120)
	n.sent = nil
	var asked []uint16
	for i := range uint32(300) {
		n.talk(1)
		for _, p := range items(n.sent) {
			if p.Type != Pull {
				continue
			}
			asked = append(asked, p.Next)
			answer := theirs(5000+i, packet.Broadcast, far)
			answer.From, answer.ID.Source, answer.Tx, answer.TTL, answer.Repair = far, far, p.Next, 0, true
			n.receive(answer)
		}
		n.sent = nil
	}
	if len(asked) < 10 {
		t.Fatalf("asked %d times in five minutes, want more", len(asked))
	}
	for _, next := range asked[1:] {
		if next != asked[0] {
			t.Fatalf("asked %v, want the first one again and again", asked)
		}
	}
}

// Sources that a beacon names have accounts of their own, those of which nothing is
// known have one.
func TestAccounts(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, far)
	for source, want := range map[uint32]uint32{third: third, far: far, there: strangers, 12345: strangers} {
		if got := n.mesh.account(source); got != want || n.mesh.Knows(source) != (want != strangers) {
			t.Errorf("what %x says is charged to %x, want %x", source, got, want)
		}
	}
}
