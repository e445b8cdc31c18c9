// Package holepunch is the message by which two peers that cannot call each
// other get a third one, connected to both, to make them do so at the same
// time: the ut_holepunch extension.
//
// Rules: a message has its exact length, but for the error code, which is
// read only from errors and may be missing elsewhere: libtorrent leaves it out
// although BEP 55 has it everywhere. Whom to introduce to whom, how often, and
// whether to believe it, is the engine's business.
//
// Spec: BEP 55, carried by BEP 10.
package holepunch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Name is the extension's key in the extension handshake's m.
const Name = "ut_holepunch"

// Type says what a message is for.
type Type uint8

const (
	Rendezvous Type = 0 // to the third peer: introduce me to Addr
	Connect    Type = 1 // from the third peer: call Addr over uTP now
	Failed     Type = 2 // from the third peer: there will be no introduction to Addr
)

// Code says why an introduction has failed.
type Code uint32

const (
	NoSuchPeer   Code = 1 // the address is none
	NotConnected Code = 2 // the third peer is not connected to it
	NoSupport    Code = 3 // it does not speak this extension
	NoSelf       Code = 4 // it is the third peer, or the one who asks
)

func (c Code) String() string {
	switch c {
	case NoSuchPeer:
		return "no such peer"
	case NotConnected:
		return "not connected to the peer"
	case NoSupport:
		return "the peer does not speak the extension"
	case NoSelf:
		return "the peer is one of us"
	}
	return fmt.Sprintf("error %d", uint32(c))
}

// Message is one message. Code is zero in all but Failed.
type Message struct {
	Type Type
	Addr netip.AddrPort
	Code Code
}

const (
	ipv4, ipv6 = 0, 1 // kinds of addresses
	codeLen    = 4    // bytes
)

// Decode reads a message.
func Decode(b []byte) (m Message, err error) {
	if len(b) < 2 {
		return m, errors.New("holepunch message: cut")
	}
	var size int
	switch b[1] {
	case ipv4:
		size = 4
	case ipv6:
		size = 16
	default:
		return m, fmt.Errorf("holepunch message: address of kind %d", b[1])
	}
	m.Type = Type(b[0])
	if m.Type > Failed {
		return Message{}, fmt.Errorf("holepunch message: type %d", m.Type)
	}
	rest := b[2:]
	short := size + 2
	if len(rest) != short+codeLen && (len(rest) != short || m.Type == Failed) {
		return Message{}, fmt.Errorf("holepunch message: %d bytes", len(b))
	}
	ip, _ := netip.AddrFromSlice(rest[:size])
	m.Addr = netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(rest[size:]))
	if m.Type == Failed {
		m.Code = Code(binary.BigEndian.Uint32(rest[short:]))
	}
	return m, nil
}

// Append appends a message.
func Append(b []byte, m Message) []byte {
	ip, kind := m.Addr.Addr().Unmap(), byte(ipv4)
	if ip.Is6() {
		kind = ipv6
	}
	b = append(b, byte(m.Type), kind)
	b = append(b, ip.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, m.Addr.Port())
	return binary.BigEndian.AppendUint32(b, uint32(m.Code))
}
