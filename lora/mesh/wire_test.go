package mesh

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// onAir are packets of every type, as they come from the air.
func onAir() map[string]Packet {
	flood := packet.ID{Source: there, Epoch: 2, Sequence: 3}
	direct := packet.ID{Source: there, Epoch: 2, Sequence: 1<<23 | 3}
	body := bytes.Repeat([]byte("s"), 20)
	message := Packet{Type: Flood, ID: flood, From: there, To: packet.Broadcast, Tx: 7, TTL: 4, Channel: 9, Payload: body}
	routed := Packet{Type: Routed, ID: direct, From: there, To: uint32(Short(here)), Tx: 7, Next: 8, TTL: 4, Attempt: 2, Payload: body}
	share, part, quiet := message, routed, routed
	share.Fragment, part.Fragment, quiet.Quiet = true, true, true
	inner := message
	inner.TTL, inner.Repair = 0, true
	return map[string]Packet{
		"flood": message, "routed": routed, "quiet": quiet, "flooded fragment": share, "routed fragment": part,
		"card":  {Type: Card, ID: direct, From: there, To: packet.Broadcast, Tx: 7, TTL: 4, Payload: make([]byte, packet.IdentityOverhead-cardSize+3)},
		"ack":   {Type: Ack, ID: direct, To: there, Tx: 7, Next: 8, TTL: 2, Token: packet.Token{1, 2}},
		"brief": {Type: Ack, Tx: 7, Next: 8, TTL: 2, Attempt: 1, Brief: true, Token: packet.Token{1, 2}},
		"hop":   {Type: Ack, ID: direct, To: there, Tx: 7, Next: 8, TTL: 0, Attempt: 1, Hop: true},
		"beacon": {
			Type: Beacon, ID: packet.ID{Source: there, Epoch: 2, Sequence: 1}, From: there, To: packet.Broadcast, Tx: 7,
			Heard: []Link{{ID: 5, Margin: 31}, {ID: 6, Margin: 0, Restless: true}, {ID: 7, Margin: 9, Endless: true}},
		},
		"pull":   {Type: Pull, From: 7, To: packet.Broadcast, Tx: 7, Next: 8, Have: Filter{Salt: 3, Bits: []byte{1, 2, 3}}},
		"bundle": {Type: Bundle, To: packet.Broadcast, Tx: 7, Inner: []Packet{inner, inner}},
		"bundle of all sorts": {Type: Bundle, To: packet.Broadcast, Tx: 7, Inner: []Packet{
			inner, routed, quiet, part,
			{Type: Ack, ID: direct, To: there, Tx: 7, Next: 8, TTL: 2, Attempt: 3, Token: packet.Token{1, 2}},
			{Type: Ack, ID: direct, To: there, Tx: 7, Next: 9, Attempt: 1, Hop: true},
			{Type: Ack, Tx: 7, Next: 9, TTL: 5, Attempt: 2, Brief: true, Token: packet.Token{3}},
		}},
		"bundle of news": {Type: Bundle, To: packet.Broadcast, Tx: 7, Inner: []Packet{
			{Type: Pull, From: 7, To: packet.Broadcast, Tx: 7, Next: 8, Have: newFilter(0, 3)},
			{Type: Beacon, ID: packet.ID{Source: there, Epoch: 2, Sequence: 1}, From: there, To: packet.Broadcast, Tx: 7, TTL: 9, Heard: []Link{{ID: 5, Margin: 31}}},
			{Type: Card, ID: direct, From: there, To: packet.Broadcast, Tx: 7, TTL: 4, Payload: make([]byte, packet.IdentityOverhead-cardSize+3)},
		}},
	}
}

// What is decoded is what was encoded, and as long as the mesh reckoned.
func TestWire(t *testing.T) {
	for name, p := range onAir() {
		b, err := Encode(&p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(b) != p.Size() {
			t.Errorf("%s has %d bytes, its size says %d", name, len(b), p.Size())
		}
		if got, err := Decode(b); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s came back as %+v, %v; want %+v", name, got, err, p)
		}
	}
}

func TestWireRefuses(t *testing.T) {
	p := onAir()["flood"]
	p.Payload = nil
	if b, err := Encode(&p); !errors.Is(err, packet.ErrInvalid) {
		t.Errorf("a message without content: %x, %v", b, err)
	}
	if b, err := Encode(&Packet{Type: 99}); !errors.Is(err, packet.ErrInvalid) {
		t.Errorf("an unknown type: %x, %v", b, err)
	}
	nack, err := packet.AppendNack(nil, &packet.Nack{Tx: 1, Next: 2, Wanted: []packet.Run{{Source: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Decode(nack); !errors.Is(err, packet.ErrForeign) {
		t.Errorf("a packet that the mesh does not use: %+v, %v", p, err)
	}
}

// An acknowledgement that does not open the message ends nothing, whether it names that or not.
func TestForgedAcknowledgement(t *testing.T) {
	for _, onAir := range []func(Packet) Packet{func(whole Packet) Packet { return whole }, brief} {
		n := newNode(t, func(c *Config) { c.Opens = Opens })
		n.learn(there, there, here)
		token := packet.Token{1, 2, 3}
		m := ours(1, there, 1<<40)
		m.Payload = sealedBy(token)
		n.enqueue(m)
		n.pass(1e9)
		forged := onAir(ackOf(m.ID, 0, there))
		n.receive(forged)
		n.wantStates("1 sent 1")
		forged.Token = token
		n.receive(forged)
		n.wantStates("1 sent 1", "1 delivered 1")
	}
}

// Garbage under the ID of a message does not keep the message away.
func TestGarbageUnderAnID(t *testing.T) {
	n := newNode(t, nil)
	p := theirs(1, packet.Broadcast, there)
	garbage := p
	garbage.Payload = []byte("garbage")
	n.receive(garbage)
	n.mesh.Ignored(p.ID)
	n.receive(p)
	if len(n.delivered) != 2 {
		t.Fatalf("delivered %d times, want both", len(n.delivered))
	}
	n.do(n.mesh.Stored(p.ID, n.now))
	n.receive(garbage)
	n.receive(p)
	if len(n.delivered) != 2 {
		t.Errorf("delivered %d times after it was stored", len(n.delivered))
	}
}

// A packet that has to wait for the budget lets others go first.
func TestBudgetOfOneSource(t *testing.T) {
	n := newNode(t, func(c *Config) {
		c.Budget = func(tr Transmit, _ time.Time) time.Duration {
			for _, inner := range tr.Packet.Inner {
				if inner.From == third {
					return 1 << 40
				}
			}
			if tr.Packet.From == third {
				return 1 << 40
			}
			return 0
		}
	})
	for i, from := range []uint32{third, there} {
		p := theirs(uint32(i), packet.Broadcast, from)
		p.ID.Source, p.From = from, from
		n.receive(p)
	}
	n.pass(60e9)
	sent := n.takeSent()
	if len(sent) == 0 {
		t.Fatal("nothing was relayed")
	}
	for _, p := range sent {
		if p.From != there {
			t.Errorf("relayed %+v", p)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range onAir() {
		b, err := Encode(&p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xC0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		if again, err := Encode(&p); p.Type != Beacon && (err != nil || !bytes.Equal(again[1:], b[1:])) {
			t.Errorf("%x came back as %x, %v", b, again, err)
		}
	})
}
