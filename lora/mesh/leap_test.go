package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// network is there → third → here → far, in which here hears what there sends as well.
func network(n *node) {
	n.learn(there, there, here, third)
	n.learn(third, third, there, here)
	n.learn(far, third, here)
}

// Who hears a message for the next hop, which would send it here, passes it on at once;
// unless one of the two would not notice, or it goes elsewhere.
func TestLeap(t *testing.T) {
	const other uint32 = 0x55555555
	for _, c := range []struct {
		name   string
		change func(n *node, p *Packet)
		leaps  bool
	}{
		{"on the way", func(*node, *Packet) {}, true},
		{"unheard by who sent it", func(n *node, _ *Packet) { n.learn(there, there, third) }, false},
		{"unheard by the next hop", func(n *node, _ *Packet) { n.learn(third, third, there) }, false},
		{"not on the way", func(n *node, _ *Packet) {
			n.learn(other, third, third)
			n.learn(far, third, other)
		}, false},
		{"at the end of its relays", func(_ *node, p *Packet) { p.TTL = 0 }, false},
		{"passed on before", func(n *node, p *Packet) {
			q := *p
			q.Next = Short(here)
			n.receive(q)
			n.pass(time.Second)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, nil)
			network(n)
			p := theirs(1, far, there)
			p.Next = Short(third)
			c.change(n, &p)
			n.takeSent()
			n.receive(p)
			sent := n.takeSent()
			if !c.leaps {
				if len(sent) != 0 {
					t.Errorf("sent %+v", sent)
				}
				return
			}
			if len(sent) != 1 || sent[0].Type != Routed || sent[0].Next != Short(far) || sent[0].TTL != p.TTL-1 {
				t.Errorf("sent %+v, want the message", sent)
			}
		})
	}
}

// Who has passed on a message and hears its acknowledgement on the way to a node behind it
// passes that on, unless one of the two would not notice, or it comes from before this node.
func TestAckLeap(t *testing.T) {
	const source uint32 = 0x55555555
	for _, c := range []struct {
		name   string
		change func(n *node, ack *Packet)
		leaps  bool
	}{
		{"on the way back", func(*node, *Packet) {}, true},
		{"unheard by who sent it", func(n *node, _ *Packet) { n.learn(far, third, third) }, false},
		{"unheard by the next hop", func(n *node, _ *Packet) { n.learn(third, third, far) }, false},
		{"sent by who brought the message", func(_ *node, ack *Packet) { ack.Tx = Short(there) }, false},
		{"of another message", func(_ *node, ack *Packet) { ack.ID.Sequence++ }, false},
		{"passed on before", func(n *node, ack *Packet) {
			first := *ack
			first.Next = Short(here)
			n.receive(first)
			n.pass(time.Minute)
		}, false},
	} {
		n := newNode(t, nil)
		n.learn(there, there, here)
		n.learn(third, third, here, far)
		n.learn(far, third, here, third)
		n.learn(source, third, there, third)
		p := theirs(1, far, there)
		p.ID.Source, p.From = source, source
		n.receive(p)
		n.pass(time.Second)
		ack := ackOf(p.ID, far, far)
		ack.Next = Short(third)
		c.change(n, &ack)
		n.takeSent()
		n.receive(ack)
		n.pass(5 * time.Second)
		acks := acknowledgements(n.takeSent())
		if !c.leaps {
			if len(acks) != 0 {
				t.Errorf("%s: sent %+v", c.name, acks)
			}
			continue
		}
		if len(acks) == 0 || acks[0].Next != Short(there) || acks[0].TTL != ack.TTL-1 {
			t.Errorf("%s: sent %+v, want the acknowledgement", c.name, acks)
		}
	}
}

