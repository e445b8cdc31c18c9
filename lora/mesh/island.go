package mesh

import "time"

// Neighbours ask each other for what they lack, so all have everything in the end who are
// joined by links that work both ways: an island. From one island to another links work
// one way, and nobody can ask over them. Who is at the beginning of such a link sends what
// the other side is not known to have, several times.
const (
	shoreTries = 4                // times that it is sent
	signPause  = 30 * time.Minute // between beacons of one there that are spread here
	islandAge  = time.Minute      // how long what is known of islands is used after it was worked out
)

// islands are what is known of them, as of a time.
type islands struct {
	at     time.Time
	of     map[uint16]uint16 // by node: one of its island, the same for all of them; nil when no link here works one way
	abroad bool              // a link that works one way begins here
	small  bool              // most of the nodes known are on other islands
}

// shore is what is known of islands here. That is looked at only where links to or from
// this node work one way, and no neighbour makes up for it.
func (t *linkTable) shore(now time.Time) *islands {
	s := &t.islands
	if passed := now.Sub(s.at); passed >= 0 && passed < islandAge {
		return s
	}
	*s = islands{at: now}
	var deaf, mute []uint16 // who is not heard, and who does not hear
	for _, v := range t.audience() {
		if t.heard[v] == nil && !t.bridged(v) {
			deaf = append(deaf, v)
		}
	}
	for v, n := range t.heard {
		if !t.hears(v, t.me) && !t.bridged(v) && t.lasts(v, n, now) {
			mute = append(mute, v)
		}
	}
	if len(deaf)+len(mute) == 0 {
		return s
	}
	t.settleAll()
	s.small = 2*t.population() <= len(t.lists)
	for _, v := range deaf {
		s.abroad = s.abroad || t.elsewhere(v)
	}
	for _, v := range mute { // of whom it hears nothing may be known here
		s.abroad = s.abroad || s.small && t.elsewhere(v)
	}
	return s
}

// lasts says whether a neighbour is no newcomer, of whom beacons will say more soon.
func (t *linkTable) lasts(v uint16, n *neighbour, now time.Time) bool {
	return !n.hardly() && !t.gone(n, now) && (t.lists[v] != nil || now.Sub(n.steady.born) > settled)
}

// bridged says whether a neighbour stands between this node and another one, so that
// they are on one island.
func (t *linkTable) bridged(v uint16) bool {
	l := t.lists[v]
	if l == nil {
		return false
	}
	for _, link := range l.hears {
		if t.heard[link.ID] != nil && t.hears(link.ID, v) && t.hears(link.ID, t.me) {
			return true
		}
	}
	return false
}

// apart says whether a node is known that is on another island.
func (t *linkTable) apart() bool {
	defer func(known islands) { t.islands = known }(t.islands)
	t.settleAll()
	return t.population() < len(t.islands.of)
}

// elsewhere says whether a node is on another island, as far as is known.
func (t *linkTable) elsewhere(id uint16) bool {
	island, ok := t.islands.of[id]
	return !ok || island != t.islands.of[t.me]
}

// population is how many nodes are on this island.
func (t *linkTable) population() (n int) {
	for id := range t.islands.of {
		if !t.elsewhere(id) {
			n++
		}
	}
	return n
}

// settleAll works out who is on which island.
func (t *linkTable) settleAll() {
	t.islands.of = make(map[uint16]uint16)
	t.settle(t.me)
	for id := range t.lists {
		t.settle(id)
	}
}

// settle enters all of the island of a node, unless it was entered before.
func (t *linkTable) settle(id uint16) {
	of := t.islands.of
	var found []uint16
	enter := func(v uint16) {
		if _, ok := of[v]; !ok {
			of[v] = id
			found = append(found, v)
		}
	}
	for enter(id); len(found) > 0; {
		u := found[len(found)-1]
		found = found[:len(found)-1]
		for _, v := range t.listenersOf(u) {
			if t.hears(u, v) {
				enter(v)
			}
		}
		if t.hears(t.me, u) && t.hears(u, t.me) {
			enter(t.me)
		}
	}
}

// ashore says whether f is to go to another island over a link that works one way, and
// nobody of another one is known to have it. What goes from where most are to where
// few are is sent once: it is too much to be sent more often. Beacons are left alone: see
// castaway.
func (m *Mesh) ashore(f *flood, now time.Time) bool {
	if f.key.kind != Flood || f.sent >= shoreTries {
		return false
	}
	s := m.links.shore(now)
	if !s.abroad || f.sent > 0 && !s.small {
		return false
	}
	for _, id := range f.holders {
		if m.links.elsewhere(id) {
			return false
		}
	}
	return true
}

// castaway says whether a neighbour is on another island and does not hear this node, and
// nothing of it was spread for long. If its beacon for everyone was lost on the one link
// outwards, all messages for it are floods.
func (t *linkTable) castaway(id uint16, now time.Time) bool {
	n, l := t.heard[id], t.lists[id]
	if n == nil || l == nil || now.Sub(l.spread) < signPause || t.hears(id, t.me) || t.bridged(id) || !t.lasts(id, n, now) {
		return false
	}
	return t.shore(now).of != nil && t.elsewhere(id)
}
