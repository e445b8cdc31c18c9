package mesh

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"lorrent/lora/packet"
)

func plain(c *Config) { c.Plain = true }

func TestPlainBytes(t *testing.T) {
	id := packet.ID{Source: here, Epoch: 2, Sequence: 3}
	for _, p := range []Packet{
		{Type: Flood, ID: id, From: here, To: packet.Broadcast, Payload: []byte("hi")},
		{Type: Routed, ID: id, From: here, To: there, Payload: []byte("hi")},
		{Type: Ack, ID: id, From: there, To: here},
	} {
		b, err := EncodePlain(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodePlain(b)
		if err != nil || got.Type != p.Type || got.ID != id || got.From != p.From || got.To != p.To || !bytes.Equal(got.Payload, p.Payload) ||
			got.Tx != Short(p.From) || got.TTL != 0 {
			t.Errorf("%+v came back as %+v, %v", p, got, err)
		}
	}
	if _, err := EncodePlain(Packet{Type: Beacon}); !errors.Is(err, ErrNotPlain) {
		t.Errorf("a beacon: %v", err)
	}
}

// In version 0 a message is repeated with growing pauses, and nothing else goes
// on the air.
func TestPlainConduct(t *testing.T) {
	n := newNode(t, plain)
	n.enqueue(ours(1, there, 24*time.Hour))
	n.pass(6 * time.Hour)
	var last time.Duration
	if len(n.sent) < 10 {
		t.Fatalf("%d packets in six hours", len(n.sent))
	}
	for i, s := range n.states {
		if s.State != Sent || s.Attempts != i+1 {
			t.Fatalf("state %d: %+v", i, s)
		}
	}
	for tries := 1; tries < 12; tries++ {
		least := n.mesh.plainPatience(&outgoing{tries: tries})
		if least <= last/2 || least > maxBackoff+maxBackoff/2 {
			t.Errorf("pause %d is %v after %v", tries, least, last)
		}
		last = least
	}
	n.receive(ackOf(ours(1, there, 0).ID, there, there))
	if s := n.states[len(n.states)-1]; s.State != Delivered || !s.Done {
		t.Errorf("after the acknowledgement: %+v", s)
	}
}

// Each repetition of a stored message is acknowledged, since version 0 does not
// tell attempts apart.
func TestPlainAcknowledgesAgain(t *testing.T) {
	n := newNode(t, plain)
	p := theirs(1, here, there)
	p.Next, p.TTL = Anybody, 0
	for i := range 3 {
		n.receive(p)
		if i == 0 {
			n.do(n.mesh.Stored(p.ID, n.now))
		}
		n.pass(time.Minute)
		if sent := n.takeSent(); len(sent) != 1 || sent[0].Type != Ack {
			t.Fatalf("sent %+v, want one acknowledgement", sent)
		}
	}
}

func FuzzDecodePlain(f *testing.F) {
	b, err := EncodePlain(Packet{Type: Routed, ID: packet.ID{Source: here}, From: here, To: there, Payload: []byte("hi")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xC0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePlain(b)
		if err != nil {
			return
		}
		again, err := EncodePlain(p)
		if err != nil || len(again) != len(b) {
			t.Errorf("%x came back as %x, %v", b, again, err)
		}
	})
}