// A next hop that has heard another one pass an acknowledgement on does not.
func TestAckLeftToWhoLeapt(t *testing.T) {
	for _, leapt := range []bool{false, true} {
		n, ack := passage(t)
		n.receive(ack)
		if sent := acknowledgements(n.takeSent()); len(sent) != 0 {
			t.Fatalf("sent %+v at once", sent)
		}
		if leapt {
			ack.Tx, ack.Next, ack.TTL = Short(there), Short(far), ack.TTL-1
			n.receive(ack)
		}
		n.pass(20 * time.Second)
		if acks := acknowledgements(n.takeSent()); (len(acks) == 0) != leapt {
			t.Errorf("another one has passed it on: %v; sent %+v", leapt, acks)
		}
	}
}

// A next hop waits for who may leap, and leaves the message to the one who does.
func TestTurn(t *testing.T) {
	for _, leapt := range []bool{false, true} {
		n := newNode(t, nil)
		n.learn(third, third, here, there)
		n.learn(far, third, third)
		n.takeSent()
		p := theirs(1, far, there)
		n.receive(p)
		n.pass(leapTurn - time.Millisecond)
		if sent := n.takeSent(); len(sent) != 0 {
			t.Fatalf("sent %+v before the turn of others was over", sent)
		}
		if leapt {
			p.Tx, p.Next, p.TTL = Short(third), Short(far), p.TTL-1
			n.receive(p)
		}
		n.pass(20 * time.Second)
		if sent := n.takeSent(); (len(sent) == 0) != leapt {
			t.Errorf("another one has passed it on: %v; sent %+v", leapt, sent)
		}
	}
}

// What waits at the board makes room for a message that is to be passed on.
func TestAnswerGoesFirst(t *testing.T) {
	n := newNode(t, nil)
	n.learn(third, third, here)
	n.learn(far, third, third)
	n.takeSent()
	n.enqueue(ours(1, packet.Broadcast, time.Hour))
	if n.mesh.onAir == nil {
		t.Fatal("a message of this node does not wait for the channel")
	}
	n.receive(theirs(9000, far, there))
	if n.cancelled != 1 {
		t.Fatalf("taken back from the board %d times, want once", n.cancelled)
	}
	n.takeSent()
	n.do(n.mesh.SendFailed(n.now))
	n.pass(leapTurn)
	if sent := n.takeSent(); len(sent) == 0 || sent[0].From != there {
		t.Errorf("sent %+v, want the message of the other node first", sent)
	}
}

// A next hop that did not hear the leap is told that the message has gone on: it has not
// come back, and does not need another way.
func TestLateAfterLeap(t *testing.T) {
	n := newNode(t, nil)
	network(n)
	p := theirs(1, far, there)
	p.Next = Short(third)
	n.receive(p)
	n.pass(time.Second)
	n.takeSent()
	p.Tx, p.Next, p.TTL = Short(third), Short(here), p.TTL-1
	n.receive(p)
	n.pass(time.Second)
	sent := n.takeSent()
	if len(sent) != 1 || !sent[0].Hop || sent[0].Next != Short(third) {
		t.Errorf("sent %+v, want a hop's acknowledgement for the next hop", sent)
	}
}

// Who gave a message up does not tell another one that brings it that it has gone on.
func TestGivenUpIsNotConfirmed(t *testing.T) {
	const other uint32 = 0x55555555
	n := newNode(t, nil)
	n.learn(third, third, here)
	n.learn(far, third, third)
	p := theirs(1, far, there)
	n.receive(p)
	n.mesh.load.heard(time.Minute, n.now) // too busy to flood it
	for range 30 {
		n.pass(10 * time.Second)
		n.mesh.load.heard(5*time.Second, n.now)
	}
	if f := n.mesh.forwards.all[n.mesh.keyOf(&p)]; f == nil || !f.failed {
		t.Fatal("not given up")
	}
	n.takeSent()
	p.Tx = Short(other)
	n.receive(p)
	n.pass(2 * time.Minute)
	for _, s := range n.takeSent() {
		if s.Hop {
			t.Errorf("sent %+v", s)
		}
	}
}
