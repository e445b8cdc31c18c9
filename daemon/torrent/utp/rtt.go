package utp

import "time"

// Retransmission time-outs (BEP 29).
const (
	initialRTO = time.Second
	minRTO     = 500 * time.Millisecond
	maxRTO     = 60 * time.Second
)

// roundTrip estimates the round-trip time (BEP 29; RFC 6298 has the same gains).
type roundTrip struct {
	smooth   time.Duration // 0 before the first sample
	variance time.Duration
	low      time.Duration // shortest ever seen
	latest   time.Duration
	timeouts int // in a row
}

func (r *roundTrip) sample(d time.Duration) {
	d = max(d, time.Microsecond)
	r.latest = d
	if r.smooth == 0 {
		r.smooth, r.variance, r.low = d, d/2, d
		return
	}
	r.low = min(r.low, d)
	delta := r.smooth - d
	r.variance += (max(delta, -delta) - r.variance) / 4
	r.smooth += (d - r.smooth) / 8
}

// timeout is how long to wait for an acknowledgement.
func (r *roundTrip) timeout() time.Duration {
	rto := initialRTO
	if r.smooth != 0 {
		rto = max(r.smooth+4*r.variance, minRTO)
	}
	return min(rto<<min(r.timeouts, 7), maxRTO)
}

// estimate is the smoothed round trip, or a guess before there is one.
func (r *roundTrip) estimate() time.Duration {
	if r.smooth == 0 {
		return 100 * time.Millisecond
	}
	return r.smooth
}
