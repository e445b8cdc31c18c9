package packet

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A section of firmware/vectors.txt.
type vector struct {
	t      *testing.T
	name   string
	fields map[string]string
	used   map[string]bool
}

// Every section is made from its fields and compared with its bytes, then read
// from its bytes and compared with its fields.
func TestVectors(t *testing.T) {
	check := map[string]func(*vector){
		"identity": (*vector).identity,
		"pair":     (*vector).pair,
		"channel":  (*vector).channel,
		"network":  (*vector).network,
		"mac":      (*vector).mac,
		"flood":    (*vector).toChannel,
		"routed":   (*vector).toNode,
		"fragment": func(v *vector) {
			if v.has("secret") {
				v.toChannel()
			} else {
				v.toNode()
			}
		},
		"relayed":   (*vector).relayed,
		"ack":       (*vector).ack,
		"beacon":    (*vector).beacon,
		"nack":      (*vector).nack,
		"pull":      (*vector).pull,
		"bundle":    (*vector).bundle,
		"hop-ack":   (*vector).hopAck,
		"brief-ack": (*vector).briefAck,
		"card":      (*vector).card,
		"statement": (*vector).statement,
		"refused":   (*vector).refused,
	}
	seen := make(map[string]int)
	for _, v := range readVectors(t) {
		kind := v.fields["kind"]
		seen[kind]++
		t.Run(v.name, func(t *testing.T) {
			v.t, v.used = t, map[string]bool{"kind": true}
			if check[kind] == nil {
				t.Fatalf("kind %q is not known", kind)
			}
			check[kind](v)
			for key := range v.fields {
				if !v.used[key] {
					t.Errorf("nothing looks at %s = %s", key, v.fields[key])
				}
			}
		})
	}
	for kind := range check {
		if seen[kind] == 0 {
			t.Errorf("no vector of kind %s", kind)
		}
	}
}

func (v *vector) identity() {
	id := v.self()
	public := id.Public()
	v.equal("public", public[:])
	v.equal("exchange", id.exchange.PublicKey().Bytes())
	v.equal("node", fmt.Appendf(nil, "%08x", id.NodeID()), "as text")
	v.equal("fingerprint", []byte(public.Fingerprint()), "as text")
	if !bytes.Equal(id.Seed(), v.hex("seed")) {
		v.t.Errorf("Seed() = %x", id.Seed())
	}
	parsed, err := ParsePublicKey(public.String())
	if err != nil || parsed != public {
		v.t.Errorf("ParsePublicKey(%s) = %v, %v", public, parsed, err)
	}
	exchange, err := public.exchange()
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("exchange", exchange.Bytes())
}

func (v *vector) pair() {
	key, err := v.self().derivePair(PublicKey(v.hex("peer")))
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("key", key)
}

func (v *vector) channel() {
	key, hash, err := deriveChannel(v.hex("secret"))
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("key", key)
	v.equal("hash", []byte{hash})
	if got := v.channelKey().Hash(); got != hash {
		v.t.Errorf("Hash() = 0x%02x", got)
	}
}

func (v *vector) network() {
	key, err := deriveNetwork(v.hex("secret"))
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("key", key)
}

func (v *vector) mac() {
	key, err := NewNetworkKey(v.hex("secret"))
	if err != nil {
		v.t.Fatal(err)
	}
	b, err := key.Add(v.hex("before"))
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	if b, err = key.Strip(b); err != nil {
		v.t.Fatal(err)
	}
	v.equal("before", b)
}

// header is the header that the fields state.
func (v *vector) header() Header {
	h := Header{
		Type: map[string]Type{"flood": TypeFlood, "routed": TypeRouted, "fragment": TypeFragment, "ack": TypeAck, "hop-ack": TypeAck, "beacon": TypeBeacon, "card": TypeIdentity}[v.fields["kind"]],
		ID: ID{
			Source: uint32(v.number("source", 16)), Epoch: uint16(v.number("epoch", 16)), Sequence: uint32(v.number("sequence", 16)),
		},
		Attempt: uint8(v.number("attempt", 10)), TTL: uint8(v.number("ttl", 10)), Tx: uint16(v.number("tx", 16)),
	}
	if v.has("next") {
		h.Next = uint16(v.number("next", 16))
	}
	return h
}

func (v *vector) payload() Payload {
	p := Payload{Body: v.hex("body")}
	if v.has("port") {
		p.Port = Port(v.number("port", 10))
	}
	if v.has("index") {
		p.Index, p.Data = uint8(v.number("index", 10)), uint8(v.number("data", 10))
	}
	if v.has("acked") {
		id, err := ParseID(v.text("acked"))
		if err != nil {
			v.t.Fatal(err)
		}
		p.Acked = id
	}
	return p
}

func (v *vector) toChannel() {
	h, p, key := v.header(), v.payload(), v.channelKey()
	b, err := key.Seal(nil, h, p)
	if err != nil {
		v.t.Fatal(err)
	}
	v.sealed(b, h, p)
	h.Channel = key.Hash()
	gotHeader, gotPayload, err := key.Open(nil, v.hex("packet"))
	v.opened(gotHeader, gotPayload, err, h, p)
}

