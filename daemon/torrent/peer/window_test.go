package peer

import (
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const block = peerwire.BlockSize

// feed lets blocks arrive evenly for a time, one answer delay after each
// request, with a tick every second.
func feed(w *window, from time.Time, blocksPerSecond int, delay time.Duration, seconds int) time.Time {
	gap := time.Second / time.Duration(blocksPerSecond)
	now := from
	for range seconds {
		for range blocksPerSecond {
			w.asked(now)
			now = now.Add(gap)
			w.received(block, now, delay)
		}
		w.tick(now)
	}
	return now
}

func TestWindowStartsSmallAndDoubles(t *testing.T) {
	var w window
	if w.depth() != startWindow {
		t.Fatalf("begins with %d", w.depth())
	}
	w.asked(begin)
	for round := range 4 {
		before := w.depth()
		for range before {
			w.received(block, begin.Add(time.Duration(round)*time.Millisecond), time.Millisecond)
		}
		if w.depth() != 2*before {
			t.Errorf("%d after a round of %d", w.depth(), before)
		}
	}
}

func TestWindowFollowsRateTimesDelay(t *testing.T) {
	cases := []struct {
		name            string
		blocksPerSecond int
		delay           time.Duration
		reqq            int
		min, max        int
	}{
		{"slow and near", 2, 10 * time.Millisecond, 0, minWindow, 8},
		{"fast and near", 400, time.Millisecond, 0, 380, 430},
		{"fast and far", 400, 200 * time.Millisecond, 2000, 530, 590},
		{"faster than an unknown peer allows", 4000, 200 * time.Millisecond, 0, defaultWindow, defaultWindow},
		{"a peer that allows more", 4000, 200 * time.Millisecond, 8000, 5200, 5900},
		{"a peer that allows little", 400, time.Millisecond, 10, 10, 10},
		{"a peer that allows one", 400, time.Millisecond, 1, 1, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := window{limit: c.reqq}
			feed(&w, begin, c.blocksPerSecond, c.delay, 10)
			if !w.measured {
				t.Error("still in slow start at an even rate")
			}
			if d := w.depth(); d < c.min || d > c.max {
				t.Errorf("%d requests, not %d to %d", d, c.min, c.max)
			}
		})
	}
}

func TestWindowRidesOutAPause(t *testing.T) {
	w := window{limit: 2000}
	now := feed(&w, begin, 400, time.Millisecond, 10)
	before := w.depth()
	for range 3 {
		now = now.Add(time.Second)
		w.tick(now)
	}
	if w.depth() < before/2 {
		t.Errorf("window fell from %d to %d in three seconds", before, w.depth())
	}
	now = feed(&w, now, 800, time.Millisecond, 1)
	if w.depth() < before*3/2 {
		t.Errorf("window is %d a second after the rate doubled from that of %d", w.depth(), before)
	}
	for range 120 {
		now = now.Add(time.Second)
		w.tick(now)
	}
	if w.depth() != minWindow {
		t.Errorf("window is %d after two minutes of nothing", w.depth())
	}
}

func TestTickNeedsAWholeSecond(t *testing.T) {
	var w window
	w.asked(begin)
	w.received(block, begin.Add(time.Millisecond), time.Millisecond)
	w.tick(begin.Add(10 * time.Millisecond))
	if w.rate != 0 {
		t.Errorf("rate %d of ten milliseconds", w.rate)
	}
	w.tick(begin.Add(time.Second))
	if w.rate != block {
		t.Errorf("rate %d, not one block a second", w.rate)
	}
}

func TestOverdue(t *testing.T) {
	cases := []struct {
		name    string
		prepare func(w *window) time.Time // the last thing that happened
		within  time.Duration
		beyond  time.Duration
	}{
		{"first answer", func(w *window) time.Time { w.asked(begin); return begin }, firstSnub, firstSnub + time.Second},
		{"a fast peer", func(w *window) time.Time { return feed(w, begin, 100, time.Millisecond, 20) }, minSnub, minSnub + time.Second},
		{"a slow, even peer", func(w *window) time.Time {
			now := begin
			for range 60 {
				w.asked(now)
				now = now.Add(12 * time.Second)
				w.received(block, now, 12*time.Second)
			}
			return now
		}, 12 * time.Second, 20 * time.Second},
		{"a very slow peer", func(w *window) time.Time {
			now := begin
			for range 60 {
				w.asked(now)
				now = now.Add(10 * time.Minute)
				w.received(block, now, 10*time.Minute)
			}
			return now
		}, maxSnub, maxSnub + time.Second},
		{"asked after a long silence", func(w *window) time.Time {
			now := feed(w, begin, 100, time.Millisecond, 20).Add(time.Hour)
			w.asked(now)
			return now
		}, minSnub, minSnub + time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var w window
			last := c.prepare(&w)
			if w.overdue(last.Add(c.within)) {
				t.Errorf("overdue after %v", c.within)
			}
			if !w.overdue(last.Add(c.beyond)) {
				t.Errorf("not overdue after %v", c.beyond)
			}
		})
	}
}

// A peer that answers twice a second, all that was asked for until then but no
// more than its limit, is brought up to that.
func TestWindowOfALimitedPeer(t *testing.T) {
	const limit = 305 // blocks in half a second
	w := window{limit: 2000}
	now, got := begin, 0
	for range 40 {
		w.asked(now)
		now = now.Add(time.Second / 2)
		got = min(w.depth(), limit)
		for range got {
			w.received(block, now, time.Millisecond)
		}
		w.tick(now)
	}
	if got != limit {
		t.Errorf("%d blocks come at a time, %d could", got, limit)
	}
}
