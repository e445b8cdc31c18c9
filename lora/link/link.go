// Package link is the host's half of the board link, version 1, between a
// daemon and a board with our firmware: frames, and the messages in them. The
// second half of firmware/PROTOCOL.md owns the numbers.
//
// A frame is COBS (Cheshire and Baker, 1999) around type, sequence, body and a
// CRC-16, ended by a zero byte. What does not check is skipped, and the next
// zero byte begins anew. Everything is bounded and pure: no goroutine, no
// clock; the Decoder reads from whatever the caller gives it.
package link

import (
	"errors"
	"fmt"
)

// Version of the link that this package speaks.
const Version = 1

// Limits of a frame, in bytes.
const (
	MaxBody = 300
	// maxPlain has type, sequence and CRC too, and maxStuffed what COBS adds.
	maxPlain   = 1 + 1 + MaxBody + 2
	maxStuffed = maxPlain + maxPlain/254 + 1
	minPlain   = 4
)

// Type says what a frame is.
type Type byte

// Commands of the host. The answer to one has its type with Answered set.
const (
	TypeHello   Type = 0x01
	TypePing    Type = 0x02
	TypeRadio   Type = 0x03
	TypeTx      Type = 0x04
	TypeCancel  Type = 0x05
	TypeStatus  Type = 0x06
	TypeDisplay Type = 0x07
	TypeStore   Type = 0x08
	TypeStored  Type = 0x09
	TypeReboot  Type = 0x0A
)

// Answered is the bit that makes a command's type that of its answer.
const Answered Type = 0x80

// Reports of the board.
const (
	TypeStarted   Type = 0xC0
	TypeTxDone    Type = 0xC1
	TypeTxDropped Type = 0xC2
	TypeRx        Type = 0xC3
	TypeState     Type = 0xC4
	TypeLog       Type = 0xC5
)

// The simulated radio: SET, SEND and LISTEN of a node, the rest of the air.
const (
	TypeAirSet      Type = 0x40
	TypeAirSend     Type = 0x41
	TypeAirListen   Type = 0x42
	TypeAirSent     Type = 0xE0
	TypeAirListened Type = 0xE1
	TypeAirHeard    Type = 0xE2
	TypeAirSignal   Type = 0xE3
)

// IsAnswer says whether a frame of the type answers a command.
func (t Type) IsAnswer() bool { return t >= 0x81 && t <= 0xBF }

// Frame is one frame of the link. Body is at most MaxBody bytes.
type Frame struct {
	Type     Type
	Sequence uint8
	Body     []byte
}

// Status of an answer. All but OK are errors.
type Status byte

// What a board answers.
const (
	OK           Status = 0
	Unknown      Status = 1 // no such command
	Malformed    Status = 2 // wrong length
	BadValue     Status = 3
	Full         Status = 4
	NoRadio      Status = 5
	NoSuchID     Status = 6
	FlashFailed  Status = 7
	OtherVersion Status = 8
	NoHello      Status = 9
)

func (s Status) Error() string {
	texts := [...]string{"ok", "command not known", "wrong length", "value that cannot be", "queue is full",
		"radio is not set or does not answer", "no such transmission", "flash cannot be written",
		"no common version of the link", "hello comes first"}
	if int(s) < len(texts) {
		return "board: " + texts[s]
	}
	return fmt.Sprintf("board: status %d", byte(s))
}

// ErrMalformed means that a frame is sound, and what is in it makes no sense.
var ErrMalformed = errors.New("malformed message")
