package ether

import "time"

// signal is a transmission as one receiver sees it.
type signal struct {
	packet     []byte
	start, end time.Time
	rssi, snr  float64
	lost       bool // it will not be received
}

// maxSignals bounds what overlaps at one receiver; more changes nothing.
const maxSignals = 64

// receiver decides which of the signals that reach a station it receives. It
// is pure: the caller passes the time.
type receiver struct {
	signals []*signal // whose end was not taken by finished yet, in order of start
	sending time.Time // until when the station transmits itself
}

// begin lets a signal arrive at its start.
func (r *receiver) begin(s signal) {
	if len(r.signals) >= maxSignals {
		return
	}
	s.lost = s.lost || s.start.Before(r.sending)
	for _, other := range r.signals {
		if !other.end.After(s.start) {
			continue
		}
		if lead := s.rssi - other.rssi; lead < capturedB {
			s.lost = true
		}
		if lead := other.rssi - s.rssi; lead < capturedB {
			other.lost = true
		}
	}
	r.signals = append(r.signals, &s)
}

// transmit says that the station itself talks until end, and so hears nothing.
func (r *receiver) transmit(now, end time.Time) {
	r.sending = end
	for _, s := range r.signals {
		if s.end.After(now) {
			s.lost = true
		}
	}
}

// finished takes out the signals that have ended and returns those received.
func (r *receiver) finished(now time.Time) []*signal {
	var received []*signal
	kept := r.signals[:0]
	for _, s := range r.signals {
		switch {
		case s.end.After(now):
			kept = append(kept, s)
		case !s.lost:
			received = append(received, s)
		}
	}
	clear(r.signals[len(kept):])
	r.signals = kept
	return received
}

// nextEnd is when the next signal ends.
func (r *receiver) nextEnd() (time.Time, bool) {
	var next time.Time
	for _, s := range r.signals {
		if next.IsZero() || s.end.Before(next) {
			next = s.end
		}
	}
	return next, !next.IsZero()
}

// busy is until when the channel is seen taken. A signal younger than blind is
// not seen.
func (r *receiver) busy(now time.Time, blind time.Duration) (until time.Time, taken bool) {
	for _, s := range r.signals {
		if s.end.After(now) && !s.start.Add(blind).After(now) && s.end.After(until) {
			until, taken = s.end, true
		}
	}
	return until, taken
}
