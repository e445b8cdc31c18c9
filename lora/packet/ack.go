package packet

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// TokenSize is the length of a Token.
const TokenSize = TagSize

// Token is the tag that AES-CCM computes for a directed packet. It never goes
// on the air with the packet, which ends in the token's Lock; an ACK reveals
// it. Only the two holders of the key can compute it, but everyone who has
// the packet can check it, so relays and sender alike believe no false ACK.
type Token [TokenSize]byte

// Lock is what a directed packet has in the place of a tag: the first eight
// bytes of the SHA-256 of a label and the token.
type Lock [TagSize]byte

// Lock computes the token's lock.
func (t Token) Lock() Lock {
	var buffer [len(labelAck) + TokenSize]byte
	copy(buffer[copy(buffer[:], labelAck):], t[:])
	sum := sha256.Sum256(buffer[:])
	return Lock(sum[:TagSize])
}

// Opens says whether t is the token of the packet with that lock.
func (t Token) Opens(lock Lock) bool {
	own := t.Lock()
	return subtle.ConstantTimeCompare(own[:], lock[:]) == 1
}

// LockOf is the lock of b, a ROUTED or directed FRAG that ParseHeader accepts.
func LockOf(b []byte) Lock { return Lock(b[len(b)-TagSize:]) }

// AppendAck appends to dst the ACK of the packet that h.ID names, whose token
// PairKey.Open gave. Attempt is that of the packet; TTL, Tx and Next are the
// ACK's own. For a fragment it acknowledges the whole message.
func AppendAck(dst []byte, h Header, token Token) ([]byte, error) {
	h.Type, h.Directed, h.AckWanted, h.Hop, h.Dest = TypeAck, true, false, false, Short(h.ID.Source)
	if err := h.check(AckPacketSize); err != nil {
		return nil, fmt.Errorf("make acknowledgement: %w", err)
	}
	return append(h.append(dst), token[:]...), nil
}

// AppendHopAck appends to dst the ACK by which a relay says that the packet
// that h.ID names, or its ACK, has reached it. Everyone can forge one: believe
// it no more than that the packet is on its way.
func AppendHopAck(dst []byte, h Header) ([]byte, error) {
	h.Type, h.Directed, h.AckWanted, h.Hop, h.Dest = TypeAck, true, false, true, Short(h.ID.Source)
	if err := h.check(HopAckSize); err != nil {
		return nil, fmt.Errorf("make acknowledgement: %w", err)
	}
	return h.append(dst), nil
}

// ParseAck reads an ACK that is not by a relay. It is worth something only to who has the packet of
// the same ID, if the token opens that packet's lock.
func ParseAck(b []byte) (Header, Token, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, Token{}, err
	}
	if h.Type != TypeAck || h.Hop {
		return h, Token{}, fmt.Errorf("read acknowledgement: %w: type %d, by a relay %v", ErrInvalid, h.Type, h.Hop)
	}
	return h, Token(b[ackHeader:]), nil
}
