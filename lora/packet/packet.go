package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"
)

const (
	// Broadcast is the address of every node that hears.
	Broadcast uint32 = 0xFFFFFFFF
	// MaxPacket is the longest packet, link byte included.
	MaxPacket = 255
	// MaxText is the longest text of a message, in bytes: what fits into one
	// Routed packet. A Flood has room for four more, which nobody uses, so that
	// one limit holds for every message.
	MaxText = MaxPacket - overhead - 4
	// AckSize is the length of every Ack packet.
	AckSize = headerSize + 4 + crcSize
)

// Type says what a packet is.
type Type uint8

// The types of version 0. Other numbers are reserved.
const (
	Flood  Type = 0 // text for everyone
	Routed Type = 1 // text for one node
	Ack    Type = 2 // the receiver has stored a Routed text
)

// Bits on the air.
const (
	link       = 0xC0 // high nibble: any, as RNode firmware draws it; low nibble: zero
	version    = 0
	flagAck    = 0x40 // an acknowledgement is wanted
	hopLimit   = 0x01 // nobody relays yet
	portText   = 1
	headerSize = 3 + 4 + 2 + 3 // link, type, flags, source, epoch, sequence
	crcSize    = 4
	overhead   = headerSize + 1 + crcSize // of a Flood: header, port, CRC
)

// Errors of Decode, for callers that count them apart.
var (
	ErrForeign = errors.New("not a packet of this network")
	ErrDamaged = errors.New("damaged packet")
	ErrInvalid = errors.New("invalid packet")
)

// Packet is one decoded packet.
type Packet struct {
	Type Type
	// ID of the message. In an Ack it is the message acknowledged, so its
	// Source is the node that the Ack is for.
	ID ID
	// To is the receiver: Broadcast in a Flood, ID.Source in an Ack.
	To uint32
	// From is who sent this packet: ID.Source, except in an Ack.
	From uint32
	Text string // of a Flood or Routed
}

// NewText is a text message, a Flood when to is Broadcast, else a Routed.
func NewText(id ID, to uint32, text string) Packet {
	p := Packet{Type: Routed, ID: id, To: to, From: id.Source, Text: text}
	if to == Broadcast {
		p.Type = Flood
	}
	return p
}

// NewAck is the acknowledgement by which node from says that it has stored
// message id.
func NewAck(id ID, from uint32) Packet {
	return Packet{Type: Ack, ID: id, To: id.Source, From: from}
}

// Encode returns the bytes for the air, link byte first. It fails with
// ErrInvalid on what Decode would refuse.
func Encode(p Packet) ([]byte, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	b := make([]byte, 0, overhead+4+len(p.Text))
	flags := byte(hopLimit)
	if p.Type == Routed {
		flags |= flagAck
	}
	b = append(b, link, version<<4|byte(p.Type), flags)
	b = binary.BigEndian.AppendUint32(b, p.ID.Source)
	b = binary.BigEndian.AppendUint16(b, p.ID.Epoch)
	b = append(b, byte(p.ID.Sequence>>16), byte(p.ID.Sequence>>8), byte(p.ID.Sequence))
	switch p.Type {
	case Flood:
		b = append(b, portText)
	case Routed:
		b = binary.BigEndian.AppendUint32(b, p.To)
		b = append(b, portText)
	case Ack:
		b = binary.BigEndian.AppendUint32(b, p.From)
	}
	b = append(b, p.Text...)
	return binary.BigEndian.AppendUint32(b, checksum(b)), nil
}

