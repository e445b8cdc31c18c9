package packet

import (
	"encoding/binary"
	"fmt"
)

const (
	nackHeader = 7
	nackTxAt   = 3
	nackNextAt = 5

	// MaxWanted is how many runs a NACK has room for.
	MaxWanted = (MaxPacket - nackHeader) / runSize
)

// Nack asks a neighbour to send again, for one hop, floods that it keeps.
type Nack struct {
	Tx     uint16 // short id of who asks
	Next   uint16 // short id of the neighbour asked, or AnyNext
	Wanted []Run  // 1 to MaxWanted
}

// AppendNack appends a NACK to dst. It fails with ErrInvalid on what ParseNack
// would refuse.
func AppendNack(dst []byte, n *Nack) ([]byte, error) {
	if !validShort(n.Tx) || n.Next == 0 || n.Next == n.Tx {
		return nil, fmt.Errorf("make repair request: %w: from 0x%04x to 0x%04x", ErrInvalid, n.Tx, n.Next)
	}
	if len(n.Wanted) == 0 || len(n.Wanted) > MaxWanted {
		return nil, fmt.Errorf("make repair request: %w: %d runs, want 1 to %d", ErrInvalid, len(n.Wanted), MaxWanted)
	}
	dst = append(dst, link, onAirVersion<<4|byte(TypeNack), 0)
	dst = binary.BigEndian.AppendUint16(dst, n.Tx)
	dst = binary.BigEndian.AppendUint16(dst, n.Next)
	dst, err := appendRuns(dst, n.Wanted)
	if err != nil {
		return nil, fmt.Errorf("make repair request: %w", err)
	}
	return dst, nil
}

// ParseNack reads a NACK into n, whose slice it uses again.
func ParseNack(b []byte, n *Nack) error {
	h, err := ParseHeader(b)
	if err != nil {
		return err
	}
	if h.Type != TypeNack {
		return fmt.Errorf("read repair request: %w: type %d", ErrInvalid, h.Type)
	}
	n.Tx, n.Next = h.Tx, h.Next
	if n.Wanted, err = parseRuns(n.Wanted[:0], b[nackHeader:]); err != nil {
		return fmt.Errorf("read repair request: %w", err)
	}
	return nil
}

// parseNack reads the header of a NACK and checks its length.
func (h *Header) parseNack(b []byte) error {
	runs := len(b) - nackHeader
	if runs < runSize || runs%runSize != 0 {
		return fmt.Errorf("%w: repair request of %d bytes", ErrInvalid, len(b))
	}
	h.Tx, h.Next = binary.BigEndian.Uint16(b[nackTxAt:]), binary.BigEndian.Uint16(b[nackNextAt:])
	switch {
	case b[optionsAt] != 0:
		return fmt.Errorf("%w: repair request with options 0x%02x", ErrInvalid, b[optionsAt])
	case !validShort(h.Tx) || h.Next == 0 || h.Next == h.Tx:
		return fmt.Errorf("%w: repair request from 0x%04x to 0x%04x", ErrInvalid, h.Tx, h.Next)
	}
	return nil
}
