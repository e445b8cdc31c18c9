package packet

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
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
// ACK's own. For a fragment it acknowledges the whole message. With h.Brief the ACK does
// not name the packet: next has that, and finds it by the token.
func AppendAck(dst []byte, h Header, token Token) ([]byte, error) {
	if h.Brief {
		return appendBriefAck(dst, h, token)
	}
	h.Type, h.Directed, h.AckWanted, h.Hop, h.Dest = TypeAck, true, false, false, Short(h.ID.Source)
	if err := h.check(AckPacketSize); err != nil {
		return nil, fmt.Errorf("make acknowledgement: %w", err)
	}
	return append(h.append(dst), token[:]...), nil
}

// appendBriefAck is AppendAck for a brief one: of h only Attempt, TTL, Tx and Next go on
// the air.
func appendBriefAck(dst []byte, h Header, token Token) ([]byte, error) {
	h = Header{Type: TypeAck, Brief: true, Attempt: h.Attempt, TTL: h.TTL, Tx: h.Tx, Next: h.Next}
	if err := h.checkBrief(); err != nil {
		return nil, fmt.Errorf("make acknowledgement: %w", err)
	}
	dst = append(dst, link, onAirVersion<<4|byte(h.Type), h.options())
	dst = binary.BigEndian.AppendUint16(dst, h.Tx)
	dst = binary.BigEndian.AppendUint16(dst, h.Next)
	return append(dst, token[:]...), nil
}

// parseBrief reads the header of a brief ACK.
func (h *Header) parseBrief(b []byte) error {
	if h.Hop || len(b) != BriefAckSize {
		return fmt.Errorf("%w: brief acknowledgement of %d bytes, by a relay %v", ErrInvalid, len(b), h.Hop)
	}
	h.Tx = binary.BigEndian.Uint16(b[hopTxAt:])
	h.Next = binary.BigEndian.Uint16(b[hopNextAt:])
	return h.checkBrief()
}

// checkBrief holds for the header of every brief ACK, coming or going.
func (h *Header) checkBrief() error {
	switch {
	case h.Attempt > MaxAttempt || h.TTL > MaxTTL:
		return fmt.Errorf("%w: attempt %d, TTL %d", ErrInvalid, h.Attempt, h.TTL)
	case !validShort(h.Tx):
		return fmt.Errorf("%w: transmitter 0x%04x is no node", ErrInvalid, h.Tx)
	case !validShort(h.Next):
		return fmt.Errorf("%w: next hop 0x%04x is no node", ErrInvalid, h.Next)
	}
	return nil
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

// ParseAck reads an ACK that is not by a relay. It is worth something only to who has the
// packet of the same ID, if the token opens that packet's lock; a brief one to who has any
// that it opens.
func ParseAck(b []byte) (Header, Token, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, Token{}, err
	}
	if h.Type != TypeAck || h.Hop {
		return h, Token{}, fmt.Errorf("read acknowledgement: %w: type %d, by a relay %v", ErrInvalid, h.Type, h.Hop)
	}
	return h, Token(b[len(b)-TokenSize:]), nil
}
