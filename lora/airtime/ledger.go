package airtime

import (
	"math"
	"time"
)

const (
	// Window is the period over which duty cycle is counted.
	Window = time.Hour

	// Never is the wait Allow gives for a transmission that is longer than the
	// whole budget.
	Never = time.Duration(math.MaxInt64)

	slotLength = 10 * time.Second
	// A slot counts until its last instant has left the window, so those that
	// count are one more than fill it.
	slotCount = int64(Window/slotLength) + 1
)

// Ledger keeps a station's own transmissions of the past hour against its
// share of the air. Time is kept in slots of ten seconds in a ring of fixed
// size; a slot is freed when all of it is older than an hour, so the ledger
// errs by at most ten seconds and always towards silence.
//
// It is pure: callers pass the clock, a monotonic one if wall clock jumps
// shall not matter. Time that goes backwards is taken to stand still. A Ledger
// is not safe for concurrent use.
type Ledger struct {
	// immutable after NewLedger
	budget time.Duration

	started bool
	origin  time.Time // begin of slot 0
	slot    int64     // newest slot
	used    [slotCount]time.Duration
	total   time.Duration // sum of used
}

// NewLedger makes an empty ledger that allows limit, a fraction from 0 (no
// transmission at all) to 1 (no limit), of any hour.
func NewLedger(limit float64) *Ledger {
	if !(limit > 0) { // also not a number
		limit = 0
	}
	return &Ledger{budget: time.Duration(min(limit, 1) * float64(Window))}
}

// Budget is the airtime allowed in any hour.
func (l *Ledger) Budget() time.Duration { return l.budget }

// Allow says whether a transmission of length d may begin at now. If not,
// wait is how long until it may, provided that nothing else is sent
// meanwhile, or Never.
func (l *Ledger) Allow(now time.Time, d time.Duration) (ok bool, wait time.Duration) {
	return l.AllowShare(now, d, 1)
}

// AllowShare is Allow for a transmission that may use only a share of the
// budget, 0 to 1, counted together with everything else.
func (l *Ledger) AllowShare(now time.Time, d time.Duration, share float64) (ok bool, wait time.Duration) {
	at := l.advance(now)
	d = max(d, 0)
	budget := min(time.Duration(share*float64(l.budget)), l.budget)
	if d > budget {
		return false, Never
	}
	left := l.total
	if left+d <= budget {
		return true, 0
	}
	for slot := max(l.slot-slotCount+1, 0); slot <= l.slot; slot++ {
		left -= l.used[slot%slotCount]
		if left+d <= budget {
			return false, freedAt(slot) - at
		}
	}
	return false, Window + slotLength // not reached: an empty ring has room for d
}

// Record enters a transmission of length d that ended at now.
func (l *Ledger) Record(now time.Time, d time.Duration) {
	l.advance(now)
	if d <= 0 {
		return
	}
	l.used[l.slot%slotCount] += d
	l.total += d
}

// Used is the airtime that counts at now.
func (l *Ledger) Used(now time.Time) time.Duration {
	l.advance(now)
	return l.total
}

// freedAt is when a slot stops counting, since the origin.
func freedAt(slot int64) time.Duration {
	return time.Duration(slot+1)*slotLength + Window
}

// advance moves the ring to now, clears what has left the window, and returns
// now as the time since the origin.
func (l *Ledger) advance(now time.Time) time.Duration {
	if !l.started {
		l.started, l.origin = true, now
	}
	at := max(now.Sub(l.origin), time.Duration(l.slot)*slotLength)
	slot := int64(at / slotLength)
	// Slot n takes the ring place of slot n-slotCount, which is freed in the
	// instant n begins.
	for next := max(l.slot+1, slot-slotCount+1); next <= slot; next++ {
		l.total -= l.used[next%slotCount]
		l.used[next%slotCount] = 0
	}
	l.slot = slot
	return at
}
