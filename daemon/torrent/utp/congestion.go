package utp

import "time"

const (
	target         = 100 * time.Millisecond // queue to aim for (BEP 29)
	gain           = 3000                   // bytes the window grows in a round trip without queue, as deployed
	initialPackets = 10                     // RFC 6928
	minPackets     = 2
	maxWindow      = 8 << 20 // bytes in flight, whatever the peer allows

	// slowStartQueue ends slow start: by the time the peer has reported it,
	// the window has doubled once more.
	slowStartQueue = target / 2

	// A queue shorter than this, or than half of what it has lately been, does
	// not overflow.
	shortQueue = 10 * time.Millisecond
	// lossEpoch packets are judged together: freeLosses and a share of them may
	// be lost without an overflow.
	lossEpoch   = 200
	freeLosses  = 4
	quietShare  = 0.02 // while the queue is short
	noiseMargin = 1.5  // over the share lost while it was short, when it is not
	leastNoise  = 0.002
	// On a path this noisy the window may have been halved for nothing: while
	// the queue is short, it grows by this part of itself in a round trip.
	fastNoise  = 0.005
	fastGrowth = 8
)

// congestion is the window of bytes in flight: LEDBAT (RFC 6817) with slow start.
//
// A loss halves the window, at most once a round trip, when it tells of an
// overflow. Noise (a radio link, a bad cable) loses packets too, and a halved
// window does not cure it: with one packet in a hundred lost, halving every
// time leaves 3 Mbit/s of a 100 Mbit/s path. It is taken for noise when the
// queue is short and not more than one packet in fifty is lost, or when the
// queue is longer but no more is lost than with a short one.
type congestion struct {
	window    int // bytes
	threshold int // where slow start ends; 0: nowhere yet
	slowStart bool
	fraction  int64 // growth not yet in window, in 1/65536 byte

	delay queueDelay

	noise           float64 // share lost while the queue is short and cannot be what overflows
	delivered, lost int     // packets in this epoch
	loud            bool    // it does not tell about noise
	cut             int     // window that overflowed the queue last; 0: none did
	epochEnd        uint16  // the epoch lasts at least until this packet is acknowledged
	recovery        uint16  // losses before this packet are paid for
	recovering      bool

	undo, undoThreshold int // before the last time-out; 0: not to be undone
	undoSlowStart       bool
}

func newCongestion(packetSize int) congestion {
	return congestion{window: initialPackets * packetSize, slowStart: true}
}

// acknowledged grows or shrinks the window after bytes of those in flight were
// acknowledged. limited says that the window, and nothing else, held the
// sender back.
func (c *congestion) acknowledged(bytes, flight, packetSize int, limited bool) {
	queue := c.delay.current()
	if c.slowStart && queue >= slowStartQueue {
		c.leaveSlowStart(packetSize)
	}
	switch {
	case c.slowStart && limited:
		c.window += bytes
		if c.threshold > 0 && c.window >= c.threshold {
			c.slowStart = false
		}
	case !c.slowStart && (limited || queue > target):
		factor := int64(target-queue) << 16 / int64(target)
		growth := int64(gain)
		if c.noise >= fastNoise && queue < shortQueue {
			growth = max(growth, int64(c.window/fastGrowth))
		}
		// However long the queue, one round trip takes half of the window at most.
		change := max(growth*factor, -int64(c.window)<<16/2)
		c.fraction += change * int64(bytes) / int64(max(c.window, flight, 1))
		c.window += int(c.fraction >> 16)
		c.fraction &= 1<<16 - 1
	}
	c.window = min(max(c.window, minPackets*packetSize), maxWindow)
}

// leaveSlowStart goes back to the window that made the queue now reported.
func (c *congestion) leaveSlowStart(packetSize int) {
	c.slowStart = false
	c.window = max(c.window/2, minPackets*packetSize)
	c.threshold = c.window
}

// count counts delivered and lost packets of an epoch. una is the oldest
// packet not acknowledged, next the one to be sent next.
func (c *congestion) count(delivered, lost int, una, next uint16) {
	if c.recovering && !before(una, c.recovery) {
		c.recovering, c.undo = false, 0
	}
	if c.window > c.cut*3/2 {
		c.cut = 0 // the path has more room now
	}
	loud := c.recovering || c.longQueue() || c.cut > 0 && c.window > c.cut*3/4
	total := c.delivered + c.lost
	over := total >= lossEpoch && !before(una, c.epochEnd)
	if !c.loud && (over || loud && total >= lossEpoch/4) {
		c.noise += (float64(c.lost)/float64(total) - c.noise) / 4
		over = true
	}
	if over {
		c.delivered, c.lost, c.loud, c.epochEnd = 0, 0, false, next
	}
	c.loud = c.loud || loud
	c.delivered += delivered
	c.lost += lost
}

// longQueue says that the queue may be about to overflow. In slow start no queue
// has been long yet that the present one could be compared with.
func (c *congestion) longQueue() bool {
	if c.slowStart {
		return c.delay.current() >= slowStartQueue/2
	}
	return c.delay.current() >= max(shortQueue, c.delay.longest()/2)
}

// overflowed judges the losses of this epoch.
func (c *congestion) overflowed() bool {
	share := quietShare
	if c.longQueue() {
		if c.noise < leastNoise {
			return true
		}
		share = min(noiseMargin*c.noise, 2*quietShare)
	}
	return float64(c.lost) > freeLosses+share*float64(c.delivered+c.lost)
}

// loss takes note that packet seq was lost, and reports whether it halved the window.
func (c *congestion) loss(seq, next uint16, packetSize int) bool {
	if c.recovering && before(seq, c.recovery) || !c.overflowed() {
		return false
	}
	c.cut = c.window
	if c.slowStart {
		c.cut /= 2 // it overshot
	}
	c.window = max(c.window/2, minPackets*packetSize)
	c.threshold, c.slowStart = c.window, false
	c.recovery, c.recovering = next, true
	return true
}

// timeout starts over with one packet (BEP 29), and slow start to half of what
// there was.
func (c *congestion) timeout(next uint16, packetSize int, first bool) {
	if first {
		c.undo, c.undoThreshold, c.undoSlowStart = c.window, c.threshold, c.slowStart
		c.threshold = max(c.window/2, minPackets*packetSize)
	}
	c.window, c.slowStart = packetSize, true
	c.recovery, c.recovering = next, true
}

// spurious takes the last time-out back: what it gave up on had arrived, after
// a pause. (RFC 5682 has the idea for TCP.)
func (c *congestion) spurious() {
	if c.undo > c.window {
		c.window, c.threshold, c.slowStart = c.undo, c.undoThreshold, c.undoSlowStart
	}
	c.undo = 0
}