// Decode reads one packet. The error is ErrForeign when the bytes belong to
// another network or version, ErrDamaged when the CRC disagrees, and
// ErrInvalid when the sender is wrong; each says what and where.
func Decode(b []byte) (Packet, error) {
	switch {
	case len(b) < overhead:
		return Packet{}, fmt.Errorf("%w: %d bytes, want at least %d", ErrForeign, len(b), overhead)
	case len(b) > MaxPacket:
		return Packet{}, fmt.Errorf("%w: %d bytes, want at most %d", ErrForeign, len(b), MaxPacket)
	case b[0]&0x0F != 0:
		return Packet{}, fmt.Errorf("%w: link byte 0x%02x", ErrForeign, b[0])
	case b[1]>>4 != version:
		return Packet{}, fmt.Errorf("%w: version %d, want %d", ErrForeign, b[1]>>4, version)
	}
	body := b[:len(b)-crcSize]
	if got, want := checksum(body), binary.BigEndian.Uint32(b[len(body):]); got != want {
		return Packet{}, fmt.Errorf("%w: checksum 0x%08x, want 0x%08x", ErrDamaged, want, got)
	}
	p := Packet{
		Type: Type(b[1] & 0x0F),
		ID: ID{
			Source:   binary.BigEndian.Uint32(b[3:]),
			Epoch:    binary.BigEndian.Uint16(b[7:]),
			Sequence: uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11]),
		},
	}
	if err := p.decodeBody(b[2], body[headerSize:]); err != nil {
		return Packet{}, err
	}
	return p, check(p)
}

// decodeBody reads what follows the header. The hop limit in flags is of no
// interest to a receiver.
func (p *Packet) decodeBody(flags byte, rest []byte) error {
	wantFlags, address := byte(0), 4
	switch p.Type {
	case Flood:
		p.To, p.From, address = Broadcast, p.ID.Source, 0
	case Routed:
		wantFlags = flagAck
	case Ack:
		p.To = p.ID.Source
	default:
		return fmt.Errorf("%w: type %d of a later version", ErrForeign, p.Type)
	}
	if flags&0xF0 != wantFlags {
		return fmt.Errorf("%w: flags 0x%02x in type %d", ErrInvalid, flags, p.Type)
	}
	if len(rest) < address {
		return fmt.Errorf("%w: type %d ends within its address", ErrInvalid, p.Type)
	}
	switch p.Type {
	case Routed:
		p.To, p.From = binary.BigEndian.Uint32(rest), p.ID.Source
	case Ack:
		p.From = binary.BigEndian.Uint32(rest)
		if len(rest) > address {
			return fmt.Errorf("%w: %d bytes after an acknowledgement", ErrInvalid, len(rest)-address)
		}
		return nil
	}
	rest = rest[address:]
	if len(rest) == 0 || rest[0] != portText {
		return fmt.Errorf("%w: no text port", ErrInvalid)
	}
	p.Text = string(rest[1:])
	return nil
}

// check holds for every packet, coming or going.
func check(p Packet) error {
	switch {
	case !isNode(p.ID.Source):
		return fmt.Errorf("%w: source 0x%08x is no node", ErrInvalid, p.ID.Source)
	case p.ID.Sequence > MaxSequence:
		return fmt.Errorf("%w: sequence %d, want at most %d", ErrInvalid, p.ID.Sequence, MaxSequence)
	}
	switch p.Type {
	case Flood, Routed:
		if (p.Type == Flood) != (p.To == Broadcast) || p.To == 0 || p.To == p.From || p.From != p.ID.Source {
			return fmt.Errorf("%w: type %d from 0x%08x to 0x%08x", ErrInvalid, p.Type, p.From, p.To)
		}
		return CheckText(p.Text)
	case Ack:
		if !isNode(p.From) || p.From == p.To || p.To != p.ID.Source || p.Text != "" {
			return fmt.Errorf("%w: acknowledgement from 0x%08x to 0x%08x", ErrInvalid, p.From, p.To)
		}
		return nil
	}
	return fmt.Errorf("%w: type %d", ErrInvalid, p.Type)
}

// CheckText says whether text can travel: UTF-8, 1 to MaxText bytes.
func CheckText(text string) error {
	switch {
	case text == "":
		return fmt.Errorf("%w: no text", ErrInvalid)
	case len(text) > MaxText:
		return fmt.Errorf("%w: text of %d bytes, want at most %d", ErrInvalid, len(text), MaxText)
	case !utf8.ValidString(text):
		return fmt.Errorf("%w: text is not UTF-8", ErrInvalid)
	}
	return nil
}

// isNode says whether id can be the address of one node.
func isNode(id uint32) bool { return id != 0 && id != Broadcast }

// checksum covers everything between the link byte, which RNode firmware
// replaces, and the checksum itself.
func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b[1:]) }
