package packet

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	cardWantedAt = identityHeader + ed25519.PublicKeySize
	cardIssuedAt = cardWantedAt + 4
	cardCapsAt   = cardIssuedAt + 4
	cardNameAt   = cardCapsAt + 1
	cardSize     = cardNameAt - identityHeader + ed25519.SignatureSize

	// MaxName is the longest name in a Card, in bytes.
	MaxName = 20
	// IdentityOverhead is the length of an IDENTITY with an empty name.
	IdentityOverhead = identityHeader + cardSize
)

// Capabilities of a node. Bits that are not defined are ignored.
type Capabilities uint8

const (
	CanRelay  Capabilities = 1 << 0 // relays packets of others
	CanRepair Capabilities = 1 << 1 // keeps floods and answers NACKs
	CanSleep  Capabilities = 1 << 2 // is not always listening
)

// Card is what an IDENTITY packet says: the key of its source and a name for
// it, signed. It may also ask for the card of another node.
type Card struct {
	Public PublicKey
	// Wanted is the node whose card is asked for, or 0.
	Wanted uint32
	// Issued tells a newer card from an older one, in whole seconds from 1970
	// to 2106 by the clock of the source. Only compare cards of the same key.
	Issued       time.Time
	Capabilities Capabilities
	// Name that the node gives itself, UTF-8 without control characters. It is
	// proven that the key's holder chose it, and no more than that.
	Name string
}

// check holds for every card, coming or going.
func (c *Card) check() error { return CheckName(c.Name) }

// CheckName says whether a node may call itself so. The error is ErrInvalid.
func CheckName(name string) error {
	if len(name) > MaxName || !utf8.ValidString(name) {
		return fmt.Errorf("%w: name %q of %d bytes, want UTF-8 of at most %d", ErrInvalid, name, len(name), MaxName)
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) {
			return fmt.Errorf("%w: name %q with %U", ErrInvalid, name, r)
		}
	}
	return nil
}

// SealCard appends an IDENTITY packet with the card to dst. It sets the card's
// Public. The header's ID must be new, from LaneDirect.
func (id *Identity) SealCard(dst []byte, h Header, c Card) ([]byte, error) {
	h.Type, h.Directed, h.AckWanted, h.Hop = TypeIdentity, false, false, false
	issued := c.Issued.Unix()
	switch {
	case h.ID.Source != id.NodeID():
		return nil, fmt.Errorf("seal card: %w: source 0x%08x is not 0x%08x", ErrInvalid, h.ID.Source, id.NodeID())
	case issued < 0 || issued > 1<<32-1:
		return nil, fmt.Errorf("seal card: %w: issued %v", ErrInvalid, c.Issued)
	}
	if err := h.check(IdentityOverhead + len(c.Name)); err != nil {
		return nil, fmt.Errorf("seal card: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("seal card: %w", err)
	}
	start := len(dst)
	dst = h.append(dst)
	dst = append(dst, id.public[:]...)
	dst = binary.BigEndian.AppendUint32(dst, c.Wanted)
	dst = binary.BigEndian.AppendUint32(dst, uint32(issued))
	dst = append(dst, byte(c.Capabilities))
	dst = append(dst, c.Name...)
	return append(dst, id.sign(signedCard(dst[start:]))...), nil
}

// OpenCard reads an IDENTITY packet and checks its signature, and that its
// source is the node of its key.
func OpenCard(b []byte) (Header, Card, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, Card{}, err
	}
	if h.Type != TypeIdentity {
		return h, Card{}, fmt.Errorf("open card: %w: type %d", ErrInvalid, h.Type)
	}
	end := len(b) - ed25519.SignatureSize
	c := Card{
		Public:       PublicKey(b[identityHeader:]),
		Wanted:       binary.BigEndian.Uint32(b[cardWantedAt:]),
		Issued:       time.Unix(int64(binary.BigEndian.Uint32(b[cardIssuedAt:])), 0).UTC(),
		Capabilities: Capabilities(b[cardCapsAt]),
		Name:         string(b[cardNameAt:end]),
	}
	if c.Public.NodeID() != h.ID.Source || !ed25519.Verify(c.Public[:], signedCard(b[:end]), b[end:]) {
		return h, Card{}, ErrForged
	}
	return h, c, c.check()
}

// signedCard is what the signature of a card covers: a label and all of the
// packet that nobody may change.
func signedCard(unsigned []byte) []byte {
	return canonical([]byte(labelIdentity), unsigned)
}
