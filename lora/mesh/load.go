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

func (l *load) heard(d time.Duration, now time.Time) { l.addOver(loadMemory, d, now) }

// addOver adds an airtime to one that is averaged over a memory.
func (l *load) addOver(memory, d time.Duration, now time.Time) {
	l.fadeOver(memory, now)
	l.airtime += d.Seconds()
}

func (l *load) fade(now time.Time) { l.fadeOver(loadMemory, now) }

func (l *load) fadeOver(memory time.Duration, now time.Time) {
	if passed := now.Sub(l.at); passed > 0 {
		l.airtime *= math.Exp(-passed.Seconds() / memory.Seconds())
		l.at = now
	}
}

// share is the part of the time that the channel is taken, 0 to 1.
func (l *load) share(now time.Time) float64 {
	l.fade(now)
	return min(l.airtime/loadMemory.Seconds(), 1)
}

// modestShare is what one node may take of the channel, as heard here, before
// politeness is in vain: it leaves no more of it to those who say less.
const modestShare = 0.15

// crowd is the part of the time that the channel is taken but for what single
// neighbours take beyond a modest share.
func (m *Mesh) crowd(now time.Time) float64 {
	share := m.load.share(now)
	for _, n := range m.links.heard {
		if n.air.airtime > modestShare*loadMemory.Seconds() { // it only fades
			share -= max(n.air.share(now)-modestShare, 0)
		}
	}
	return max(share, 0)
}

// drownedShare is what single neighbours take of the channel beyond a modest share
// when little else is heard.
const drownedShare = 0.25

// endless says whether a neighbour talks so much that it hardly listens.
func (n *neighbour) endless(now time.Time) bool {
	return n.air.share(now) > modestShare+drownedShare/2
}

// drowned says whether somebody talks so much that little else is heard.
func (m *Mesh) drowned(now time.Time) bool { return m.load.share(now)-m.crowd(now) > drownedShare }
