package packet

import (
	"bytes"
	"errors"
	"testing"
)

var sample = ID{Source: 0x89ABCDEF, Epoch: 0xBEEF, Sequence: 0x000102}

func TestID(t *testing.T) {
	const text = "89abcdefbeef000102"
	if got := sample.String(); got != text {
		t.Errorf("String() = %q, want %q", got, text)
	}
	if got, err := ParseID(text); err != nil || got != sample {
		t.Errorf("ParseID(%q) = %+v, %v; want %+v", text, got, err, sample)
	}
	for _, bad := range []string{"", "89abcdefbeef0001", "89abcdefbeef00010g", "+9abcdefbeef000102", "89abcdefbeef00010200"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %+v, want an error", bad, id)
		}
	}
}

// Header and sealed part make the packet that they are from.
func TestJoin(t *testing.T) {
	n := newNodes(t)
	for _, b := range n.sealed() {
		h, err := ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Join(nil, h, Sealed(b)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("joined %x, %v; want %x", got, err, b)
		}
		h.TTL, h.Tx = 1, 0x2222
		got, err := Join(nil, h, Sealed(b))
		if err != nil || DigestOf(got) != DigestOf(b) || n.open(got) != nil {
			t.Errorf("a relay's copy %x: %v, opens: %v", got, err, n.open(got))
		}
	}
	flood, err := ParseHeader(n.flood)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := AppendHopAck(nil, Header{ID: ID{Source: 1, Sequence: laneBit}, Tx: 1, Next: 2})
	if err != nil {
		t.Fatal(err)
	}
	acked, err := ParseHeader(ack)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() ([]byte, error){
		"too little":      func() ([]byte, error) { return Join(nil, flood, make([]byte, TagSize)) },
		"too much":        func() ([]byte, error) { return Join(nil, flood, make([]byte, MaxPacket)) },
		"acknowledgement": func() ([]byte, error) { return Join(nil, acked, make([]byte, TokenSize)) },
		"no source": func() ([]byte, error) {
			h := flood
			h.ID.Source = 0
			return Join(nil, h, Sealed(n.flood))
		},
	} {
		if b, err := f(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %x, %v; want ErrInvalid", name, b, err)
		}
	}
}
