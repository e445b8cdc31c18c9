package peerwire

import (
	"errors"
	"fmt"
	"io"
)

const protocol = "\x13BitTorrent protocol"

// ProtocolLen is how many bytes tell a handshake from anything else.
const ProtocolLen = len(protocol)

// IsProtocol reports whether head, the first ProtocolLen bytes of a connection,
// begins a handshake.
func IsProtocol(head []byte) bool { return string(head) == protocol }

// HandshakeLen is the length of a handshake on the wire.
const HandshakeLen = len(protocol) + 8 + 20 + 20

// ErrProtocol says that the other side does not speak BitTorrent.
var ErrProtocol = errors.New("not a BitTorrent handshake")

// Handshake opens a connection, once in each direction (BEP 3).
type Handshake struct {
	Reserved [8]byte
	InfoHash [20]byte
	PeerID   [20]byte
}

// Reserved bits: what a peer supports, by byte and mask.
const (
	extensionByte, extensionBit = 5, 0x10 // BEP 10
	fastByte, fastBit           = 7, 0x04 // BEP 6
	dhtByte, dhtBit             = 7, 0x01 // BEP 5
	v2Byte, v2Bit               = 7, 0x10 // BEP 52
)

// NewHandshake offers the extension protocol and the fast extension.
func NewHandshake(infoHash, peerID [20]byte) Handshake {
	h := Handshake{InfoHash: infoHash, PeerID: peerID}
	h.Reserved[extensionByte] |= extensionBit
	h.Reserved[fastByte] |= fastBit
	return h
}

// OfferDHT says that the sender runs a DHT node.
func (h *Handshake) OfferDHT() { h.Reserved[dhtByte] |= dhtBit }

// Extended reports whether the sender speaks BEP 10.
func (h Handshake) Extended() bool { return h.Reserved[extensionByte]&extensionBit != 0 }

// Fast reports whether the sender speaks BEP 6.
func (h Handshake) Fast() bool { return h.Reserved[fastByte]&fastBit != 0 }

// WithV2 says that the sender speaks BitTorrent v2, and has the torrent as a v2
// one too.
func (h Handshake) WithV2() Handshake {
	h.Reserved[v2Byte] |= v2Bit
	return h
}

// V2 reports whether the sender may be answered with the v2 info hash of a
// hybrid torrent.
func (h Handshake) V2() bool { return h.Reserved[v2Byte]&v2Bit != 0 }

// DHT reports whether the sender runs a DHT node.
func (h Handshake) DHT() bool { return h.Reserved[dhtByte]&dhtBit != 0 }

// Bytes is the handshake as sent.
func (h Handshake) Bytes() []byte {
	b := make([]byte, 0, HandshakeLen)
	b = append(b, protocol...)
	b = append(b, h.Reserved[:]...)
	b = append(b, h.InfoHash[:]...)
	return append(b, h.PeerID[:]...)
}

// ReadHandshake reads one handshake. It returns ErrProtocol as soon as the
// first bytes are wrong, so that a stranger is not waited for.
func ReadHandshake(r io.Reader) (Handshake, error) {
	var h Handshake
	var name [len(protocol)]byte
	if _, err := io.ReadFull(r, name[:]); err != nil {
		return h, fmt.Errorf("read handshake: %w", err)
	}
	if !IsProtocol(name[:]) {
		return h, ErrProtocol
	}
	for _, field := range [][]byte{h.Reserved[:], h.InfoHash[:], h.PeerID[:]} {
		if _, err := io.ReadFull(r, field); err != nil {
			return h, fmt.Errorf("read handshake: %w", err)
		}
	}
	return h, nil
}