func (v *vector) toNode() {
	h, p, self := v.header(), v.payload(), v.self()
	h.AckWanted = v.number("ack-wanted", 10) != 0
	peer := PublicKey(v.hex("peer"))
	key, err := self.Pair(peer)
	if err != nil {
		v.t.Fatal(err)
	}
	b, err := key.Seal(nil, h, p)
	if err != nil {
		v.t.Fatal(err)
	}
	v.sealed(b, h, p)

	// The receiver has the same key, with the ends exchanged.
	receiver := *key
	receiver.self, receiver.peer = key.peer, key.self
	h.Directed, h.Dest = true, Short(key.peer)
	gotHeader, gotPayload, token, err := receiver.Open(nil, v.hex("packet"))
	v.opened(gotHeader, gotPayload, err, h, p)
	v.equal("token", token[:])
}

// sealed checks a packet made from the fields, and what went into it.
func (v *vector) sealed(b []byte, h Header, p Payload) {
	v.t.Helper()
	v.equal("packet", b)
	parsed, err := ParseHeader(b)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("nonce", h.nonce(nil))
	v.equal("aad", canonical(nil, b[:parsed.size()]))
	digest := DigestOf(b)
	v.equal("digest", digest[:])
	if v.has("message") {
		id, err := MessageID(h.ID, p.Index)
		if want := uint32(v.number("message", 16)); err != nil || id.Sequence != want || id.Source != h.ID.Source || id.Epoch != h.ID.Epoch {
			v.t.Errorf("MessageID() = %v, %v, want sequence %06x", id, err, want)
		}
	}
}

// opened checks what the golden bytes were read as.
func (v *vector) opened(h Header, p Payload, err error, wantHeader Header, wantPayload Payload) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	if h != wantHeader {
		v.t.Errorf("header %+v, want %+v", h, wantHeader)
	}
	if !reflect.DeepEqual(p, wantPayload) {
		v.t.Errorf("payload %+v, want %+v", p, wantPayload)
	}
}

func (v *vector) relayed() {
	before := v.hex("before")
	b := bytes.Clone(before)
	SetHop(b, uint8(v.number("ttl", 10)), uint16(v.number("tx", 16)), uint16(v.number("next", 16)))
	v.equal("packet", b)
	if _, err := ParseHeader(b); err != nil {
		v.t.Error(err)
	}
	digest := DigestOf(b)
	v.equal("digest", digest[:])
	if DigestOf(before) != digest {
		v.t.Error("the digest changes on the way")
	}
}

func (v *vector) card() {
	self, h := v.self(), v.header()
	c := Card{
		Public: self.Public(), Wanted: uint32(v.number("wanted", 16)), Issued: time.Unix(int64(v.number("issued", 10)), 0).UTC(),
		Capabilities: Capabilities(v.number("capabilities", 10)), Name: v.text("name"),
	}
	b, err := self.SealCard(nil, h, c)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	digest := DigestOf(b)
	v.equal("digest", digest[:])
	gotHeader, got, err := OpenCard(v.hex("packet"))
	if err != nil || gotHeader != h || got != c {
		v.t.Errorf("OpenCard() = %+v, %+v, %v, want %+v, %+v", gotHeader, got, err, h, c)
	}
}

func (v *vector) statement() {
	self, epoch := v.self(), uint16(v.number("epoch", 16))
	var floods []Digest
	for _, s := range strings.Fields(v.text("floods")) {
		floods = append(floods, DigestOf(fromHex(v.t, s)))
	}
	s, err := self.SignStatement(epoch, uint32(v.number("first", 16)), floods)
	if err != nil {
		v.t.Fatal(err)
	}
	b, err := s.Append(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("statement", b)
	got, err := ParseStatement(v.hex("statement"))
	if err != nil || got != s {
		v.t.Fatalf("ParseStatement() = %+v, %v", got, err)
	}
	if err := got.Verify(self.Public(), epoch, floods); err != nil {
		v.t.Errorf("Verify() = %v", err)
	}
}

func (v *vector) refused() {
	want := map[string]error{"foreign": ErrForeign, "invalid": ErrInvalid, "forged": ErrForged}[v.text("error")]
	b := v.hex("packet")
	h, err := ParseHeader(b)
	if err == nil {
		err = v.open(h, b)
	}
	if want == nil || !errors.Is(err, want) {
		v.t.Errorf("got %v, want %v", err, want)
	}
}

// open opens a packet with the key in the fields, if it needs one.
func (v *vector) open(h Header, b []byte) (err error) {
	switch {
	case v.has("secret"):
		_, _, err = v.channelKey().Open(nil, b)
	case v.has("peer"):
		key, errPair := v.self().Pair(PublicKey(v.hex("peer")))
		if errPair != nil {
			v.t.Fatal(errPair)
		}
		_, _, _, err = key.Open(nil, b)
	case h.Type == TypeBeacon:
		err = ParseBeacon(b, new(Beacon))
	case h.Type == TypeNack:
		err = ParseNack(b, new(Nack))
	case h.Type == TypeBundle:
		_, err = SplitBundle(nil, b)
	case h.Type == TypeIdentity:
		_, _, err = OpenCard(b)
	}
	return err
}

// The rest reads the file.
