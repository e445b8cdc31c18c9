package utp

import (
	"testing"
	"time"
)

// TestReceiverKeepsItsLimit: packets ahead of a missing one fill the buffer and
// no more; the missing one is taken all the same.
func TestReceiverKeepsItsLimit(t *testing.T) {
	r := newReceiver(new(chunkPool), smallestWindow)
	for seq := uint16(2); seq < 200; seq++ {
		r.data(1, seq, make([]byte, 1000))
	}
	if r.bytes > smallestWindow || r.bytes < smallestWindow-1000 {
		t.Errorf("holds %d bytes of %d", r.bytes, smallestWindow)
	}
	if r.window() >= 1000 {
		t.Errorf("window of %d with a full buffer", r.window())
	}
	r.data(1, 1, make([]byte, 1000))
	if r.count != 0 || r.ready.length < smallestWindow {
		t.Errorf("%d packets held, %d bytes ready after the missing one came", r.count, r.ready.length)
	}
	r.acknowledged()
	r.consume(2, make([]byte, 1000), time.Second)
	if r.ackNow {
		t.Error("the peer is told of every crumb")
	}
	r.consume(2, make([]byte, smallestWindow), time.Second)
	if !r.ackNow {
		t.Error("the peer is not told that the window is open again")
	}
}

// TestReceiverGrows for a fast reader, within its limit and the budget.
func TestReceiverGrows(t *testing.T) {
	for name, c := range map[string]struct {
		pause  time.Duration // between reads of a full buffer
		budget int
		want   int
	}{
		"fast":         {10 * time.Millisecond, 1 << 30, 1 << 20},
		"slow":         {time.Second, 1 << 30, initialWindow},
		"small budget": {10 * time.Millisecond, initialWindow, 2 * initialWindow},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(new(chunkPool), 1<<20)
			r.reserve = func(n int) bool {
				if n > c.budget {
					return false
				}
				c.budget -= n
				return true
			}
			now := time.Second
			for range 10 {
				now += c.pause
				r.ready.append(make([]byte, r.capacity))
				r.consume(now, make([]byte, r.capacity), 100*time.Millisecond)
			}
			if r.capacity != c.want {
				t.Errorf("buffer of %d, want %d", r.capacity, c.want)
			}
		})
	}
}

// TestPacer lets a burst go, then no more than the rate.
func TestPacer(t *testing.T) {
	const window, packet, roundTrip = 125000, 1250, 100 * time.Millisecond
	var p pacer
	sent, now := 0, time.Second
	for end := now + time.Second; now < end; {
		p.update(now, window, packet, roundTrip, false)
		for p.allows() {
			p.spend(packet)
			sent += packet
		}
		if wait := p.wait(); wait < paceQuantum || wait > 10*time.Millisecond {
			t.Fatalf("waits %v", wait)
		}
		now += p.wait()
	}
	if rate := 1.25 * window / roundTrip.Seconds(); float64(sent) > rate+20*packet || float64(sent) < rate*0.98 {
		t.Errorf("%d bytes in a second, want %.0f", sent, rate)
	}
}
