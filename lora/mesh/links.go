package mesh

import (
	"cmp"
	"slices"
	"time"

	"lorrent/lora/packet"
)

// Limits of what is known of others.
const (
	maxNeighbours = 64   // nodes heard
	maxLists      = 1024 // nodes whose beacon is known
	quiet         = 3 * time.Minute
	suspicion     = 6  // packets that were to be expected of a neighbour before it is taken for gone
	firstGap      = 24 // packets from one of a new neighbour to the next
	maxListed     = 70 // nodes in one beacon: what fits into a packet
)

// linkTable is who hears whom: what this node hears itself, and what beacons
// say of others.
type linkTable struct {
	me      uint16
	born    time.Time // when the first neighbour was heard
	floor   float64   // SNR in dB of the weakest signal that is received
	heard   map[uint16]*neighbour
	copies  int // heard of all but the first of each
	lists   map[uint16]*list
	out, in map[uint16][]edge // links by sender and by receiver, as of outAt
	outAt   time.Time
	busy    float64           // share of the time that the channel is taken, 0 to 1
	fields  map[uint16]*field // by receiver

	islands   islands
	listeners map[uint16][]uint16 // by node: who hears it, in order; nil when stale
	circle    circle              // nil when stale
}

// neighbour is a node that was heard directly.
type neighbour struct {
	last   time.Time
	margin float64 // dB, smoothed
	steady steadiness
	copies int
	// passes is the share of packets sent to it that it passes on, as of late.
	passes float64
	air    load // what it takes of the channel
	told   bool // others know that it talks without end
	// failed is how many packets in a row it was not heard to pass on.
	failed int
	unread int  // brief acknowledgements in a row that it was not heard to pass on,
	reads  bool // and that it was, once: see brief.go
	// at is how many copies of all were heard up to its last, and gap how many there
	// are from one of its own to the next, smoothed.
	at  int
	gap float64
}

// list is whom a node hears, by its latest beacon.
type list struct {
	hears    []Link // some tens at most: to look through them is quicker than to look one up
	at       time.Time
	spread   time.Time // when the last came that was for everyone
	epoch    uint16
	sequence uint32
	endless  bool // one of these talks without end
}

// hearing is how well the node of a list hears another one.
func (l *list) hearing(id uint16) (margin uint8, ok bool) {
	for _, link := range l.hears {
		if link.ID == id {
			return link.Margin, true
		}
	}
	return 0, false
}

// hearsOf is how many of some nodes the node of a list hears, or surely does: over
// links that last.
func (l *list) hearsOf(ids []uint16, surely bool) (count int) {
	for _, link := range l.hears {
		if contains(ids, link.ID) && !(surely && link.Restless) {
			count++
		}
	}
	return count
}

func newLinkTable(me uint16, floor float64) linkTable {
	return linkTable{me: me, floor: floor, heard: make(map[uint16]*neighbour), lists: make(map[uint16]*list)}
}

// hear notes a copy sent by a neighbour and says whether it is a new one.
func (t *linkTable) hear(id uint16, snr float64, now time.Time) (fresh bool) {
	if id == t.me || id == nobody || id == Anybody {
		return false
	}
	n := t.heard[id]
	if n != nil {
		t.copies++ // who makes senders up says little of those that are silent
	}
	margin := min(max(snr-t.floor, 0), 60)
	if n == nil {
		if len(t.heard) >= maxNeighbours {
			t.forgetSilent()
		}
		if len(t.heard) == 0 && t.born.IsZero() {
			t.born = now
		}
		n = &neighbour{last: now, margin: margin, steady: steadiness{born: now, usual: margin}, passes: 0.9, at: t.copies, gap: firstGap}
		t.heard[id] = n
		fresh = true
	}
	silence := now.Sub(n.last)
	n.last = now
	n.copies++
	n.gap += (float64(t.copies-n.at) - n.gap) / 8
	n.at = t.copies
	n.margin += (margin - n.margin) / 4
	n.steady.follow(n.margin, margin, silence)
	return fresh
}

// forgetSilent makes room: who was heard once or twice goes before all others, since
// whoever makes senders up makes up many, and of these who was silent for longest.
func (t *linkTable) forgetSilent() {
	var oldest uint16
	for id, n := range t.heard {
		o := t.heard[oldest]
		if o == nil || n.hardly() && !o.hardly() || n.hardly() == o.hardly() && (n.last.Before(o.last) || n.last.Equal(o.last) && id < oldest) {
			oldest = id
		}
	}
	delete(t.heard, oldest)
}

// hardly says whether a neighbour was heard so little that it may be made up.
func (n *neighbour) hardly() bool { return n.copies <= 2 }

// learn takes in a beacon. It says whether it was newer than what was known.
func (t *linkTable) learn(p *Packet, now time.Time) bool {
	id := Short(p.From)
	old := t.lists[id]
	if old != nil && old.epoch == p.ID.Epoch && p.ID.Sequence <= old.sequence {
		return false
	}
	if old == nil && len(t.lists) >= maxLists {
		t.forgetList()
	}
	l := &list{hears: p.Heard, at: now, epoch: p.ID.Epoch, sequence: p.ID.Sequence}
	l.endless = slices.ContainsFunc(l.hears, func(link Link) bool { return link.Endless })
	if old != nil {
		l.spread = old.spread
	}
	t.lists[id] = l
	t.relist(id, old, l)
	t.uncircle(old, l)
	return true
}

