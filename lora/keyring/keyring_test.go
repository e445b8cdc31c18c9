package keyring

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"lorrent/lora/mesh"
	"lorrent/lora/packet"
)

func newRing(t *testing.T, first byte) *Ring {
	t.Helper()
	id, err := packet.IdentityFromSeed(bytes.Repeat([]byte{first}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return New(id)
}

func (r *Ring) id() uint32 { return r.identity.NodeID() }

// relayed is a message as it comes from a relay.
func relayed(t *testing.T, from uint32, m mesh.Message) *mesh.Packet {
	t.Helper()
	p := &mesh.Packet{Type: mesh.Routed, ID: m.ID, From: from, To: m.To, Tx: 77, Next: 78, TTL: 3, Attempt: 1, Fragment: m.Fragment, Payload: m.Payload}
	if m.To == packet.Broadcast {
		p.Type, p.Next, p.Channel = mesh.Flood, 0, m.Channel
	}
	b, err := mesh.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mesh.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return &got
}

func TestDirect(t *testing.T) {
	a, b, c := newRing(t, 1), newRing(t, 2), newRing(t, 3)
	text := packet.Payload{Port: packet.PortText, Body: []byte("hello")}
	id := packet.ID{Source: a.id(), Epoch: 1, Sequence: 1<<23 | 5}
	if _, err := a.SealDirect(id, b.id(), text); !errors.Is(err, ErrUnknown) {
		t.Fatalf("sealed to an unknown node: %v", err)
	}
	for _, pair := range [][2]*Ring{{a, b}, {b, c}, {c, a}} {
		if err := pair[0].Learn(pair[1].identity.Public(), false); err != nil {
			t.Fatal(err)
		}
	}
	m, err := a.SealDirect(id, b.id(), text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.SealDirect(id, b.id(), text)
	if err != nil || !bytes.Equal(again.Payload, m.Payload) {
		t.Errorf("sealed again: %x, %v; want the same", again.Payload, err)
	}
	p := relayed(t, a.id(), m)
	if err := b.Claim(p); !errors.Is(err, ErrUnknown) {
		t.Errorf("claimed from an unknown node: %v", err)
	}
	if err := b.Learn(a.identity.Public(), true); err != nil {
		t.Fatal(err)
	}
	if err := b.Claim(p); err != nil || p.To != b.id() {
		t.Fatalf("claim: %v, to %08x", err, p.To)
	}
	got, err := b.OpenDirect(p)
	if err != nil || string(got.Body) != "hello" || got.Port != packet.PortText || got.Peer != a.identity.Public() || got.Token != p.Token {
		t.Errorf("opened %+v, %v", got, err)
	}
	if !mesh.Opens(&mesh.Packet{Token: p.Token}, p) {
		t.Error("the token does not open the message")
	}
	if err := c.Learn(a.identity.Public(), false); err != nil {
		t.Fatal(err)
	}
	other := *p
	other.To = c.id()
	if err := c.Claim(&other); !errors.Is(err, packet.ErrForged) {
		t.Errorf("claimed by another node: %v", err)
	}
	flipped := *p
	flipped.Payload = bytes.Clone(p.Payload)
	flipped.Payload[4] ^= 1
	if err := b.Claim(&flipped); !errors.Is(err, packet.ErrForged) {
		t.Errorf("claimed a changed message: %v", err)
	}
}

func TestChannel(t *testing.T) {
	a, b := newRing(t, 1), newRing(t, 2)
	for _, r := range []*Ring{a, b} {
		if err := r.Join("", []byte(packet.PublicSecret)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Join("family", []byte("a secret of the family")); err != nil {
		t.Fatal(err)
	}
	if err := a.Join("short", []byte("short")); err == nil {
		t.Error("joined with a short secret")
	}
	seal := func(channel string, sequence uint32) *mesh.Packet {
		m, err := a.SealChannel(packet.ID{Source: a.id(), Sequence: sequence}, channel, packet.Payload{Port: packet.PortText, Body: []byte("hi")})
		if err != nil {
			t.Fatal(err)
		}
		return relayed(t, a.id(), m)
	}
	if got, err := b.OpenChannel(seal("", 1)); err != nil || got.Channel != "" || string(got.Body) != "hi" {
		t.Errorf("opened %+v, %v", got, err)
	}
	family := seal("family", 2)
	if got, err := b.OpenChannel(family); !errors.Is(err, packet.ErrForged) {
		t.Errorf("a stranger opened %+v, %v", got, err)
	}
	if got, err := a.OpenChannel(family); err != nil || got.Channel != "family" {
		t.Errorf("a member opened %+v, %v", got, err)
	}
	a.Leave("family")
	if _, err := a.OpenChannel(family); !errors.Is(err, packet.ErrForged) {
		t.Errorf("opened after leaving: %v", err)
	}
	if _, err := a.SealChannel(packet.ID{Source: a.id()}, "family", packet.Payload{Port: packet.PortText, Body: []byte("hi")}); !errors.Is(err, ErrUnknown) {
		t.Errorf("sealed after leaving: %v", err)
	}
}

func TestCard(t *testing.T) {
	a := newRing(t, 1)
	p, err := a.Announce(packet.ID{Source: a.id(), Sequence: 1 << 23}, 5, packet.Card{Wanted: 9, Name: "Ann", Issued: time.Unix(1_800_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	p.Tx = 99
	card, err := OpenCard(&p)
	if err != nil || card.Public != a.identity.Public() || card.Wanted != 9 || card.Name != "Ann" {
		t.Errorf("opened %+v, %v", card, err)
	}
	p.Payload[len(p.Payload)-70] ^= 1
	if _, err := OpenCard(&p); err == nil {
		t.Error("opened a changed card")
	}
}

// Strangers are forgotten, those who are to be kept are not.
func TestStrangersAreBounded(t *testing.T) {
	r := newRing(t, 1)
	kept := newRing(t, 2).identity.Public()
	if err := r.Learn(kept, true); err != nil {
		t.Fatal(err)
	}
	for range maxStrangers + 100 {
		if err := r.Learn(packet.NewIdentity().Public(), false); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.peers) != maxStrangers+1 || !r.Kept(kept.NodeID()) || len(r.strangers) != maxStrangers {
		t.Errorf("%d known, %d strangers", len(r.peers), len(r.strangers))
	}
	if err := r.Learn(r.identity.Public(), true); !errors.Is(err, packet.ErrInvalid) {
		t.Errorf("learned its own key: %v", err)
	}
	r.peers[kept.NodeID()].public[3] ^= 1 // as if another key had the same id
	if err := r.Learn(kept, true); !errors.Is(err, ErrClash) {
		t.Errorf("a second key for one id: %v", err)
	}
}
