package packet

import (
	"errors"
	"fmt"
	"strconv"
)

// MaxSequence is the largest Sequence of an ID.
const MaxSequence = 1<<24 - 1

// ID names a packet for good: no sender uses one twice.
type ID struct {
	Source   uint32
	Epoch    uint16 // drawn at random at every start of the sender
	Sequence uint32 // 24 bits, counting up through restarts
}

// String writes the ID as 18 hex digits: source, epoch, sequence.
func (id ID) String() string {
	return fmt.Sprintf("%08x%04x%06x", id.Source, id.Epoch, id.Sequence)
}

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	if len(s) != 18 {
		return ID{}, fmt.Errorf("message id %q: want 18 hex digits", s)
	}
	source, err1 := strconv.ParseUint(s[:8], 16, 32)
	epoch, err2 := strconv.ParseUint(s[8:12], 16, 16)
	sequence, err3 := strconv.ParseUint(s[12:], 16, 24)
	if err := errors.Join(err1, err2, err3); err != nil {
		return ID{}, fmt.Errorf("message id %q: want 18 hex digits", s)
	}
	return ID{Source: uint32(source), Epoch: uint16(epoch), Sequence: uint32(sequence)}, nil
}

// Lane is one of the two halves of the sequence numbers of a node, told apart
// by the top bit. Each is counted by itself, so that the numbers in LaneFlood
// have no gaps but those that are worth repairing.
type Lane uint8

const (
	// LaneFlood numbers what everyone should get: FLOOD, and FRAG to a channel.
	LaneFlood Lane = 0
	// LaneDirect numbers the rest.
	LaneDirect Lane = 1

	laneBit  = 1 << 23
	laneSize = laneBit // numbers in a lane
)

// LaneOf is the lane of a sequence number.
func LaneOf(sequence uint32) Lane {
	if sequence&laneBit != 0 {
		return LaneDirect
	}
	return LaneFlood
}
