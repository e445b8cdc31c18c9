package packet

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// SettingCounter is the key under which a Counter keeps its state.
	SettingCounter = "lora.counter"
	// CounterBlock is how many sequences of a lane a Counter reserves at once,
	// and so the most that a crash leaves unused.
	CounterBlock = 64
	// MaxRun is the longest run of sequences that Next gives out.
	MaxRun = 256

	counterSize = 8
)

// ErrExhausted means that a lane is used up, after 8388608 packets: one a
// minute makes sixteen years. A node needs a new identity then, since a
// sequence used twice would give both packets away.
var ErrExhausted = errors.New("all sequence numbers of this identity are used")

// Store keeps small values; storage.DB is one. What SetSetting has stored must
// outlast a crash.
type Store interface {
	// Setting returns nil for what was never set.
	Setting(key string) ([]byte, error)
	SetSetting(key string, value []byte) error
}

// Counter gives out the IDs of one identity, none twice. It reserves them in
// the store in blocks, ahead of use. The epoch covers for a store that was put
// back to an older copy: IDs then repeat only if it is drawn alike, once in
// 65536 times. A Counter is not safe for concurrent use.
type Counter struct {
	// immutable after NewCounter
	store  Store
	source uint32
	epoch  uint16

	lanes [2]struct {
		next     uint32 // within the lane
		reserved uint32 // the first that the store does not know as used
	}
	closed bool
}

// RandomEpoch draws an epoch for a new start.
func RandomEpoch() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails, says its documentation
	return binary.BigEndian.Uint16(b[:])
}

// NewCounter goes on where the counter in the store left off. The epoch must
// be drawn anew (RandomEpoch) at every start.
func NewCounter(store Store, source uint32, epoch uint16) (*Counter, error) {
	kept, err := store.Setting(SettingCounter)
	if err != nil {
		return nil, fmt.Errorf("load counter: %w", err)
	}
	c := &Counter{store: store, source: source, epoch: epoch}
	if kept == nil {
		return c, nil
	}
	if len(kept) != counterSize {
		return nil, fmt.Errorf("load counter: setting %q holds %x, want %d bytes", SettingCounter, kept, counterSize)
	}
	for i := range c.lanes {
		at := binary.BigEndian.Uint32(kept[4*i:])
		if at > laneSize {
			return nil, fmt.Errorf("load counter: setting %q holds %x, lane %d is at %d", SettingCounter, kept, i, at)
		}
		c.lanes[i].next, c.lanes[i].reserved = at, at
	}
	return c, nil
}

// Epoch is the epoch of all IDs.
func (c *Counter) Epoch() uint16 { return c.epoch }

// Next returns the first ID of n, 1 to MaxRun, that follow one another: one
// for a packet, more for a message in fragments. When the store fails, nothing
// is used up.
func (c *Counter) Next(lane Lane, n int) (ID, error) {
	switch {
	case c.closed:
		return ID{}, errors.New("take sequences: counter is closed")
	case lane > LaneDirect || n < 1 || n > MaxRun:
		return ID{}, fmt.Errorf("take %d sequences of lane %d: %w", n, lane, ErrInvalid)
	}
	l := &c.lanes[lane]
	end := l.next + uint32(n)
	if end > laneSize {
		return ID{}, ErrExhausted
	}
	if end > l.reserved {
		reserved := l.reserved
		l.reserved = min((end+CounterBlock-1)/CounterBlock*CounterBlock, laneSize)
		if err := c.save(c.lanes[0].reserved, c.lanes[1].reserved); err != nil {
			l.reserved = reserved
			return ID{}, err
		}
	}
	id := ID{Source: c.source, Epoch: c.epoch, Sequence: uint32(lane)<<23 | l.next}
	l.next = end
	return id, nil
}

// Close gives back what was reserved and not used, so that an orderly stop
// leaves no gap. Next fails from then on.
func (c *Counter) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.save(c.lanes[0].next, c.lanes[1].next)
}

func (c *Counter) save(flood, direct uint32) error {
	value := binary.BigEndian.AppendUint32(nil, flood)
	value = binary.BigEndian.AppendUint32(value, direct)
	if err := c.store.SetSetting(SettingCounter, value); err != nil {
		return fmt.Errorf("reserve sequences: %w", err)
	}
	return nil
}
