// Package peerwire is the BitTorrent peer protocol as bytes: the handshake,
// the messages, and a bounded reader that puts blocks where they belong
// without a second copy.
//
// Specifications: BEP 3 (protocol), BEP 6 (fast extension), BEP 10 (extension
// protocol), BEP 5 (the port message), BEP 52 (hash messages). Integers are big-endian. The package
// knows nothing about torrents: whether an index exists is its caller's
// business, whether a length can be is its own.
package peerwire

import (
	"encoding/binary"

	"lorrent/daemon/torrent/hashtree"
)

// ID is the type byte of a message.
type ID uint8

// Message types. KeepAlive is not on the wire: it stands for a message of
// length zero, which has no type.
const (
	Choke         ID = 0
	Unchoke       ID = 1
	Interested    ID = 2
	NotInterested ID = 3
	Have          ID = 4
	Bitfield      ID = 5
	Request       ID = 6
	Piece         ID = 7
	Cancel        ID = 8
	Port          ID = 9
	Suggest       ID = 13
	HaveAll       ID = 14
	HaveNone      ID = 15
	Reject        ID = 16
	AllowedFast   ID = 17
	Extended      ID = 20
	HashRequest   ID = 21
	Hashes        ID = 22
	HashReject    ID = 23
	KeepAlive     ID = 255
)

// The hash messages of BEP 52 are as long as this, and Hashes at most as long as
// its limit. What is in them is package hashtree's business.
const (
	hashRequestLen = 1 + hashtree.RequestLen
	maxHashes      = 1 + hashtree.MaxAnswer
)

// BlockSize is the largest block that is asked for and served: 16 KiB, the
// size every client uses.
const BlockSize = 16 * 1024

// PieceHeaderLen is the length of a piece message before its block.
const PieceHeaderLen = 13

// AppendMessage appends a message without payload.
func AppendMessage(b []byte, id ID) []byte {
	return append(b, 0, 0, 0, 1, byte(id))
}

// AppendKeepAlive appends the empty message.
func AppendKeepAlive(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// AppendIndex appends a message whose payload is one piece index: Have,
// Suggest or AllowedFast.
func AppendIndex(b []byte, id ID, index uint32) []byte {
	b = append(b, 0, 0, 0, 5, byte(id))
	return binary.BigEndian.AppendUint32(b, index)
}

// AppendBlock appends a message whose payload names a block: Request, Cancel
// or Reject.
func AppendBlock(b []byte, id ID, index, begin, length uint32) []byte {
	b = append(b, 0, 0, 0, 13, byte(id))
	b = binary.BigEndian.AppendUint32(b, index)
	b = binary.BigEndian.AppendUint32(b, begin)
	return binary.BigEndian.AppendUint32(b, length)
}

// AppendPieceHeader appends what precedes a block of length bytes.
func AppendPieceHeader(b []byte, index, begin, length uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, 9+length)
	b = append(b, byte(Piece))
	b = binary.BigEndian.AppendUint32(b, index)
	return binary.BigEndian.AppendUint32(b, begin)
}

// AppendBitfield appends a bitfield in wire order.
func AppendBitfield(b, bits []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(bits)))
	b = append(b, byte(Bitfield))
	return append(b, bits...)
}

// AppendPort appends the UDP port of our DHT node (BEP 5).
func AppendPort(b []byte, port uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 3, byte(Port)), port)
}

// AppendExtended appends an extension message (BEP 10). Extension 0 is the
// extension handshake.
func AppendExtended(b []byte, extension uint8, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(2+len(payload)))
	b = append(b, byte(Extended), extension)
	return append(b, payload...)
}

// AppendHash appends a hash message: HashRequest, Hashes or HashReject.
func AppendHash(b []byte, id ID, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(payload)))
	b = append(b, byte(id))
	return append(b, payload...)
}
