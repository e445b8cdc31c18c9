package modem

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// inboxSize is how many packets wait for a caller of Receive. At the
	// fastest setting in use a packet takes 20 ms, so this is over a second of
	// a saturated channel.
	inboxSize = 64

	// metaWait is how long a packet waits for the frame with its signal
	// strength. The board sends it at once, so only a stuttering link is late.
	metaWait = 500 * time.Millisecond
)

// inbox is the bounded queue between the reader and the callers of Receive.
// It joins a packet with the description that follows it on the link.
type inbox struct {
	wake chan struct{} // holds one token while there may be something to take

	// guarded by mu
	mu      sync.Mutex
	queue   []Received
	waiting bool // the newest packet's description may still come
	dropped uint64
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1)}
}

// put queues a packet heard at a time, and drops the oldest when there is no
// room.
func (b *inbox) put(packet []byte, at time.Time) {
	b.add(Received{Packet: packet, RSSIdBm: math.NaN(), SNRdB: math.NaN(), At: at}, true)
}

// putWhole is put for a packet that no description follows.
func (b *inbox) putWhole(r Received) { b.add(r, false) }

func (b *inbox) add(r Received, waiting bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == inboxSize {
		b.queue = append(b.queue[:0], b.queue[1:]...)
		b.dropped++
	}
	b.queue = append(b.queue, r)
	b.waiting = waiting
	b.signal()
}

// describe adds the signal strength to the newest packet. It reports whether
// there was one that lacked it.
func (b *inbox) describe(rssidBm, snrdB float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.waiting {
		return false
	}
	newest := &b.queue[len(b.queue)-1]
	newest.RSSIdBm, newest.SNRdB = rssidBm, snrdB
	b.waiting = false
	b.signal()
	return true
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// poll takes the oldest packet if it is complete, or has waited metaWait, or
// when final says that nothing more will come. Otherwise wait says how long
// the oldest still waits, 0 when there is none.
func (b *inbox) poll(now time.Time, final bool) (r Received, ok bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return Received{}, false, 0
	}
	if len(b.queue) == 1 && b.waiting && !final {
		if wait = b.queue[0].At.Add(metaWait).Sub(now); wait > 0 {
			return Received{}, false, wait
		}
	}
	r = b.queue[0]
	b.queue = append(b.queue[:0], b.queue[1:]...)
	if len(b.queue) == 0 {
		b.waiting = false
	} else {
		b.signal() // for another caller
	}
	return r, true, 0
}

// take waits for the next packet until ctx or the link ends. Once gone is
// closed, ok is false when the queue is empty.
func (b *inbox) take(ctx context.Context, gone <-chan struct{}) (r Received, ok bool, err error) {
	for {
		final := false
		select {
		case <-gone:
			final = true
		default:
		}
		r, ok, wait := b.poll(time.Now(), final)
		if ok || final {
			return r, ok, nil
		}
		var late <-chan time.Time
		var timer *time.Timer
		if wait > 0 {
			timer = time.NewTimer(wait)
			late = timer.C
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-gone:
		case <-late:
		case <-b.wake:
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			b.signal() // the token may have been ours
			return Received{}, false, err
		}
	}
}

func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue, b.waiting = nil, false
}

func (b *inbox) droppedCount() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}
