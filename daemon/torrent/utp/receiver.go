package utp

import "time"

const (
	ackDelay = 10 * time.Millisecond // for a lone packet; the second is acknowledged at once

	maxAhead       = 4096 // packets that may be held for a missing one
	initialWindow  = 256 << 10
	smallestWindow = 32 << 10
)

// receiver is the incoming half of a stream: packets put into order, bytes
// waiting to be read, and what is to be acknowledged.
type receiver struct {
	ready queue    // in order, not yet read
	ack   uint16   // last packet in order
	held  [][]byte // packets ahead of a missing one, by sequence number, a power of two long
	count int      // of held
	bytes int      // in held
	top   uint16   // highest held

	hasEnd  bool
	end     uint16 // sequence number of the FIN
	ended   bool   // everything up to it has come
	discard bool   // nobody will read: acknowledge, keep nothing

	capacity int // bytes that ready and held may have; grows up to limit
	limit    int
	reserve  func(bytes int) bool // asks for a larger capacity; nil: granted
	read     int                  // bytes read since
	since    time.Duration

	pending int           // packets not acknowledged
	ackAt   time.Duration // when they must be
	ackNow  bool
	told    int // window last advertised
}

func newReceiver(pool *chunkPool, limit int) receiver {
	limit = max(limit, smallestWindow)
	capacity := min(limit, initialWindow)
	return receiver{ready: queue{pool: pool}, capacity: capacity, limit: limit, told: capacity}
}

// window is what the peer may still send.
func (r *receiver) window() int { return max(r.capacity-r.ready.length-r.bytes, 0) }

// data takes packet seq.
func (r *receiver) data(now time.Duration, seq uint16, payload []byte) {
	if r.pending++; r.pending == 1 {
		r.ackAt = now + ackDelay
	}
	ahead := int(int16(seq - r.ack))
	r.ackNow = r.ackNow || r.pending >= 2 || ahead != 1 || r.count > 0
	switch {
	case ahead <= 0 || r.hasEnd && !before(seq, r.end):
		return
	case ahead == 1:
		// What fills the hole is taken beyond the capacity too, else a buffer
		// full of later packets would never drain.
		if r.ready.length+len(payload) > r.capacity+maxPath {
			r.ackNow = true
			return
		}
		r.take(payload)
		r.drain()
	case ahead <= maxAhead && r.window() >= len(payload):
		r.hold(seq, payload)
	}
}

func (r *receiver) take(payload []byte) {
	r.ack++
	if !r.discard {
		r.ready.append(payload)
	}
}

func (r *receiver) slot(seq uint16) *[]byte { return &r.held[int(seq)&(len(r.held)-1)] }

func (r *receiver) hold(seq uint16, payload []byte) {
	span := int(seq - r.ack)
	if span >= len(r.held) {
		size := max(len(r.held), 16)
		for size <= span {
			size *= 2
		}
		old, oldHeld := r.held, r.count
		r.held = make([][]byte, size)
		for s := r.ack + 2; oldHeld > 0; s++ {
			if p := old[int(s)&(len(old)-1)]; p != nil {
				*r.slot(s) = p
				oldHeld--
			}
		}
	}
	slot := r.slot(seq)
	if *slot != nil {
		return // a duplicate
	}
	*slot = append(make([]byte, 0, len(payload)), payload...)
	if r.count == 0 || before(r.top, seq) {
		r.top = seq
	}
	r.count++
	r.bytes += len(payload)
}

// drain moves held packets that have become due.
func (r *receiver) drain() {
	for r.count > 0 {
		slot := r.slot(r.ack + 1)
		if *slot == nil {
			break
		}
		r.count--
		r.bytes -= len(*slot)
		r.take(*slot)
		*slot = nil
	}
	if r.count == 0 {
		r.held = nil
	}
	if r.hasEnd && !r.ended && r.ack+1 == r.end {
		r.ack, r.ended = r.end, true
	}
}

// fin takes the packet after which nothing comes.
func (r *receiver) fin(seq uint16) {
	r.ackNow = true
	ahead := int(int16(seq - r.ack))
	if r.hasEnd || ahead <= 0 || ahead > maxAhead || r.count > 0 && before(seq, r.top) {
		return
	}
	r.hasEnd, r.end = true, seq
	r.drain()
}

// sackSpan is the number of packets a selective acknowledgement must cover.
func (r *receiver) sackSpan() int {
	if r.count == 0 {
		return 0
	}
	return int(r.top - r.ack - 1)
}

// putSack writes the mask of held packets.
func (r *receiver) putSack(mask []byte) {
	clear(mask)
	for i := range min(r.sackSpan(), len(mask)*8) {
		if *r.slot(r.ack + 2 + uint16(i)) != nil {
			setSackBit(mask, i)
		}
	}
}

// acknowledged takes note that ack and window were sent.
func (r *receiver) acknowledged() {
	r.pending, r.ackNow, r.told = 0, false, r.window()
}

// consume moves bytes to the reader. A reader that empties the buffer faster
// than the peer's round trip fills it gets a larger one.
func (r *receiver) consume(now time.Duration, dst []byte, roundTrip time.Duration) int {
	n := r.ready.read(dst)
	if r.read += n; r.read >= r.capacity {
		grown := min(2*r.capacity, r.limit)
		if now-r.since < 3*roundTrip && grown > r.capacity && (r.reserve == nil || r.reserve(grown-r.capacity)) {
			r.capacity = grown
		}
		r.read, r.since = 0, now
	}
	if r.told < r.capacity/2 && r.window()-r.told >= r.capacity/4 {
		r.ackNow = true // the peer may be waiting for this
	}
	return n
}

// abandon drops what nobody will read.
func (r *receiver) abandon() {
	r.discard = true
	r.ready.discard(r.ready.length)
}
