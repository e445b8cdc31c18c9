package packet

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	// ReplayWindow is how far behind the newest sequence of an epoch a packet
	// may be and still be known as new or not.
	ReplayWindow = 64

	maxOpenEpochs   = 4
	maxClosedEpochs = 256
	replayVersion   = 1
	openEpochSize   = 2 + 3 + 8
)

// Verdict is what a Replay knows of a packet.
type Verdict int

const (
	// Fresh packets have not been accepted before.
	Fresh Verdict = iota
	// Repeated packets have.
	Repeated
	// Unknown packets are too far behind to tell. Accept one only if a store of
	// everything ever accepted does not have it; without such a store, and for
	// what must not happen twice, refuse it.
	Unknown
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Fresh:
		return "fresh"
	case Repeated:
		return "repeated"
	}
	return "unknown"
}

// Replay remembers which packets of one source, under one key, have been
// accepted: a window of 64 sequences for each of its last four epochs, the
// names of 256 epochs before, and where those ended. Sources count upwards
// through their restarts, so that a packet of an epoch whose name is forgotten
// is known by its sequence. The size is bounded. The zero value has seen
// nothing. A Replay is not safe for concurrent use.
type Replay struct {
	open   []window // oldest first
	closed []uint16 // oldest first
	ended  uint32   // above every sequence of a closed epoch, forgotten ones too
}

// window is one epoch: the newest sequence, and bit i for the one i before it.
type window struct {
	epoch  uint16
	newest uint32
	seen   uint64
}

// Check says what is known of a packet of the source. Ask it before or after
// the packet has been opened, but believe Fresh only after.
func (r *Replay) Check(epoch uint16, sequence uint32) Verdict {
	for i := range r.open {
		if r.open[i].epoch == epoch {
			return r.open[i].check(sequence)
		}
	}
	forgetful := len(r.closed) == maxClosedEpochs
	if slices.Contains(r.closed, epoch) || forgetful && sequence < r.ended {
		return Unknown
	}
	return Fresh
}

func (w *window) check(sequence uint32) Verdict {
	switch back := int64(w.newest) - int64(sequence); {
	case back < 0:
		return Fresh
	case back >= ReplayWindow:
		return Unknown
	case w.seen>>back&1 != 0:
		return Repeated
	}
	return Fresh
}

// Accept marks a packet as accepted. It must have been opened with the key:
// otherwise anyone could shut the source out. Packets that Check does not call
// Fresh change nothing.
func (r *Replay) Accept(epoch uint16, sequence uint32) {
	if r.Check(epoch, sequence) != Fresh {
		return
	}
	for i := range r.open {
		if r.open[i].epoch == epoch {
			r.open[i].accept(sequence)
			return
		}
	}
	if len(r.open) == maxOpenEpochs {
		r.close(r.open[0])
		r.open = slices.Delete(r.open, 0, 1)
	}
	r.open = append(r.open, window{epoch: epoch, newest: sequence, seen: 1})
}

func (w *window) accept(sequence uint32) {
	if sequence <= w.newest {
		w.seen |= 1 << (w.newest - sequence)
		return
	}
	w.seen = w.seen<<(sequence-w.newest) | 1 // a shift by 64 or more gives 0
	w.newest = sequence
}

// close gives up the window of an epoch.
func (r *Replay) close(w window) {
	if len(r.closed) == maxClosedEpochs {
		r.closed = slices.Delete(r.closed, 0, 1)
	}
	r.closed = append(r.closed, w.epoch)
	r.ended = max(r.ended, w.newest+1)
}

// AppendBinary appends the state in the form that UnmarshalBinary reads.
func (r *Replay) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, replayVersion, byte(len(r.open)))
	dst = binary.BigEndian.AppendUint32(dst, r.ended)
	for _, w := range r.open {
		dst = binary.BigEndian.AppendUint16(dst, w.epoch)
		dst = appendUint24(dst, w.newest)
		dst = binary.BigEndian.AppendUint64(dst, w.seen)
	}
	for _, epoch := range r.closed {
		dst = binary.BigEndian.AppendUint16(dst, epoch)
	}
	return dst, nil
}

// MarshalBinary returns the state, for the bridge to keep.
func (r *Replay) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary puts back a state that MarshalBinary returned.
func (r *Replay) UnmarshalBinary(b []byte) error {
	if len(b) < 6 || b[0] != replayVersion {
		return fmt.Errorf("read replay window: %w: %d bytes", ErrInvalid, len(b))
	}
	open, rest := int(b[1]), b[6:]
	closed := len(rest) - open*openEpochSize
	if open > maxOpenEpochs || closed < 0 || closed%2 != 0 || closed/2 > maxClosedEpochs {
		return fmt.Errorf("read replay window: %w: %d bytes with %d open epochs", ErrInvalid, len(b), open)
	}
	next := Replay{ended: binary.BigEndian.Uint32(b[2:])}
	for range open {
		next.open = append(next.open, window{
			epoch: binary.BigEndian.Uint16(rest), newest: uint24(rest[2:]), seen: binary.BigEndian.Uint64(rest[5:]),
		})
		rest = rest[openEpochSize:]
	}
	for ; len(rest) > 0; rest = rest[2:] {
		next.closed = append(next.closed, binary.BigEndian.Uint16(rest))
	}
	*r = next
	return nil
}
