package packet

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestIdentity(t *testing.T) {
	id := NewIdentity()
	if !ValidNode(id.NodeID()) {
		t.Errorf("node id 0x%08x is no node", id.NodeID())
	}
	again, err := IdentityFromSeed(id.Seed())
	if err != nil || again.Public() != id.Public() {
		t.Errorf("IdentityFromSeed(Seed()) = %v, %v, want %v", again.Public(), err, id.Public())
	}
	for _, size := range []int{0, 31, 33, 64} {
		if _, err := IdentityFromSeed(make([]byte, size)); err == nil {
			t.Errorf("IdentityFromSeed with %d bytes: no error", size)
		}
	}
	if print := id.Public().Fingerprint(); len(print) != 39 || !strings.HasPrefix(strings.ReplaceAll(print, " ", ""), hex.EncodeToString([]byte{byte(id.NodeID() >> 24)})) {
		t.Errorf("Fingerprint() = %q of node %08x", print, id.NodeID())
	}
}

// Both ends derive the same key without a word between them; nobody derives a
// key with a point of small order, which everyone could guess.
func TestPairRefuses(t *testing.T) {
	id := NewIdentity()
	tests := []struct {
		name string
		peer string
	}{
		{"itself", id.Public().String()},
		{"the neutral point, y = 1", "0100000000000000000000000000000000000000000000000000000000000000"},
		{"order 2, y = -1", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
		{"order 4, y = 0", "0000000000000000000000000000000000000000000000000000000000000000"},
		{"order 4, other sign", "0000000000000000000000000000000000000000000000000000000000000080"},
		{"order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
		{"order 8, the other", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
		{"y = p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
		{"y = p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			peer, err := hex.DecodeString(test.peer)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := id.Pair(PublicKey(peer)); !errors.Is(err, ErrInvalid) {
				t.Errorf("Pair() = %v, want ErrInvalid", err)
			}
		})
	}
}

func TestParsePublicKey(t *testing.T) {
	good := NewIdentity().Public()
	if got, err := ParsePublicKey(strings.ToUpper(good.String())); err != nil || got != good {
		t.Errorf("ParsePublicKey in capitals = %v, %v", got, err)
	}
	for _, bad := range []string{
		"", "12", good.String() + "00", good.String()[:62] + "xx",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("ParsePublicKey(%q): no error", bad)
		}
	}
}

func TestSecrets(t *testing.T) {
	short := make([]byte, MinSecret-1)
	if _, err := NewChannelKey(short); err == nil {
		t.Error("NewChannelKey with a short secret: no error")
	}
	if _, err := NewNetworkKey(short); err == nil {
		t.Error("NewNetworkKey with a short secret: no error")
	}
}

func TestCard(t *testing.T) {
	n := newNodes(t)
	h := Header{ID: ID{n.a.NodeID(), 1, laneBit}, Tx: 1}
	now := time.Unix(1_800_000_000, 0)
	tests := []struct {
		name   string
		header Header
		card   Card
		ok     bool
	}{
		{"no name", h, Card{Issued: now}, true},
		{"longest name", h, Card{Issued: now, Name: strings.Repeat("n", MaxName)}, true},
		{"longer name", h, Card{Issued: now, Name: strings.Repeat("n", MaxName+1)}, false},
		{"picture in the name", h, Card{Issued: now, Name: "🜨 und ☃️"}, true},
		{"not UTF-8", h, Card{Issued: now, Name: "\xFF"}, false},
		{"escape sequence", h, Card{Issued: now, Name: "\x1b[2J"}, false},
		{"line end", h, Card{Issued: now, Name: "a\nb"}, false},
		{"turned writing direction", h, Card{Issued: now, Name: "a\u202eb"}, false},
		{"no time", h, Card{}, false},
		{"after 2106", h, Card{Issued: time.Unix(1<<32, 0)}, false},
		{"someone else's id", Header{ID: ID{n.b.NodeID(), 1, laneBit}, Tx: 1}, Card{Issued: now}, false},
		{"flood lane", Header{ID: ID{n.a.NodeID(), 1, 1}, Tx: 1}, Card{Issued: now}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := n.a.SealCard(nil, test.header, test.card)
			if test.ok != (err == nil) {
				t.Fatalf("SealCard() = %v, want ok %v", err, test.ok)
			}
			if !test.ok {
				return
			}
			if len(b) != IdentityOverhead+len(test.card.Name) {
				t.Errorf("%d bytes, want %d and the name", len(b), IdentityOverhead)
			}
			if _, got, err := OpenCard(b); err != nil || got.Name != test.card.Name || got.Public != n.a.Public() {
				t.Errorf("OpenCard() = %+v, %v", got, err)
			}
		})
	}
}

