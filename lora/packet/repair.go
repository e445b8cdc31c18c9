package packet

import (
	"encoding/binary"
	"fmt"
)

const (
	// MaxWanted is how many runs a NACK has room for.
	MaxWanted = (MaxPacket - askHeader) / runSize
	// MaxFilter is the longest filter of a PULL.
	MaxFilter = MaxPacket - pullHeader

	pullHeader = askHeader + 1
	saltAt     = askHeader
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
	h := Header{Type: TypeNack, Tx: n.Tx, Next: n.Next}
	if err := h.checkOneHop(askHeader + runSize*len(n.Wanted)); err != nil {
		return nil, fmt.Errorf("make repair request: %w", err)
	}
	dst, err := appendRuns(h.appendOneHop(dst), n.Wanted)
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
	if n.Wanted, err = parseRuns(n.Wanted[:0], b[askHeader:]); err != nil {
		return fmt.Errorf("read repair request: %w", err)
	}
	return nil
}

// Pull tells a neighbour which floods the sender has, to be sent what it
// lacks. What the bits of the filter mean is the mesh's business.
type Pull struct {
	Tx     uint16 // short id of who asks
	Next   uint16 // short id of the neighbour asked, or AnyNext
	Salt   uint8
	Filter []byte // 1 to MaxFilter bytes
}

// AppendPull appends a PULL to dst. It fails with ErrInvalid on what ParsePull
// would refuse.
func AppendPull(dst []byte, p *Pull) ([]byte, error) {
	h := Header{Type: TypePull, Tx: p.Tx, Next: p.Next}
	if err := h.checkOneHop(pullHeader + len(p.Filter)); err != nil {
		return nil, fmt.Errorf("make pull: %w", err)
	}
	return append(append(h.appendOneHop(dst), p.Salt), p.Filter...), nil
}

// ParsePull reads a PULL. Its Filter is part of b.
func ParsePull(b []byte) (Pull, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return Pull{}, err
	}
	if h.Type != TypePull {
		return Pull{}, fmt.Errorf("read pull: %w: type %d", ErrInvalid, h.Type)
	}
	return Pull{Tx: h.Tx, Next: h.Next, Salt: b[saltAt], Filter: b[pullHeader:]}, nil
}

// parseOneHop reads the header of the types that nobody relays.
func (h *Header) parseOneHop(b []byte) error {
	if b[optionsAt] != 0 {
		return fmt.Errorf("%w: type %d with options 0x%02x", ErrInvalid, h.Type, b[optionsAt])
	}
	if len(b) < bundleStart {
		return fmt.Errorf("%w: type %d of %d bytes", ErrInvalid, h.Type, len(b))
	}
	h.Tx = binary.BigEndian.Uint16(b[hopTxAt:])
	if h.Type == TypeBundle {
		if err := checkBundle(b); err != nil {
			return err
		}
	} else if len(b) >= askHeader {
		h.Next = binary.BigEndian.Uint16(b[hopNextAt:])
	}
	return h.checkOneHop(len(b))
}

// checkOneHop holds for the header of every packet for one hop, coming or
// going.
func (h *Header) checkOneHop(length int) error {
	least, step := askHeader+runSize, runSize
	switch h.Type {
	case TypePull:
		least, step = pullHeader+1, 1
	case TypeBundle:
		least, step = bundleStart+itemHeader, 1
	}
	switch {
	case length < least || length > MaxPacket || (length-least)%step != 0:
		return fmt.Errorf("%w: type %d of %d bytes", ErrInvalid, h.Type, length)
	case !validShort(h.Tx):
		return fmt.Errorf("%w: transmitter 0x%04x is no node", ErrInvalid, h.Tx)
	case h.Type != TypeBundle && (h.Next == 0 || h.Next == h.Tx):
		return fmt.Errorf("%w: from 0x%04x to 0x%04x", ErrInvalid, h.Tx, h.Next)
	}
	return nil
}

func (h *Header) appendOneHop(dst []byte) []byte {
	dst = append(dst, link, onAirVersion<<4|byte(h.Type), 0)
	dst = binary.BigEndian.AppendUint16(dst, h.Tx)
	if h.Type != TypeBundle {
		dst = binary.BigEndian.AppendUint16(dst, h.Next)
	}
	return dst
}
