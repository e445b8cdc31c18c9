package mesh

import (
	"testing"
	"time"

	"lorrent/lora/packet"
)

// passage is a node that has passed on a sealed message of far from there to third, and the
// acknowledgement of it.
func passage(t *testing.T) (n *node, ack Packet) {
	n = newNode(t, func(c *Config) { c.Opens = Opens })
	n.learn(there, there, here)
	n.learn(third, third, here)
	token := packet.Token{1, 2, 3}
	p := theirs(1, third, there)
	p.ID.Source, p.From = far, far
	p.Payload = sealedBy(token)
	n.receive(p)
	n.pass(time.Second)
	n.takeSent()
	ack = ackOf(p.ID, third, third)
	ack.Token = token
	return n, ack
}

// sealedBy is a payload that ends in the lock of a token.
func sealedBy(token packet.Token) []byte {
	lock := token.Lock()
	return append([]byte("sealed"), lock[:]...)
}

// brief is an acknowledgement as it comes from the air without a name.
func brief(ack Packet) Packet {
	ack.ID, ack.From, ack.To, ack.Brief = packet.ID{}, 0, 0, true
	return ack
}

// acknowledgements are those among what was sent.
func acknowledgements(sent []Packet) (acks []Packet) {
	for _, p := range sent {
		if p.Type == Ack {
			acks = append(acks, p)
		}
	}
	return acks
}

// A brief acknowledgement goes back the way of the message that its token opens, as a brief
// one, and then as a whole one that names it.
func TestBriefAck(t *testing.T) {
	n, ack := passage(t)
	n.receive(brief(ack))
	n.pass(30 * time.Second)
	acks := acknowledgements(n.takeSent())
	if len(acks) < 2 {
		t.Fatalf("sent %+v, want a brief acknowledgement and a whole one", acks)
	}
	for i, got := range acks[:2] {
		if got.Brief != (i == 0) || got.Next != Short(there) || got.ID != ack.ID || got.To != far || got.Token != ack.Token {
			t.Errorf("acknowledgement %d is %+v", i, got)
		}
	}
	if kept, ok := n.mesh.forwards.acks[ack.ID]; !ok || kept.Brief {
		t.Errorf("keeps %+v for who asks again", kept)
	}
	if acks[0].Size() != packet.BriefAckSize || acks[1].Size() != packet.AckPacketSize {
		t.Errorf("they have %d and %d bytes", acks[0].Size(), acks[1].Size())
	}
	echo := brief(ack)
	echo.Tx, echo.Next, echo.TTL = Short(there), Short(far), acks[0].TTL-1
	n.receive(echo)
	n.pass(time.Hour)
	if acks := acknowledgements(n.takeSent()); len(acks) != 0 {
		t.Errorf("sent %+v after it was heard passed on", acks)
	}
}

// A token that opens nothing here ends nothing and goes nowhere.
func TestBriefAckOfNothing(t *testing.T) {
	n, ack := passage(t)
	ack.Token = packet.Token{9}
	n.receive(brief(ack))
	n.pass(5 * time.Second)
	if acks := acknowledgements(n.takeSent()); len(acks) != 0 {
		t.Errorf("sent %+v", acks)
	}
	f := n.mesh.forwards.all[floodKey{kind: Routed, id: ack.ID}]
	if f == nil || f.done || len(n.mesh.forwards.all) != 1 {
		t.Errorf("it counts for something: %+v", n.mesh.forwards.all)
	}
}

// What goes another way than the message came is whole: nobody there has it.
func TestWholeAckAnotherWay(t *testing.T) {
	const other uint32 = 0x55555555
	n, ack := passage(t)
	n.learn(other, other, here)
	n.learn(far, other, other)
	n.receive(ack)
	n.pass(time.Hour)
	acks, others := acknowledgements(n.takeSent()), 0
	for _, got := range acks {
		if got.Next == Short(other) {
			others++
			if got.Brief {
				t.Errorf("sent %+v", got)
			}
		}
	}
	if others == 0 {
		t.Errorf("sent %+v, want another way in the end", acks)
	}
}

// The receiver knows its acknowledgement again that a neighbour passes on.
func TestBriefEcho(t *testing.T) {
	for _, heard := range []bool{false, true} {
		n := newNode(t, func(c *Config) { c.Opens = Opens })
		n.learn(there, there, here)
		p := theirs(1, here, there)
		p.ID.Source, p.From, p.Token = far, far, packet.Token{7}
		p.Payload = sealedBy(p.Token)
		n.receive(p)
		n.do(n.mesh.Stored(p.ID, n.now))
		n.pass(2 * n.mesh.ride(false, n.now))
		acks := acknowledgements(n.takeSent())
		if len(acks) != 1 || !acks[0].Brief {
			t.Fatalf("sent %+v, want a brief acknowledgement", acks)
		}
		if heard {
			echo := brief(acks[0])
			echo.Tx, echo.Next, echo.TTL = Short(there), Short(far), echo.TTL-1
			n.receive(echo)
		}
		n.pass(time.Minute)
		if acks := acknowledgements(n.takeSent()); (len(acks) == 0) != heard {
			t.Errorf("passed on %v, then sent %+v", heard, acks)
		}
	}
}

// A neighbour that has passed on a brief acknowledgement gets more copies brief, and one that
// does not gets whole ones, for some time.
func TestWhoReadsBriefAcks(t *testing.T) {
	relay, ack := passage(t)
	mesh, next := relay.mesh, Short(there)
	relay.receive(ack)
	relay.pass(30 * time.Second)
	n := mesh.links.heard[next]
	if n.unread != 1 || n.reads {
		t.Fatalf("%d unread, reads %v after one that was not passed on", n.unread, n.reads)
	}
	if got := mesh.briefFor(next); got != 1 {
		t.Errorf("%d brief copies, want one", got)
	}
	n.unread = mostUnread
	for i := range wholeFor - mostUnread {
		if got := mesh.briefFor(next); got != 0 {
			t.Fatalf("%d brief copies to who passes none on, after %d whole ones", got, i)
		}
	}
	if got := mesh.briefFor(next); got != 1 {
		t.Errorf("%d brief copies after many whole ones, want one", got)
	}
	f := mesh.forwards.all[floodKey{kind: Ack, id: ack.ID}]
	for tries, want := range map[int]bool{0: false, 1: true, 2: false} {
		n.reads, n.unread, f.brief, f.tries, f.done = false, 3, 1, tries, false
		mesh.progress(f.key, next, f.packet.TTL-1, relay.now)
		if n.reads != want || (n.unread == 0) != want {
			t.Errorf("passed on after %d copies: reads %v, %d unread", tries, n.reads, n.unread)
		}
	}
	n.reads = true
	if got := mesh.briefFor(next); got != briefTries {
		t.Errorf("%d brief copies to who reads them, want %d", got, briefTries)
	}
}
