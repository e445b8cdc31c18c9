package utp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// kind is the type of a packet (BEP 29).
type kind uint8

const (
	kindData kind = iota
	kindFin
	kindState
	kindReset
	kindSyn
)

const (
	version   = 1
	headerLen = 20

	extensionSack    = 1   // BEP 29
	extensionPadding = 255 // ours: unknown to everyone, so skipped by everyone
)

var errNotUTP = errors.New("not a uTP packet")

// packet is one decoded packet. sack and payload lie in the bytes it was
// decoded from.
type packet struct {
	kind    kind
	id      uint16
	stamp   uint32 // sender's clock when it was sent, microseconds
	delay   uint32 // what the sender measured of our last packet, microseconds; 0 when it has not
	window  uint32 // bytes the sender can still take
	seq     uint16
	ack     uint16
	sack    []byte // selective acknowledgement; nil without one
	payload []byte
}

// parsePacket decodes a datagram. It returns errNotUTP for what another
// protocol may have sent, and other errors for broken uTP.
func parsePacket(b []byte) (packet, error) {
	if len(b) < headerLen || b[0]&0x0f != version || kind(b[0]>>4) > kindSyn {
		return packet{}, errNotUTP
	}
	p := packet{
		kind:   kind(b[0] >> 4),
		id:     binary.BigEndian.Uint16(b[2:]),
		stamp:  binary.BigEndian.Uint32(b[4:]),
		delay:  binary.BigEndian.Uint32(b[8:]),
		window: binary.BigEndian.Uint32(b[12:]),
		seq:    binary.BigEndian.Uint16(b[16:]),
		ack:    binary.BigEndian.Uint16(b[18:]),
	}
	rest := b[headerLen:]
	for next := b[1]; next != 0; {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return packet{}, fmt.Errorf("decode uTP packet: extension %d ends after %d bytes", next, len(b))
		}
		body := rest[2 : 2+int(rest[1])]
		if next == extensionSack {
			p.sack = body // of any length: libtorrent does not keep to multiples of four
		}
		next, rest = rest[0], rest[2+len(body):]
	}
	p.payload = rest
	return p, nil
}

// putHeader writes the header of p into the first headerLen bytes of b.
func (p *packet) putHeader(b []byte, extension byte) {
	_ = b[headerLen-1]
	b[0] = byte(p.kind)<<4 | version
	b[1] = extension
	binary.BigEndian.PutUint16(b[2:], p.id)
	binary.BigEndian.PutUint32(b[4:], p.stamp)
	binary.BigEndian.PutUint32(b[8:], p.delay)
	binary.BigEndian.PutUint32(b[12:], p.window)
	binary.BigEndian.PutUint16(b[16:], p.seq)
	binary.BigEndian.PutUint16(b[18:], p.ack)
}

// before reports whether a comes before b, counting modulo 2^16.
func before(a, b uint16) bool { return int16(a-b) < 0 }

// putPadding fills b with a chain of padding extensions that ends the chain of
// extensions. len(b) must not be 1.
func putPadding(b []byte) {
	for len(b) > 0 {
		n := min(len(b), 2+255)
		if len(b)-n == 1 {
			n-- // an extension takes two bytes at least
		}
		clear(b[:n])
		if n < len(b) {
			b[0] = extensionPadding
		}
		b[1] = byte(n - 2)
		b = b[n:]
	}
}
