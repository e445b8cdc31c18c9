// Package limit holds payload to a number of bytes per second, fairly.
//
// A Limiter has Flows, and shares its rate among those that wait: each gets
// the same number of bytes, however many connections stand behind it and
// however large their requests are (start-time fair queueing, Goyal, Vin and
// Cheng 1996). The engine chains two: the connections of a torrent are flows
// of that torrent's limiter, and the torrents are flows of the engine's.
//
// Whoever takes more than is there leaves a debt that the next ones wait for,
// so requests of any size pass, and no rate is too low for a block.
package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slack is how much of a second may pass at once after a pause. It hides
	// the coarseness of timers and of the kernel's buffers.
	slack = 50 * time.Millisecond
	// minBatch and maxBatch bound what Batch recommends, in bytes.
	minBatch = 16 << 10
	maxBatch = 256 << 10
)

// Limiter is one limit. Make it with New. Its methods are safe for concurrent
// use.
type Limiter struct {
	stated atomic.Int64 // the rate, for those who only look

	mu      sync.Mutex
	rate    float64 // bytes per second, 0 is none
	credit  float64 // bytes that may pass now; a debt when negative
	counted time.Time
	virtual float64 // start of the request granted last
	active  []*Flow // with somebody waiting
	timer   *time.Timer
}

// Flow is one of those that share a limiter. The zero value is not usable; see
// Limiter.Flow.
type Flow struct {
	limiter *Limiter
	finish  float64 // virtual time at which its last request ends
	waiting []*request
}

// request is somebody who waits.
type request struct {
	bytes  float64
	passed chan struct{}
}

// New returns a limiter of so many bytes per second; 0 or less is no limit.
func New(bytesPerSecond int64) *Limiter {
	l := &Limiter{counted: time.Now()}
	l.state(bytesPerSecond)
	return l
}

// state takes over a rate. mu is locked, or nobody else is there yet.
func (l *Limiter) state(bytesPerSecond int64) {
	l.stated.Store(max(bytesPerSecond, 0))
	l.rate = float64(l.stated.Load())
}

// Set changes the rate; 0 or less is no limit. Who waits is waiting by the new
// rate at once.
func (l *Limiter) Set(bytesPerSecond int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill(time.Now())
	l.state(bytesPerSecond)
	l.credit = min(l.credit, l.burst())
	if l.rate > 0 {
		l.credit = max(l.credit, -l.rate) // a debt from faster times is not paid for minutes
	}
	l.grant()
}

// Rate is the limit in bytes per second, 0 for none.
func (l *Limiter) Rate() int64 { return l.stated.Load() }

// Batch is how many bytes are best moved at once: so many that limits cost
// little, and so few that they are held smoothly.
func (l *Limiter) Batch() int {
	rate := l.Rate()
	if rate == 0 {
		return maxBatch
	}
	return int(min(max(rate/20, minBatch), maxBatch))
}

// Flow returns a new flow.
func (l *Limiter) Flow() *Flow { return &Flow{limiter: l} }

// Batch is the limiter's.
func (f *Flow) Batch() int { return f.limiter.Batch() }

// Enter takes so many bytes. It returns nil when they may move at once,
// otherwise a channel that is closed when they may, and what gives up the place
// in the queue.
func (f *Flow) Enter(bytes int) (passed <-chan struct{}, leave func()) {
	if f.limiter.Rate() == 0 {
		return nil, nil
	}
	r := f.enter(float64(bytes))
	if r == nil {
		return nil, nil
	}
	return r.passed, func() { f.leave(r) }
}

// enter takes the bytes, or returns the place in the queue for them.
func (f *Flow) enter(bytes float64) *request {
	l := f.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rate == 0 {
		return nil
	}
	l.refill(time.Now())
	if len(l.active) == 0 && l.credit > 0 {
		l.take(f, bytes)
		return nil
	}
	r := &request{bytes, make(chan struct{})}
	f.waiting = append(f.waiting, r)
	if len(f.waiting) == 1 {
		l.active = append(l.active, f)
	}
	l.grant()
	return r
}

// leave gives up a place in the queue.
func (f *Flow) leave(r *request) {
	l := f.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range f.waiting {
		if other == r {
			f.waiting = append(f.waiting[:i], f.waiting[i+1:]...)
			break
		}
	}
	l.prune()
}

// take spends credit for a flow. mu is locked, as in what follows.
func (l *Limiter) take(f *Flow, bytes float64) {
	l.virtual = max(l.virtual, f.finish)
	f.finish = l.virtual + bytes
	l.credit -= bytes
}

// burst is the most credit that a pause leaves.
func (l *Limiter) burst() float64 { return l.rate * slack.Seconds() }

func (l *Limiter) refill(now time.Time) {
	l.credit = min(l.credit+l.rate*now.Sub(l.counted).Seconds(), max(l.burst(), 1))
	l.counted = now
}

// grant lets pass whom the credit allows, the flow that is furthest behind
// first, and sets the timer for the rest.
func (l *Limiter) grant() {
	for len(l.active) > 0 && (l.credit > 0 || l.rate == 0) {
		f := l.active[0]
		for _, other := range l.active[1:] {
			if other.finish < f.finish {
				f = other
			}
		}
		r := f.waiting[0]
		f.waiting = f.waiting[1:]
		l.take(f, r.bytes)
		close(r.passed)
		l.prune()
	}
	if l.rate == 0 {
		l.credit = 0
	}
	if len(l.active) == 0 {
		return
	}
	wait := time.Duration((1 - l.credit) / l.rate * float64(time.Second))
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.ring)
	} else {
		l.timer.Reset(wait)
	}
}

func (l *Limiter) ring() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill(time.Now())
	l.grant()
}

// prune takes flows that nobody waits in off the active ones.
func (l *Limiter) prune() {
	kept := l.active[:0]
	for _, f := range l.active {
		if len(f.waiting) > 0 {
			kept = append(kept, f)
		}
	}
	clear(l.active[len(kept):])
	l.active = kept
	if len(kept) == 0 && l.timer != nil {
		l.timer.Stop()
	}
}
