package packet

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

func (v *vector) ack() {
	h := v.header()
	want := h
	want.Directed, want.Dest = true, Short(h.ID.Source)
	v.acknowledges(h, want)
}

func (v *vector) briefAck() {
	h := Header{
		Type: TypeAck, Brief: true, Attempt: uint8(v.number("attempt", 10)), TTL: uint8(v.number("ttl", 10)),
		Tx: uint16(v.number("tx", 16)), Next: uint16(v.number("next", 16)),
	}
	v.acknowledges(h, h)
}

// acknowledges checks the ACK made with a header, and which one it is read with.
func (v *vector) acknowledges(h, want Header) {
	token := Token(v.hex("token"))
	b, err := AppendAck(nil, h, token)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	lock := token.Lock()
	v.equal("lock", lock[:])
	got, gotToken, err := ParseAck(v.hex("packet"))
	if err != nil || got != want || gotToken != token {
		v.t.Errorf("ParseAck() = %+v, %x, %v, want %+v", got, gotToken, err, want)
	}
}

func (v *vector) beacon() {
	bc := Beacon{Header: v.header(), Held: v.runs("held")}
	for _, s := range strings.Fields(v.text("neighbours")) {
		var n Neighbour
		if _, err := fmt.Sscanf(s, "%04x:%d:%d", &n.ID, &n.MarginDB, &n.Delivery); err != nil {
			v.t.Fatal(err)
		}
		bc.Neighbours = append(bc.Neighbours, n)
	}
	if bc.HasStatement = v.has("statement"); bc.HasStatement {
		var err error
		if bc.Statement, err = ParseStatement(v.hex("statement")); err != nil {
			v.t.Fatal(err)
		}
	}
	b, err := AppendBeacon(nil, &bc)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	if bc.Size() != len(b) {
		v.t.Errorf("Size() = %d of %d bytes", bc.Size(), len(b))
	}
	var got Beacon
	if err := ParseBeacon(v.hex("packet"), &got); err != nil || !reflect.DeepEqual(got, bc) {
		v.t.Errorf("ParseBeacon() = %+v, %v, want %+v", got, err, bc)
	}
}

func (v *vector) pull() {
	p := Pull{Tx: uint16(v.number("tx", 16)), Next: uint16(v.number("next", 16)), Salt: uint8(v.number("salt", 10)), Filter: v.hex("filter")}
	b, err := AppendPull(nil, &p)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	if got, err := ParsePull(v.hex("packet")); err != nil || !reflect.DeepEqual(got, p) {
		v.t.Errorf("ParsePull() = %+v, %v, want %+v", got, err, p)
	}
	h, err := ParseHeader(b)
	if want := (Header{Type: TypePull, Tx: p.Tx, Next: p.Next}); err != nil || h != want {
		v.t.Errorf("ParseHeader() = %+v, %v, want %+v", h, err, want)
	}
}

func (v *vector) bundle() {
	var packets [][]byte
	for _, s := range strings.Fields(v.text("packets")) {
		packets = append(packets, fromHex(v.t, s))
	}
	tx := uint16(v.number("tx", 16))
	b, err := AppendBundle(nil, tx, packets...)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	if got, err := SplitBundle(nil, v.hex("packet")); err != nil || !reflect.DeepEqual(got, packets) {
		v.t.Errorf("SplitBundle() = %x, %v, want %x", got, err, packets)
	}
	h, err := ParseHeader(b)
	if want := (Header{Type: TypeBundle, Tx: tx}); err != nil || h != want {
		v.t.Errorf("ParseHeader() = %+v, %v, want %+v", h, err, want)
	}
}

func (v *vector) hopAck() {
	h := v.header()
	b, err := AppendHopAck(nil, h)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	h.Directed, h.Hop, h.Dest = true, true, Short(h.ID.Source)
	if got, err := ParseHeader(v.hex("packet")); err != nil || got != h {
		v.t.Errorf("ParseHeader() = %+v, %v, want %+v", got, err, h)
	}
	if _, _, err := ParseAck(b); !errors.Is(err, ErrInvalid) {
		v.t.Errorf("ParseAck() = %v: a relay is taken for the destination", err)
	}
}

func (v *vector) nack() {
	n := Nack{Tx: uint16(v.number("tx", 16)), Next: uint16(v.number("next", 16)), Wanted: v.runs("wanted")}
	b, err := AppendNack(nil, &n)
	if err != nil {
		v.t.Fatal(err)
	}
	v.equal("packet", b)
	var got Nack
	if err := ParseNack(v.hex("packet"), &got); err != nil || !reflect.DeepEqual(got, n) {
		v.t.Errorf("ParseNack() = %+v, %v, want %+v", got, err, n)
	}
	h, err := ParseHeader(b)
	if want := (Header{Type: TypeNack, Tx: n.Tx, Next: n.Next}); err != nil || h != want {
		v.t.Errorf("ParseHeader() = %+v, %v, want %+v", h, err, want)
	}
}
