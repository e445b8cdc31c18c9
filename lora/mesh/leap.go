package mesh

import "time"

// leapTurn is how long a next hop leaves the channel to the one behind it: what hosts and
// boards need to answer, and to hear that somebody does.
const leapTurn = 80 * time.Millisecond

// leap passes on what was sent to another node, when that one would send it here: a weak
// link has carried the packet farther than was to be expected. Both who sent it and who
// was to pass it on must hear this node, so that neither does so again.
func (m *Mesh) leap(p Packet, r reception) {
	t := &m.links
	if p.TTL == 0 || !t.hears(p.Tx, m.short) || !t.hears(p.Next, m.short) || m.forwardOf(Routed, p.ID, p.Attempt, r.now) != nil {
		return
	}
	p.TTL--
	f := &forward{key: m.keyOf(&p), packet: p, prev: p.Tx, leapt: true, tried: []uint16{p.Tx}, last: r.now}
	if _, known := m.way(Short(p.To), m.met(f), r.now); !known || t.nextOf(p.Next, p.Tx, Short(p.To), r.now) != m.short {
		return
	}
	m.forwards.add(f)
	m.choose(f, r.now)
}

// leapAck passes on an acknowledgement that was sent to another node, if its message went
// this way: back from there it would come here. As with messages, both who sent it and
// who was to pass it on must hear this node.
func (m *Mesh) leapAck(p Packet, r reception) {
	t := &m.links
	f := m.forwards.all[floodKey{kind: Routed, id: p.ID, attempt: p.Attempt}]
	if p.TTL == 0 || f == nil || f.prev == nobody || f.prev == p.Tx || !t.hears(p.Tx, m.short) || !t.hears(p.Next, m.short) ||
		m.forwardOf(Ack, p.ID, p.Attempt, r.now) != nil {
		return
	}
	p.TTL--
	ack := &forward{key: m.keyOf(&p), packet: p, prev: p.Tx, leapt: true, tried: []uint16{p.Tx}, last: r.now}
	m.sendBack(ack, f.prev, r.now)
}

// turn is how long f waits for one who leaps.
func (f *forward) turn() time.Duration {
	if f.leapt {
		return 0
	}
	return leapTurn
}

// nextOf is to whom a node sends on what it has from another one, as far as is known here;
// nobody when that is not.
func (t *linkTable) nextOf(node, prev, to uint16, now time.Time) uint16 {
	far := t.distances(to, now)
	next, _ := t.cheapest(node, far, far[node].cost, func(to uint16) (float64, bool) { return 0, to != prev })
	return next.first
}
