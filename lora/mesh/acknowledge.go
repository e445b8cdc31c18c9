package mesh

import (
	"time"

	"lorrent/lora/packet"
)

// acknowledge answers a stored message: back the way it came when the neighbour
// hears this node, else any way that is known, else by flooding.
func (m *Mesh) acknowledge(id packet.ID, now time.Time) {
	a, ok := m.forwards.arrivals.last(id)
	if !ok {
		return
	}
	ack := Packet{Type: Ack, ID: id, From: m.cfg.NodeID, To: id.Source, Attempt: a.attempt, TTL: maxTTL, Token: a.token}
	way, known := m.way(Short(ack.To), past{}, now)
	if !known && !m.links.hears(a.tx, m.short) {
		ack.Next, ack.TTL = Anybody, unknownHops
		if f := m.floodOf(floodKey{kind: Ack, id: id, attempt: a.attempt}, now); f == nil {
			m.launch(ack, nil, now)
		}
		return
	}
	if known {
		ack.TTL = uint8(min(2*way.hops+3, maxTTL))
	}
	m.sendAck(ack, nobody, a.tx, now)
}

// sendAck sends an acknowledgement to the neighbour that brought the message,
// when that one hears this node, else along a known way.
func (m *Mesh) sendAck(ack Packet, prev, back uint16, now time.Time) {
	f := &forward{key: floodKey{kind: Ack, id: ack.ID, attempt: ack.Attempt}, packet: ack, prev: prev, last: now}
	if prev != nobody {
		f.tried = append(f.tried, prev)
	}
	m.sendBack(f, back, now)
}

// sendBack sends an acknowledgement to a neighbour, when that one hears this node, else
// along a known way.
func (m *Mesh) sendBack(f *forward, back uint16, now time.Time) {
	if back != nobody && back != f.prev && m.links.hears(back, m.short) {
		f.next = back
	}
	if old := m.forwards.all[f.key]; old != nil {
		m.finish(old)
	}
	m.forwards.add(f)
	m.choose(f, now)
}

// confirmHop says that a copy has arrived, to a neighbour that did not notice. When it
// has no other way to, the next one may be waiting: that is not held back.
func (m *Mesh) confirmHop(p Packet, wait time.Duration, now time.Time) {
	to := p.Tx
	m.queue(&job{
		priority: PriorityAck, due: now.Add(wait + m.jitter(m.cfg.Airtime(hopAckSize))), direct: true, rides: true,
		prepare: func(time.Time) (Packet, bool) {
			return Packet{Type: Ack, ID: p.ID, From: m.cfg.NodeID, To: p.ID.Source, Attempt: p.Attempt, Next: to, Hop: true}, true
		},
		sent: func(time.Time) {},
	})
}

// receiveAck takes in an acknowledgement, for this node or another.
func (m *Mesh) receiveAck(p Packet, r reception) {
	if p.Brief && !m.recall(&p) {
		return
	}
	if p.Hop {
		if p.Next == m.short {
			m.progress(floodKey{kind: Routed, id: p.ID, attempt: p.Attempt}, p.Tx, 0, r.now)
			m.progress(floodKey{kind: Ack, id: p.ID, attempt: p.Attempt}, p.Tx, 0, r.now)
		}
		return
	}
	if p.From == m.cfg.NodeID || p.From == 0 && m.forwards.arrivals.wrote(&p) {
		m.progress(floodKey{kind: Ack, id: p.ID, attempt: p.Attempt}, p.Tx, p.TTL, r.now)
		return
	}
	opens := m.opens(&p)
	if opens {
		m.stop(p.ID)
	}
	if p.To == m.cfg.NodeID {
		if opens {
			m.acknowledged(p.ID, r.now)
		}
		return
	}
	if opens {
		m.forwards.keepAck(p)
	}
	switch {
	case p.Next == Anybody:
		f, _ := m.copy(p, r)
		m.consider(f, r.now)
	case p.Next == m.short:
		m.passAck(p, r)
	default:
		m.progress(floodKey{kind: Ack, id: p.ID, attempt: p.Attempt}, p.Tx, p.TTL, r.now)
		m.leapAck(p, r)
	}
}

// opens says whether an acknowledgement is true, as far as this node can tell: it
// opens a copy of the message. One that it cannot check it passes on, and does
// not believe.
func (m *Mesh) opens(ack *Packet) bool {
	if o := m.outgoing(ack.ID); o != nil && o.To != packet.Broadcast {
		if ack.From != 0 {
			return ack.From == o.To
		}
		return m.cfg.Opens == nil || m.cfg.Opens(ack, &Packet{Type: Routed, ID: ack.ID, To: o.To, Payload: o.payload(ack.ID)})
	}
	if m.cfg.Opens == nil {
		return true
	}
	for attempt := range uint8(attempts) {
		key := floodKey{kind: Routed, id: ack.ID, attempt: attempt}
		if f := m.forwards.all[key]; f != nil && m.cfg.Opens(ack, &f.packet) {
			return true
		}
		if f := m.floods.all[key]; f != nil && m.cfg.Opens(ack, &f.packet) {
			return true
		}
	}
	return false
}

// passAck forwards an acknowledgement back along the way of its message.
func (m *Mesh) passAck(p Packet, r reception) {
	if f := m.forwardOf(Ack, p.ID, p.Attempt, r.now); f != nil {
		if f.tries > 0 {
			m.confirmHop(p, m.ride(true, r.now)/2, r.now)
		}
		return
	}
	if p.TTL == 0 {
		return
	}
	back := nobody
	if f := m.forwards.all[floodKey{kind: Routed, id: p.ID, attempt: p.Attempt}]; f != nil {
		back = f.prev
	}
	ack := p
	ack.TTL--
	m.sendAck(ack, p.Tx, back, r.now)
}
