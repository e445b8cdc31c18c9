// Package fragment cuts a message that is too long for one packet into shares,
// and joins it from any of them that are enough: as many as there are data
// shares, which are the message itself; the others are Reed–Solomon parity. The
// numbers are those of "Long messages" in firmware/PROTOCOL.md.
//
// Layout and Encode are the sender's half. Assembler is the receiver's: it holds
// what has come of several messages, within bounds, and says when and of what to
// ask for the rest. AppendStatus and ParseStatus are the question. It is pure:
// callers pass the time, and authenticate every share before they add it.
package fragment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/reedsolomon"

	"lorrent/lora/packet"
)

const (
	// MaxBody is the longest message, in bytes.
	MaxBody = 4096
	// MaxShares is how many shares a message may have, parity included: their
	// index is a byte.
	MaxShares = 256
	// Overhead is what the joined message has before its body: length 2, check 4,
	// port 1.
	Overhead = 2 + checkSize + packet.PortSize

	checkSize = 4
	portAt    = 2 + checkSize
)

var (
	// ErrInvalid is a share that can be none of a message, or a message that
	// cannot be cut.
	ErrInvalid = errors.New("invalid share")
	// ErrMixed means that the shares held are not all of one message.
	ErrMixed = errors.New("the shares do not fit together")
)

// Layout is how a message is cut. Senders keep it with the message: with another
// one, shares of the same IDs would differ.
type Layout struct {
	Data  int // shares that the message itself makes
	Total int // those and the parity
}

// parity is how many parity shares go with so many data shares.
func parity(data int) int { return data/4 + 1 }

// LayoutFor is how a message of that many bytes is cut for packets that have room
// for shares of at most size bytes. The error is ErrInvalid when it has no body
// or is longer than Longest.
func LayoutFor(body, size int) (Layout, error) {
	if body < 1 || body > Longest(size) {
		return Layout{}, fmt.Errorf("cut message: %w: %d bytes, want 1 to %d", ErrInvalid, body, Longest(size))
	}
	data := (Overhead + body + size - 1) / size
	return Layout{Data: data, Total: data + parity(data)}, nil
}

// Longest is the longest message for shares of at most size bytes; 0 or less when
// there is no room for any.
func Longest(size int) int {
	const most = (MaxShares - 1) * 4 / 5 // data shares that leave room for their parity
	return min(MaxBody, most*size-Overhead)
}

// Encode cuts a message: Total shares of the same length. The same message and
// layout give the same shares.
func (l Layout) Encode(port packet.Port, body []byte) ([][]byte, error) {
	if l.Data < 1 || l.Total < l.Data || l.Total > MaxShares || len(body) < 1 || len(body) > MaxBody {
		return nil, fmt.Errorf("cut message: %w: %d bytes into %d of %d shares", ErrInvalid, len(body), l.Data, l.Total)
	}
	size := (Overhead + len(body) + l.Data - 1) / l.Data
	all := make([]byte, size*l.Total)
	binary.BigEndian.PutUint16(all, uint16(len(body)))
	all[portAt] = byte(port)
	copy(all[Overhead:], body)
	copy(all[2:], check(all[portAt:Overhead+len(body)]))
	shares := make([][]byte, l.Total)
	for i := range shares {
		shares[i] = all[i*size : (i+1)*size : (i+1)*size]
	}
	code, err := newCode(l.Data, l.Total)
	if err == nil {
		err = code.Encode(shares)
	}
	if err != nil {
		return nil, fmt.Errorf("cut message: %w", err)
	}
	return shares, nil
}

// check covers port and body: it tells shares of one message from a mixture of
// several.
func check(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:checkSize]
}

// newCode is the code that makes so many shares in all. A share does not depend on
// how many more there are. No goroutine is started for shares this short.
func newCode(data, total int) (reedsolomon.Encoder, error) {
	return reedsolomon.New(data, total-data, reedsolomon.WithMaxGoroutines(1), reedsolomon.WithInversionCache(false))
}

// Message is what was sent.
type Message struct {
	Port packet.Port
	Body []byte
}

// join puts a message together from its shares by index, of which nil are not
// there. At least data of them are, all of the same length.
func join(shares [][]byte, data int) (Message, error) {
	code, err := newCode(data, max(len(shares), data))
	if err == nil {
		err = code.ReconstructData(shares)
	}
	if err != nil {
		return Message{}, fmt.Errorf("join message: %w", err)
	}
	all := bytes.Join(shares[:data], nil)
	if len(all) < Overhead {
		return Message{}, fmt.Errorf("join message: %w: %d bytes", ErrInvalid, len(all))
	}
	length := int(binary.BigEndian.Uint16(all))
	if length < 1 || length > MaxBody || length > len(all)-Overhead {
		return Message{}, fmt.Errorf("join message: %w: %d bytes of %d", ErrMixed, length, len(all))
	}
	if !bytes.Equal(check(all[portAt:Overhead+length]), all[2:portAt]) {
		return Message{}, fmt.Errorf("join message: %w", ErrMixed)
	}
	return Message{Port: packet.Port(all[portAt]), Body: all[Overhead : Overhead+length : Overhead+length]}, nil
}
