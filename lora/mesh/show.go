package mesh

import (
	"cmp"
	"slices"
	"time"
)

// Neighbour is a node that is heard directly, by its short id.
type Neighbour struct {
	ID        uint16
	LastHeard time.Time
	// MarginDB is how much stronger than the weakest signal it arrives here, and
	// TheirMarginDB how we arrive there, by its beacon, when HearsUs.
	MarginDB, TheirMarginDB int
	HearsUs                 bool
	// Passes is the share of packets sent to it that it passes on, as of late.
	Passes float64
}

// Route is the way to a node, as far as this one knows.
type Route struct {
	To, Next uint16
	Hops     int
}

// Neighbours returns the nodes heard directly, best first.
func (m *Mesh) Neighbours() []Neighbour {
	var all []Neighbour
	for id, n := range m.links.heard {
		one := Neighbour{ID: id, LastHeard: n.last, MarginDB: int(n.margin), Passes: n.passes}
		if l := m.links.lists[id]; l != nil {
			margin, ok := l.hearing(m.short)
			one.TheirMarginDB, one.HearsUs = int(margin), ok
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Neighbour) int { return cmp.Or(b.MarginDB-a.MarginDB, int(a.ID)-int(b.ID)) })
	return all
}

// Routes returns the ways to all nodes of which a beacon is known, nearest first.
func (m *Mesh) Routes(now time.Time) []Route {
	var all []Route
	for to := range m.links.lists {
		if to == m.short {
			continue
		}
		if way, ok := m.way(to, past{}, now); ok {
			all = append(all, Route{To: to, Next: way.first, Hops: way.hops})
		}
	}
	slices.SortFunc(all, func(a, b Route) int { return cmp.Or(a.Hops-b.Hops, int(a.To)-int(b.To)) })
	return all
}

// Path is the way that a message to a node would take by what this one knows: the
// nodes after this one, the last of them the receiver. Nil when none is known.
func (m *Mesh) Path(to uint16, now time.Time) (path []uint16) {
	way, ok := m.way(to, past{}, now)
	if !ok {
		return nil
	}
	far := m.links.distances(to, now)
	for at := way.first; ; {
		path = append(path, at)
		if at == to || len(path) > maxTTL {
			return path
		}
		next, best := nobody, 0.0
		for _, e := range m.links.out[at] {
			d, known := far[e.to]
			if known && d.cost < far[at].cost && (next == nobody || d.cost+e.cost < best) {
				next, best = e.to, d.cost+e.cost
			}
		}
		if next == nobody {
			return path
		}
		at = next
	}
}
