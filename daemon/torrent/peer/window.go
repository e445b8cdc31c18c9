package peer

import (
	"time"

	"lorrent/daemon/torrent/peerwire"
)

const (
	startWindow   = 8    // requests to a peer of which nothing is known
	minWindow     = 4    // so that one slow answer leaves something under way
	defaultWindow = 500  // for peers that do not state a reqq
	maxWindow     = 8192 // 128 MiB under way

	// slack is how much more than the delay of the path is asked for: the
	// remote disk, and room for the rate to grow. Some peers whose user limits
	// them send twice a second what was asked for until then: with less than
	// that under way, any rate would seem to be all they have.
	slack = time.Second

	minSnub, firstSnub, maxSnub = 5 * time.Second, 20 * time.Second, 60 * time.Second
)

// window decides how many requests one peer should owe us. It starts like TCP:
// one more for every block that arrives, which doubles it in a round trip.
// When the rate stops growing it follows rate × delay, where the delay is the
// shortest answer seen (path and remote disk) twice, and slack.
type window struct {
	size     int
	limit    int // the peer's reqq, 0 when not stated
	started  bool
	measured bool // slow start is over

	second     time.Time // begin of the second being counted
	bytes      int64     // in it
	last, rate int64     // bytes per second: the second before, and smoothed

	shortest    time.Duration // answer seen
	mean, dev   time.Duration // between blocks, for the time-out
	lastArrival time.Time
	lastAsked   time.Time
}

func (w *window) depth() int {
	if w.size == 0 {
		w.size = startWindow
	}
	limit := w.limit
	if limit == 0 {
		limit = defaultWindow
	}
	return min(max(w.size, minWindow), limit)
}

func (w *window) asked(now time.Time) {
	w.lastAsked = now
	if !w.started {
		w.started, w.second = true, now
	}
}

// received counts a block that was asked for delay ago.
func (w *window) received(n int, now time.Time, delay time.Duration) {
	w.bytes += int64(n)
	if w.shortest == 0 || delay < w.shortest {
		w.shortest = max(delay, time.Microsecond)
	}
	if !w.measured {
		w.size = w.depth() + 1
	}
	gap := now.Sub(w.lastAsked)
	if w.lastArrival.After(w.lastAsked) {
		gap = now.Sub(w.lastArrival)
	}
	w.lastArrival = now
	// RFC 6298's smoothing: the mean follows by an eighth, the deviation by a quarter.
	diff := gap - w.mean
	w.mean += diff / 8
	w.dev += (max(diff, -diff) - w.dev) / 4
}

// tick closes the second when it is over.
func (w *window) tick(now time.Time) {
	elapsed := now.Sub(w.second)
	if !w.started || elapsed < 900*time.Millisecond {
		return
	}
	rate := int64(float64(w.bytes) / elapsed.Seconds())
	if w.bytes > 0 && !w.measured && w.last > 0 && rate < w.last+w.last/10 {
		w.measured = true
	}
	// A fall is followed slowly, a rise at once: a pause is not a slow peer.
	w.rate = max(rate, (w.rate*7+rate)/8)
	w.second, w.bytes, w.last = now, 0, rate
	if w.measured {
		delay := 2*w.shortest + slack
		w.size = minWindow + int(float64(w.rate)*delay.Seconds())/peerwire.BlockSize
	}
}

// overdue reports whether nothing has come for longer than the past explains.
func (w *window) overdue(now time.Time) bool {
	since := w.lastAsked
	if w.lastArrival.After(since) {
		since = w.lastArrival
	}
	timeout := firstSnub
	if !w.lastArrival.IsZero() {
		timeout = min(max(w.mean+4*w.dev, minSnub), maxSnub)
	}
	return now.Sub(since) > timeout
}