// A signed card with a name that nobody may show is refused by the reader too.
func TestCardHostileName(t *testing.T) {
	n := newNodes(t)
	b, err := n.a.SealCard(nil, Header{ID: ID{n.a.NodeID(), 1, laneBit}, Tx: 1}, Card{Issued: time.Unix(1, 0), Name: "name"})
	if err != nil {
		t.Fatal(err)
	}
	unsigned := b[:len(b)-64]
	copy(unsigned[cardNameAt:], "\x1b[2J")
	b = append(unsigned, n.a.sign(signedCard(unsigned))...)
	if _, _, err := OpenCard(b); !errors.Is(err, ErrInvalid) {
		t.Errorf("OpenCard() = %v, want ErrInvalid", err)
	}
}

// Nobody can sign a card in the name of a node whose key is another.
func TestCardOfAnotherNode(t *testing.T) {
	n := newNodes(t)
	h := Header{Type: TypeIdentity, ID: ID{n.b.NodeID(), 1, laneBit}, Tx: 1}
	key := n.a.Public()
	unsigned := append(h.append(nil), key[:]...)
	unsigned = append(unsigned, make([]byte, cardNameAt-cardWantedAt)...)
	b := append(unsigned, n.a.sign(signedCard(unsigned))...)
	if _, _, err := OpenCard(b); !errors.Is(err, ErrForged) {
		t.Errorf("OpenCard() = %v, want ErrForged", err)
	}
}

func TestStatement(t *testing.T) {
	n := newNodes(t)
	floods := []Digest{{1}, {2}, {3}}
	s, err := n.a.SignStatement(7, 100, floods)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(n.a.Public(), 7, floods); err != nil {
		t.Fatal(err)
	}
	shifted, fewer := s, s
	shifted.First++
	fewer.Count--
	tests := []struct {
		name   string
		s      Statement
		author *Identity
		epoch  uint16
		floods []Digest
	}{
		{"another author", s, n.b, 7, floods},
		{"another epoch", s, n.a, 8, floods},
		{"a flood missing", s, n.a, 7, floods[:2]},
		{"a flood too many", s, n.a, 7, append(floods[:3:3], Digest{4})},
		{"a flood forged", s, n.a, 7, []Digest{{1}, {9}, {3}}},
		{"another order", s, n.a, 7, []Digest{{2}, {1}, {3}}},
		{"other sequences", shifted, n.a, 7, floods},
		{"fewer floods", fewer, n.a, 7, floods[:2]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.s.Verify(test.author.Public(), test.epoch, test.floods); !errors.Is(err, ErrForged) {
				t.Errorf("Verify() = %v, want ErrForged", err)
			}
		})
	}
	refused := map[string]func() error{
		"none":            func() error { _, err := n.a.SignStatement(7, 1, nil); return err },
		"too many":        func() error { _, err := n.a.SignStatement(7, 1, make([]Digest, MaxStated+1)); return err },
		"257":             func() error { _, err := n.a.SignStatement(7, 1, make([]Digest, 257)); return err },
		"beyond the lane": func() error { _, err := n.a.SignStatement(7, laneSize-2, floods); return err },
		"cut":             func() error { _, err := ParseStatement(make([]byte, StatementSize-1)); return err },
		"zero":            func() error { _, err := ParseStatement(make([]byte, StatementSize)); return err },
		"verify zero":     func() error { return new(Statement).Verify(n.a.Public(), 7, nil) },
	}
	for name, try := range refused {
		if err := try(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func TestNetworkKey(t *testing.T) {
	n := newNodes(t)
	key, err := NewNetworkKey([]byte("sixteen bytes ok"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewNetworkKey([]byte("sixteen bytes no"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := key.Add(append([]byte(nil), n.flood...))
	if err != nil || len(b) != len(n.flood)+NetworkMACSize {
		t.Fatalf("Add() = %d bytes, %v", len(b), err)
	}
	if _, err := other.Strip(b); !errors.Is(err, ErrForged) {
		t.Errorf("Strip with another key = %v, want ErrForged", err)
	}
	for bit := range 8 * len(b) {
		b[bit/8] ^= 1 << (bit % 8)
		// Even what relays may change is covered; only the link byte is not.
		if _, err := key.Strip(b); (err == nil) != (bit < 8) {
			t.Errorf("Strip with bit %d flipped = %v", bit, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for _, size := range []int{0, 1, NetworkMACSize, MaxPacket + 1} {
		if _, err := key.Strip(make([]byte, size)); !errors.Is(err, ErrForeign) {
			t.Errorf("Strip of %d bytes = %v, want ErrForeign", size, err)
		}
	}
	for _, size := range []int{0, MaxPacket - NetworkMACSize + 1} {
		if _, err := key.Add(make([]byte, size)); !errors.Is(err, ErrInvalid) {
			t.Errorf("Add to %d bytes = %v, want ErrInvalid", size, err)
		}
	}
	if _, err := key.Add(make([]byte, MaxPacket-NetworkMACSize)); err != nil {
		t.Errorf("Add to the longest packet: %v", err)
	}
}
