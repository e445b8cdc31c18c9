package mesh

import "time"

// A node that moves is by the lists of others still where it was, and would send what
// comes to it to neighbours that are out of range by now: messages ended there, since who
// had sent them heard them passed on. What such a node hears itself counts for more.
const (
	goneCost  = 20              // to a neighbour that is gone, as far as can be told from here
	leftCost  = 5.0             // from a node that moves to one that it has not heard of late
	unsteady  = 0.2             // it moves when so many of its links are restless, or gone
	metOfLate = 2 * time.Minute // for that long it takes for granted that who is heard hears it
)

// moves says whether this node moves, as far as it can tell.
func (t *linkTable) moves(now time.Time) bool {
	links, lasting := 0, 0
	for id, n := range t.heard {
		gone := t.gone(n, now)
		if !gone && t.silent(id, now) {
			continue
		}
		links++
		if !gone && !t.restless(n, now) {
			lasting++
		}
	}
	return links > 0 && float64(links-lasting) >= unsteady*float64(links)
}

// seenCost is what a link from this node costs more, by what it has seen of the receiver
// itself.
func (t *linkTable) seenCost(to uint16, moves bool, now time.Time) (cost float64) {
	n := t.heard[to]
	switch {
	case n != nil && t.gone(n, now):
		cost = goneCost
	case moves && t.silent(to, now):
		cost = leftCost
	}
	if n != nil {
		cost += min(lostCost*float64(max(n.failed-1, 0)), mostLost)
	}
	return cost
}

// justMet says whether a neighbour came into range after its latest list, and was heard of
// late.
func (t *linkTable) justMet(id uint16, now time.Time) bool {
	n, l := t.heard[id], t.lists[id]
	return n != nil && l != nil && l.at.Before(n.steady.born) && now.Sub(n.last) < metOfLate
}
