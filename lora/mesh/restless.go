package mesh

import (
	"math"
	"time"
)

// Links of nodes that move do not last, and what beacons said of them is believed for
// hours: packets that are drawn to such a node end there. So a node tells which of its
// links are restless, and ways avoid those: that a node moves stays true for longer
// than where it is.
const (
	usualMemory = 10 * time.Minute // over which the usual margin of a neighbour is averaged
	driftMemory = 30 * time.Minute // for which it counts how far the margin strayed from that,
	mostDrift   = 5.0              // in dB
	settled     = 10 * time.Minute // after the first neighbours, others are new,
	youth       = 20 * time.Minute // for that long
	lull        = 20 * time.Second // after which a restless neighbour may have gone
	sureCalm    = 0.3              // share of the channel up to which a copy over a restless link brings nothing
)

// steadiness is how a link holds.
type steadiness struct {
	born  time.Time // when the neighbour was first heard
	usual float64   // margin in dB, smoothed over longer
	drift float64   // dB by which the margin strayed from it, at most, fading
}

// follow takes in the margin of the latest packet, after so long a silence, and the
// margin as it is smoothed over a few, both in dB.
func (s *steadiness) follow(smoothed, latest float64, silence time.Duration) {
	s.usual += (latest - s.usual) * (1 - math.Exp(-silence.Seconds()/usualMemory.Seconds()))
	s.drift *= math.Exp(-silence.Seconds() / driftMemory.Seconds())
	s.drift = max(s.drift, math.Abs(smoothed-s.usual))
}

// restless says whether the link to a neighbour may not last: its margin drifts, or
// it is new where others are old.
func (t *linkTable) restless(n *neighbour, now time.Time) bool {
	young := n.steady.born.Sub(t.born) > settled && now.Sub(n.steady.born) < youth
	return young || n.steady.drift > mostDrift
}

// fleeting says whether a neighbour may have gone a moment ago.
func (t *linkTable) fleeting(id uint16, now time.Time) bool {
	n := t.heard[id]
	return n != nil && now.Sub(n.last) > lull && t.restless(n, now)
}

// departed says whether a restless neighbour has said nothing for some minutes: relays
// for it are left to those whom it has come to.
func (t *linkTable) departed(id uint16, now time.Time) bool {
	n := t.heard[id]
	return n != nil && t.silent(id, now) && t.restless(n, now)
}
