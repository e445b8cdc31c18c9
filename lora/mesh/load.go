package mesh

import (
	"math"
	"time"
)

// loadMemory is over how long the load of the channel is averaged.
const loadMemory = 2 * time.Minute

// load is how busy the channel is: airtime received and sent, fading.
type load struct {
	airtime float64 // seconds, fading
	at      time.Time
}

func (l *load) heard(d time.Duration, now time.Time) {
	l.fade(now)
	l.airtime += d.Seconds()
}

func (l *load) fade(now time.Time) {
	if passed := now.Sub(l.at); passed > 0 {
		l.airtime *= math.Exp(-passed.Seconds() / loadMemory.Seconds())
		l.at = now
	}
}

// share is the part of the time that the channel is taken, 0 to 1.
func (l *load) share(now time.Time) float64 {
	l.fade(now)
	return min(l.airtime/loadMemory.Seconds(), 1)
}
