package fragment

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"lorrent/lora/packet"
)

const (
	statusHeader = 2 + 3
	maxStatus    = statusHeader + MaxShares/8
)

// Held is the shares that a receiver has of a message: bit i, from the lowest of
// the first byte on, is share i.
type Held []byte

// Has says whether share i is there.
func (h Held) Has(i int) bool { return i>>3 < len(h) && h[i>>3]>>(i&7)&1 != 0 }

// Count is how many shares are there.
func (h Held) Count() (n int) {
	for _, b := range h {
		n += bits.OnesCount8(b)
	}
	return n
}

func (h Held) add(i int) Held {
	for len(h) <= i>>3 {
		h = append(h, 0)
	}
	h[i>>3] |= 1 << (i & 7)
	return h
}

// AppendStatus appends the body of a status to dst: by which the receiver of a
// direct message tells its source what has come of it.
func AppendStatus(dst []byte, message packet.ID, held Held) []byte {
	dst = binary.BigEndian.AppendUint16(dst, message.Epoch)
	dst = append(dst, byte(message.Sequence>>16), byte(message.Sequence>>8), byte(message.Sequence))
	return append(dst, held...)
}

// ParseStatus reads the body of a status about a message of node source. Held is
// part of b. The error is ErrInvalid.
func ParseStatus(b []byte, source uint32) (message packet.ID, held Held, err error) {
	if len(b) <= statusHeader || len(b) > maxStatus || b[len(b)-1] == 0 {
		return packet.ID{}, nil, fmt.Errorf("read fragment status: %w: %d bytes", ErrInvalid, len(b))
	}
	message = packet.ID{
		Source: source, Epoch: binary.BigEndian.Uint16(b),
		Sequence: uint32(b[2])<<16 | uint32(binary.BigEndian.Uint16(b[3:])),
	}
	return message, Held(b[statusHeader:]), nil
}
