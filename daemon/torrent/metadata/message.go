// Package metadata gets a torrent's info dictionary from its peers and gives
// it to them: the ut_metadata extension.
//
// Message is what travels; Fetch decides whom to ask for what, and which of
// those who answer is lying. Both are pure: no socket, no goroutine, no clock
// of their own. How long the dictionary is, only its hash can confirm, so
// Fetch believes nobody: a wrong size or wrong content costs its sender the
// connection and nobody else anything. Memory grows with what has arrived,
// never with what was claimed.
//
// Spec: BEP 9 ("Metadata extension"), carried by BEP 10.
package metadata

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/anacrolix/torrent/bencode"
)

const (
	// Name is the extension's key in the extension handshake's m.
	Name = "ut_metadata"
	// PieceSize is the length in bytes of every piece but the last.
	PieceSize = 16 << 10
	// MaxSize is the length in bytes of the longest info dictionary that is
	// fetched.
	MaxSize = 30 << 20
)

// Type says what a message is for.
type Type int

const (
	Request Type = 0
	Data    Type = 1
	Reject  Type = 2
)

// Message is one ut_metadata message. TotalSize is 0 when it was not given.
type Message struct {
	Type      Type
	Piece     int
	TotalSize int
	Payload   []byte // of Data, a part of what was decoded
}

// NumPieces is the number of pieces of size bytes.
func NumPieces(size int) int { return (size + PieceSize - 1) / PieceSize }

// pieceLength is the length of one piece of size bytes.
func pieceLength(size, piece int) int { return min(PieceSize, size-piece*PieceSize) }

// Decode reads a message. Types other than the three are no error: BEP 9 wants
// them ignored.
func Decode(b []byte) (m Message, err error) {
	var head struct {
		Type      *int64 `bencode:"msg_type"`
		Piece     *int64 `bencode:"piece"`
		TotalSize int64  `bencode:"total_size"`
	}
	err = bencode.Unmarshal(b, &head)
	var trailing bencode.ErrUnusedTrailingBytes
	switch {
	case errors.As(err, &trailing):
		m.Payload = b[len(b)-trailing.NumUnusedBytes:]
	case err != nil:
		return Message{}, fmt.Errorf("metadata message: %w", err)
	}
	switch {
	case head.Type == nil || head.Piece == nil:
		return Message{}, errors.New("metadata message: msg_type or piece is missing")
	case *head.Piece < 0 || *head.Piece >= int64(NumPieces(MaxSize)):
		return Message{}, fmt.Errorf("metadata message: piece %d", *head.Piece)
	case head.TotalSize < 0 || head.TotalSize > MaxSize:
		return Message{}, fmt.Errorf("metadata message: total_size %d", head.TotalSize)
	case len(m.Payload) > PieceSize:
		return Message{}, fmt.Errorf("metadata message: %d bytes of data", len(m.Payload))
	}
	m.Type, m.Piece, m.TotalSize = Type(*head.Type), int(*head.Piece), int(head.TotalSize)
	if *head.Type < 0 || *head.Type > 255 {
		m.Type = 255 // unknown, whatever it is
	}
	return m, nil
}

// AppendRequest appends a request for a piece.
func AppendRequest(b []byte, piece int) []byte { return appendHead(b, Request, piece, 0) }

// AppendReject appends a refusal to send a piece.
func AppendReject(b []byte, piece int) []byte { return appendHead(b, Reject, piece, 0) }

// AppendData appends a piece of info, which must have it.
func AppendData(b, info []byte, piece int) []byte {
	b = appendHead(b, Data, piece, len(info))
	from := piece * PieceSize
	return append(b, info[from:from+pieceLength(len(info), piece)]...)
}

func appendHead(b []byte, t Type, piece, totalSize int) []byte {
	b = append(b, "d8:msg_typei"...)
	b = strconv.AppendInt(b, int64(t), 10)
	b = append(b, "e5:piecei"...)
	b = strconv.AppendInt(b, int64(piece), 10)
	if totalSize > 0 {
		b = append(b, "e10:total_sizei"...)
		b = strconv.AppendInt(b, int64(totalSize), 10)
	}
	return append(b, "ee"...)
}