// relist keeps listeners up to date when the list of a node changes.
func (t *linkTable) relist(id uint16, old, l *list) {
	if t.listeners == nil || id == t.me {
		return
	}
	if old != nil {
		for _, link := range old.hears {
			if _, ok := l.hearing(link.ID); ok {
				continue
			}
			if i, ok := slices.BinarySearch(t.listeners[link.ID], id); ok {
				t.listeners[link.ID] = slices.Delete(t.listeners[link.ID], i, i+1)
			}
		}
	}
	for _, link := range l.hears {
		if i, ok := slices.BinarySearch(t.listeners[link.ID], id); !ok {
			t.listeners[link.ID] = slices.Insert(t.listeners[link.ID], i, id)
		}
	}
}

func (t *linkTable) forgetList() {
	var oldest uint16
	for id, l := range t.lists {
		if o := t.lists[oldest]; o == nil || l.at.Before(o.at) || l.at.Equal(o.at) && id < oldest {
			oldest = id
		}
	}
	t.uncircle(t.lists[oldest])
	delete(t.lists, oldest)
	t.listeners = nil
}

// expire forgets who was not heard for long, and says how many they were, and
// of whom nothing was heard for longer.
func (t *linkTable) expire(now time.Time, silence, ignorance time.Duration) (silent int) {
	for id, n := range t.heard {
		if now.Sub(n.last) > silence {
			delete(t.heard, id)
			silent++
		}
	}
	for id, l := range t.lists {
		if now.Sub(l.at) > ignorance {
			t.uncircle(l)
			delete(t.lists, id)
			t.listeners = nil
		}
	}
	return silent
}

// beacon lists whom this node hears, best first.
func (t *linkTable) beacon(now time.Time) []Link {
	var links []Link
	for id, n := range t.heard {
		if t.gone(n, now) {
			continue
		}
		links = append(links, Link{ID: id, Margin: uint8(n.margin), Restless: t.restless(n, now), Endless: n.endless(now)})
	}
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(b.Margin, a.Margin), cmp.Compare(a.ID, b.ID))
	})
	return links[:min(len(links), maxListed)]
}

// known is the table as beacons, this node's own first.
func (t *linkTable) known(node uint32, now time.Time) []Packet {
	all := []Packet{{Type: Beacon, From: node, Heard: t.beacon(now)}}
	for id, l := range t.lists {
		all = append(all, Packet{
			Type: Beacon, From: uint32(id), ID: packet.ID{Source: uint32(id), Epoch: l.epoch, Sequence: l.sequence},
			Heard: slices.Clone(l.hears),
		})
	}
	slices.SortFunc(all[1:], func(a, b Packet) int { return cmp.Compare(a.From, b.From) })
	return all
}

// restore takes in what known returned.
func (t *linkTable) restore(all []Packet, now time.Time) {
	for i := range all {
		if Short(all[i].From) != t.me {
			t.learn(&all[i], now)
			continue
		}
		for _, link := range all[i].Heard {
			t.hear(link.ID, float64(link.Margin)+t.floor, now)
		}
	}
}

// hears says whether node a hears node b, as far as is known.
func (t *linkTable) hears(a, b uint16) bool {
	if a == t.me {
		return t.heard[b] != nil
	}
	l := t.lists[a]
	if l == nil {
		return false
	}
	_, ok := l.hearing(b)
	return ok
}

// audience are the nodes known to hear this one, in order.
func (t *linkTable) audience() []uint16 { return t.listenersOf(t.me) }

// listenersOf are the nodes known to hear a node, in order.
func (t *linkTable) listenersOf(id uint16) []uint16 {
	if t.listeners == nil {
		t.listeners = make(map[uint16][]uint16)
		for listener, l := range t.lists {
			if listener == t.me {
				continue
			}
			for _, link := range l.hears {
				t.listeners[link.ID] = append(t.listeners[link.ID], listener)
			}
		}
		for id, ids := range t.listeners {
			slices.Sort(ids)
			t.listeners[id] = slices.Compact(ids) // a liar may name one twice
		}
	}
	return t.listeners[id]
}

// degree is how many nodes a node hears.
func (t *linkTable) degree(id uint16) int {
	if l := t.lists[id]; l != nil {
		return l.degree()
	}
	return 1
}

func (l *list) degree() int { return max(len(l.hears), 1) }

// silent says whether a neighbour has said nothing for some minutes: it may be
// gone, or have moved on.
func (t *linkTable) silent(id uint16, now time.Time) bool {
	n := t.heard[id]
	return n == nil || now.Sub(n.last) > quiet
}

// gone says whether a neighbour has fallen silent while others talk on: among so
// many packets there would have been several of its own. Where all are silent, in
// a calm night, none is missed.
func (t *linkTable) gone(n *neighbour, now time.Time) bool {
	return now.Sub(n.last) > quiet && float64(t.copies-n.at) > suspicion*(n.gap+1)
}

// result notes whether a neighbour passed on what was sent to it.
func (t *linkTable) result(id uint16, passed bool) {
	if n := t.heard[id]; n != nil {
		if passed {
			n.passes += (1 - n.passes) / 4
			n.failed = 0
		} else {
			if n.failed++; n.failed > 1 {
				t.out, t.fields = nil, nil // other ways are cheaper now
			}
			n.passes -= n.passes / 6
		}
	}
}
