package utp

import "time"

const (
	paceBurst   = 4 * time.Millisecond // worth of packets that may leave at once after a wait
	paceQuantum = time.Millisecond     // worth of packets to wait for: timers are no finer
	leastBurst  = 10                   // packets
)

// pacer spreads a window over its round trip, instead of sending it in a burst
// that overflows the first short queue.
type pacer struct {
	rate   float64 // bytes a second
	burst  float64
	credit float64 // bytes that may leave now
	at     time.Duration
}

// update sets the rate for a window and adds the credit earned since the last
// call. A growing window needs more than one window a round trip.
func (p *pacer) update(now time.Duration, window, packetSize int, roundTrip time.Duration, slowStart bool) {
	factor := 1.25
	if slowStart {
		factor = 2
	}
	p.rate = factor * float64(window) / max(roundTrip, time.Microsecond).Seconds()
	p.burst = max(p.rate*paceBurst.Seconds(), float64(leastBurst*packetSize))
	if p.at == 0 {
		p.credit = p.burst
	} else {
		p.credit = min(p.credit+p.rate*(now-p.at).Seconds(), p.burst)
	}
	p.at = now
}

func (p *pacer) allows() bool { return p.credit > 0 }

func (p *pacer) spend(bytes int) { p.credit -= float64(bytes) }

// wait is the time until the next quantum has been earned.
func (p *pacer) wait() time.Duration {
	if p.credit > 0 {
		return 0
	}
	earn := time.Duration(-p.credit / p.rate * float64(time.Second))
	return max(earn, paceQuantum)
}
