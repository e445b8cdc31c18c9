package mesh

import (
	"container/heap"
	"time"
)

// step is the next hop to a node.
type step struct {
	first uint16 // the neighbour to send to
	hops  int    // from here
}

// past is what a packet has met on its way so far.
type past struct {
	source  uint16   // it comes from there; nobody when from here
	tried   []uint16 // neighbours that did not pass it on, and who sent it here
	earlier []uint16 // neighbours to whom earlier attempts went, in vain
}

// distance is how far a node is from one receiver.
type distance struct {
	cost float64
	hops int
}

// field is how far every node is from one receiver, as of a time.
type field struct {
	at   time.Time
	from map[uint16]distance
}

const (
	fieldAge  = 20 * time.Second // how long distances are used after they were worked out
	maxFields = 256
)

// Costs of a link, in transmissions.
const (
	linkCost    = 1.0
	weakCost    = 0.4 // with no margin left: other packets drown it,
	weakLoad    = 6.0 // the more when the channel is always busy
	blindCost   = 2.0 // the sender does not hear the receiver pass it on
	guessedCost = 2.0 // known only from the other direction
	restCost    = 5.0 // where one of the two moves, as far as can be told
	againCost   = 2.0 // to where an earlier attempt went
	failedCost  = 1.0 // when the neighbour passed nothing on of late
	lostCost    = 1.0 // for each packet in a row after the first that the neighbour did not pass on,
	mostLost    = 6.0 // at most
	detour      = 0.5 // by how much a way around may be farther away
	weakMargin  = 14  // dB
)

// way is the next hop to a node, and how many hops it takes, avoiding the source and
// neighbours that were tried, and, if there are others, those to whom earlier attempts
// went: somewhere behind them these were lost, and the knowledge of it with them. Ok is
// false when no way is known. Every hop is nearer to the receiver than the one before,
// whatever a node thinks of its own links, so that packets do not circle; only when one
// was tried may the next be as far.
func (t *linkTable) way(to uint16, met past, now time.Time) (s step, ok bool) {
	far := t.distances(to, now)
	here, known := far[t.me]
	if !known {
		return step{}, false
	}
	limit := here.cost
	if len(met.tried) > 1 {
		limit += detour
	}
	return t.cheapest(t.me, far, limit, func(to uint16) (more float64, ok bool) {
		if to == met.source || contains(met.tried, to) {
			return 0, false
		}
		if n := t.heard[to]; n != nil {
			more += failedCost * (1 - n.passes)
		}
		if contains(met.earlier, to) {
			more += againCost
		}
		return more, true
	})
}

// cheapest is the next hop of a node by how far all are from the receiver, among those
// that are nearer than a limit and may be taken, for what they cost more.
func (t *linkTable) cheapest(node uint16, far map[uint16]distance, limit float64, takes func(to uint16) (more float64, ok bool)) (s step, ok bool) {
	best := 0.0
	for _, e := range t.out[node] {
		d, known := far[e.to]
		if !known || d.cost >= limit {
			continue
		}
		more, takes := takes(e.to)
		cost := e.cost + d.cost + more
		if takes && (!ok || cost < best || cost == best && e.to < s.first) {
			s, ok, best = step{first: e.to, hops: d.hops + 1}, true, cost
		}
	}
	return s, ok
}

// distances is Dijkstra's from the receiver backwards over the known links.
func (t *linkTable) distances(to uint16, now time.Time) map[uint16]distance {
	if f := t.fields[to]; f != nil && now.Sub(f.at) < fieldAge {
		return f.from
	}
	if t.out == nil || now.Sub(t.outAt) >= fieldAge {
		t.outgoing(now)
		t.outAt = now
	}
	done := make(map[uint16]distance)
	frontier := &nearest{{id: to}}
	for frontier.Len() > 0 {
		at := heap.Pop(frontier).(candidate)
		if _, ok := done[at.id]; ok {
			continue
		}
		done[at.id] = at.distance
		for _, e := range t.in[at.id] {
			if _, ok := done[e.to]; !ok {
				heap.Push(frontier, candidate{e.to, distance{at.cost + e.cost, at.hops + 1}})
			}
		}
	}
	if len(t.fields) >= maxFields || t.fields == nil {
		t.fields = make(map[uint16]*field)
	}
	t.fields[to] = &field{now, done}
	return done
}

type edge struct {
	to   uint16
	cost float64
}

// outgoing turns the lists of who is heard into links, by sender and by receiver.
// Who talks without end passes nothing on: messages go to it, and not through it.
func (t *linkTable) outgoing(now time.Time) {
	t.out, t.in = make(map[uint16][]edge), make(map[uint16][]edge)
	add := func(from, to uint16, cost float64) {
		t.out[from] = append(t.out[from], edge{to, cost})
		t.in[to] = append(t.in[to], edge{from, cost})
	}
	weak, moves := weakCost+weakLoad*t.busy, t.moves(now)
	link := func(from, to uint16, margin uint8, restless bool) {
		cost := linkCost
		if restless {
			cost += restCost
		}
		cost += weak * max(0, 1-float64(margin)/weakMargin)
		if !t.hears(from, to) {
			cost += blindCost
		}
		if from == t.me {
			cost += t.seenCost(to, moves, now)
		}
		add(from, to, cost)
		if t.lists[from] == nil && from != t.me || to == t.me && moves && t.justMet(from, now) { // nothing known but that it is heard
			add(to, from, linkCost+guessedCost)
		}
	}
	for to, l := range t.lists {
		if to == t.me {
			continue
		}
		for _, heard := range l.hears {
			if n := t.heard[heard.ID]; n != nil && n.endless(now) {
				continue
			}
			link(heard.ID, to, heard.Margin, heard.Restless)
		}
	}
	for from, n := range t.heard {
		if t.gone(n, now) || n.endless(now) {
			continue
		}
		link(from, t.me, uint8(n.margin), t.restless(n, now))
	}
}

func contains(ids []uint16, id uint16) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

type candidate struct {
	id uint16
	distance
}

type nearest []candidate

func (h nearest) Len() int { return len(h) }
func (h nearest) Less(i, j int) bool {
	if h[i].cost != h[j].cost {
		return h[i].cost < h[j].cost
	}
	if h[i].hops != h[j].hops {
		return h[i].hops < h[j].hops
	}
	return h[i].id < h[j].id
}
func (h nearest) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *nearest) Push(x any)   { *h = append(*h, x.(candidate)) }
func (h *nearest) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// way is the next hop to a node, by what is known now and the load of the channel.
func (m *Mesh) way(to uint16, met past, now time.Time) (step, bool) {
	m.links.busy = m.load.share(now)
	return m.links.way(to, met, now)
}
