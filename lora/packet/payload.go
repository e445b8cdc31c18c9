package packet

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Port says what the body of a FLOOD or ROUTED is: 0 to 31.
type Port uint8

// The ports of version 1. Bodies are for the layer above to read, except
// where a function of this package does.
const (
	PortText           Port = 1 // UTF-8, not empty
	PortPosition       Port = 2
	PortTelemetry      Port = 3
	PortCommand        Port = 4 // for the daemon, from allowed contacts
	PortFile           Port = 5
	PortFragmentStatus Port = 6 // ROUTED: which shares of a message are missing
	PortStatement      Port = 7 // FLOOD: a Statement about earlier floods
	PortRead           Port = 8 // ROUTED: a message was read
	PortPing           Port = 9 // ROUTED: to be acknowledged, and no more

	maxPort = 31
	// The byte in front of a body is one that no text begins with: a text by itself
	// needs none.
	portMark  = 0x80
	portMarks = 0xC0 // the bits that tell
	portAcked = 0x20 // AckedSize bytes follow
)

// Payload is what a sealed packet carries.
type Payload struct {
	// Port of a FLOOD or ROUTED.
	Port Port
	// Acked is a packet of the receiver that the sender of a ROUTED has
	// stored; Source 0 for none.
	Acked ID
	// Index of the share that a FRAG carries, and how many data shares the
	// message has. Shares from Data on are parity. A fragment's sequence less
	// its Index is the sequence of the message.
	Index, Data uint8
	// Body, or share of a FRAG.
	Body []byte
}

// MessageID is the ID of the message that packet id is a fragment of, the
// Index-th. It is what all its fragments share.
func MessageID(id ID, index uint8) (ID, error) {
	first := id
	first.Sequence -= uint32(index)
	if uint32(index) > id.Sequence || LaneOf(first.Sequence) != LaneOf(id.Sequence) {
		return ID{}, fmt.Errorf("%w: fragment %d with sequence 0x%06x", ErrInvalid, index, id.Sequence)
	}
	return first, nil
}

// size is how long the payload is as plaintext.
func (p *Payload) size(h *Header) int {
	switch {
	case h.Type == TypeFragment:
		return FragmentSize + len(p.Body)
	case p.Acked.Source != 0:
		return PortSize + AckedSize + len(p.Body)
	case p.Port == PortText:
		return len(p.Body)
	}
	return PortSize + len(p.Body)
}

// check holds for every payload, coming or going.
func (p *Payload) check(h *Header) error {
	if h.Type == TypeFragment {
		if p.Data == 0 || len(p.Body) == 0 {
			return fmt.Errorf("%w: fragment with %d data shares, %d bytes", ErrInvalid, p.Data, len(p.Body))
		}
		_, err := MessageID(h.ID, p.Index)
		return err
	}
	switch {
	case p.Port == 0 || p.Port > maxPort:
		return fmt.Errorf("%w: port %d, want 1 to %d", ErrInvalid, p.Port, maxPort)
	case p.Acked.Source != 0 && (h.Type != TypeRouted || LaneOf(p.Acked.Sequence) != LaneDirect || p.Acked.Sequence > MaxSequence):
		return fmt.Errorf("%w: type %d acknowledges %v", ErrInvalid, h.Type, p.Acked)
	case p.Port == PortText && (len(p.Body) == 0 || !utf8.Valid(p.Body)):
		return fmt.Errorf("%w: text of %d bytes is empty or not UTF-8", ErrInvalid, len(p.Body))
	}
	return nil
}

// append writes the payload as plaintext.
func (p *Payload) append(dst []byte, h *Header) []byte {
	switch {
	case h.Type == TypeFragment:
		dst = append(dst, p.Index, p.Data)
	case p.Acked.Source != 0:
		dst = append(dst, portMark|portAcked|byte(p.Port))
		dst = binary.BigEndian.AppendUint16(dst, p.Acked.Epoch)
		dst = appendUint24(dst, p.Acked.Sequence)
	case p.Port != PortText:
		dst = append(dst, portMark|byte(p.Port))
	}
	return append(dst, p.Body...)
}

// parsePayload reads an authenticated plaintext, which the payload's Body then
// is part of. The receiver, self, is the source of what it acknowledges.
func parsePayload(plain []byte, h *Header, self uint32) (Payload, error) {
	var p Payload
	if h.Type == TypeFragment { // ParseHeader has made sure of three bytes
		p = Payload{Index: plain[0], Data: plain[1], Body: plain[FragmentSize:]}
		return p, p.check(h)
	}
	first := plain[0] // and here of one
	switch {
	case reserved(first):
		return Payload{}, fmt.Errorf("%w: plaintext that begins with 0x%02x, of a later version", ErrForeign, first)
	case first&portMarks != portMark:
		p.Port, p.Body = PortText, plain
		return p, p.check(h)
	}
	p.Port, p.Body = Port(first&maxPort), plain[PortSize:]
	if p.Port == PortText && first&portAcked == 0 {
		return Payload{}, fmt.Errorf("%w: text with a port", ErrInvalid)
	}
	if first&portAcked != 0 {
		if len(p.Body) < AckedSize {
			return Payload{}, fmt.Errorf("%w: ends within an acknowledgement", ErrInvalid)
		}
		p.Acked = ID{Source: self, Epoch: binary.BigEndian.Uint16(p.Body), Sequence: uint24(p.Body[2:])}
		p.Body = p.Body[AckedSize:]
		if self == 0 {
			return Payload{}, fmt.Errorf("%w: acknowledgement in type %d", ErrInvalid, h.Type)
		}
	}
	return p, p.check(h)
}

// reserved says whether a later version may begin a plaintext so: no text does, and no
// port.
func reserved(first byte) bool { return first == 0xC0 || first == 0xC1 || first > 0xF4 }
