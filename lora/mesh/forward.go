package mesh

import (
	"slices"
	"time"

	"lorrent/lora/packet"
)

const (
	hopTries    = 6 // times a packet goes to one neighbour
	silentTries = 2 // times it goes to one that was not heard of late, or moves
	blindTries  = 2 // times it goes to one that cannot be heard to pass it on
	maxWays     = 2 // neighbours it goes to
	maxReturns  = 8 // neighbours that are avoided, until a message that comes back to its source rests
)

// forward is a packet for one node on its way through this one.
type forward struct {
	key    floodKey
	packet Packet
	prev   uint16    // who sent it here; nobody when it is this node's own
	leapt  bool      // it was sent to another node: see leap
	source *outgoing // own messages only

	tried    []uint16 // neighbours that did not pass it on, and whom it must not go to
	next     uint16
	hops     int // from here on, as far as known
	ways     int
	tries    int // to next
	job      *job
	deadline time.Time // when next should have passed it on
	done     bool
	failed   bool      // no neighbour took it
	brief    int       // how many copies to next are brief: see brief.go
	last     time.Time // it began, or was sent
}

// start sends a packet on its way from this node.
func (t *forwardTable) start(m *Mesh, p Packet, prev uint16, source *outgoing, now time.Time) *forward {
	f := &forward{key: m.keyOf(&p), packet: p, prev: prev, source: source, last: now}
	if prev != nobody {
		f.tried = append(f.tried, prev)
	}
	if old := t.all[f.key]; old != nil && old.job != nil {
		m.drop(old.job)
	}
	t.add(f)
	m.choose(f, now)
	return f
}

// choose finds the next neighbour to send f to, and gives up when there is none.
func (m *Mesh) choose(f *forward, now time.Time) {
	way, ok := m.way(Short(f.packet.To), m.met(f), now)
	f.brief = 0
	if f.packet.Type == Ack && f.ways == 0 && f.next != nobody {
		ok, way = true, step{first: f.next, hops: 1} // back the way it came
		f.brief = m.briefFor(f.next)
	}
	if !ok || f.ways >= maxWays || f.exhausted(way.first) {
		m.stuck(f, now)
		return
	}
	f.next, f.hops, f.tries = way.first, way.hops, 0
	f.ways++
	ride := m.ride(f.prev == nobody && f.next == Short(f.packet.To), now)
	switch {
	case f.packet.Type == Ack && ride > 0:
		m.sendOn(f, ride/2+m.jitter(ride), now)
	case f.prev != nobody && f.ways == 1:
		m.sendOn(f, f.turn(), now)
	default:
		m.sendOn(f, m.jitter(m.cfg.Airtime(ackSize)), now)
	}
}

// exhausted says whether next may not pass f on any more: then there is no use in it.
func (f *forward) exhausted(next uint16) bool {
	return f.packet.TTL == 0 && next != Short(f.packet.To)
}

// met is what f has met, on this attempt and on earlier ones.
func (m *Mesh) met(f *forward) past {
	met := past{tried: f.tried}
	if f.packet.Type != Routed {
		return met
	}
	if f.source == nil {
		met.source = Short(f.packet.From)
	}
	for attempt := range uint8(attempts) {
		key := floodKey{kind: Routed, id: f.packet.ID, attempt: attempt}
		if old := m.forwards.all[key]; old != nil && old != f {
			met.earlier = append(append(met.earlier, old.next), old.tried[min(1, len(old.tried)):]...)
		}
	}
	return met
}

// sendOn queues f for its next neighbour.
func (m *Mesh) sendOn(f *forward, delay time.Duration, now time.Time) {
	j := &job{priority: PriorityDirect, due: now.Add(delay), direct: true, message: f.source}
	if f.prev != nobody && f.ways == 1 && f.tries == 0 && delay <= leapTurn { // all who hear prev were silent for it
		j.answerUntil, j.first = j.due.Add(answerTurn), true
		m.keepFree(j.due)
	}
	if f.packet.Type == Ack {
		j.priority, j.rides = PriorityAck, true
	}
	j.prepare = func(time.Time) (Packet, bool) {
		p := f.packet
		p.Next, p.Brief = f.next, f.tries < f.brief
		return p, !f.done
	}
	j.needed = func() bool { return !f.done }
	j.sent = func(now time.Time) {
		f.job, f.last = nil, now
		f.tries++
		if f.source != nil {
			m.sentMessage(f.source, f.hops, now)
		}
		m.await(f, now)
	}
	j.failed = func(now time.Time) {
		f.job = nil
		m.sendOn(f, m.jitter(4*m.cfg.Airtime(usualSize)), now)
	}
	j.dropped = func() { f.job, f.done = nil, true }
	f.job = j
	m.queue(j)
}

// await sets the time by which the neighbour should have passed f on.
func (m *Mesh) await(f *forward, now time.Time) {
	f.done = f.done || m.forwards.all[f.key] != f // nothing that is heard would count for it
	if f.done {
		return
	}
	last := f.next == Short(f.packet.To)
	blind := !m.links.hears(m.short, f.next)
	if last && f.packet.Type == Ack || blind && f.tries >= blindTries {
		f.done = true // nothing to be heard any more
		return
	}
	reply := m.hopPatience(f.packet.Size())
	if last || f.packet.Type == Ack {
		reply = m.ackPatience(f.packet.Size())
	}
	wait := time.Duration(float64(reply) * m.busy(now) * float64(f.tries))
	if blind && f.source != nil {
		wait = max(wait, m.wayAndBack(f, now))
	}
	f.deadline = now.Add(wait + m.jitter(reply))
	m.forwards.leave(f)
	m.forwards.waiting = append(m.forwards.waiting, f)
}

// wayAndBack is when the acknowledgement of a message of this node should come, which is all
// that tells of it when the neighbour that took it is not heard; 0 where no way back is known.
func (m *Mesh) wayAndBack(f *forward, now time.Time) time.Duration {
	back, known := m.links.distances(m.short, now)[Short(f.packet.To)]
	if !known {
		return 0
	}
	return m.roundTrip(f.hops+back.hops, now)
}

// forwardsDue repeats what was not passed on, or tries another neighbour.
func (m *Mesh) forwardsDue(now time.Time) {
	var due []*forward
	m.forwards.waiting = slices.DeleteFunc(m.forwards.waiting, func(f *forward) bool {
		if !f.done && !f.deadline.After(now) {
			due = append(due, f)
		}
		return f.done || !f.deadline.After(now)
	})
	for _, f := range due {
		m.links.result(f.next, false)
		m.unread(f)
		if f.tries < hopTries && !(f.tries >= silentTries && (m.links.silent(f.next, now) || m.links.fleeting(f.next, now))) {
			delay := time.Duration(0)
			if f.packet.Type == Ack {
				delay = m.ride(false, now)
			}
			m.sendOn(f, delay, now)
			continue
		}
		f.tried = append(f.tried, f.next)
		m.choose(f, now)
	}
}

// stuck floods a message that no neighbour took, unless the channel is busy:
// then its source tries again. An acknowledgement is only flooded by its author:
// its relays are asked again when it is missed.
func (m *Mesh) stuck(f *forward, now time.Time) {
	f.done, f.failed = true, true
	p := f.packet
	calm := m.load.share(now) < busyShare
	m.shareStuck(f, now)
	switch {
	case !calm:
	case f.source != nil:
		m.floodDirect(p, f.source, f.hops, now)
	case p.Type == Routed || f.prev == nobody:
		p.Next, p.TTL = Anybody, uint8(min(f.hops+1, maxTTL))
		if f.hops == 0 {
			p.TTL = unknownHops
		}
		if m.floods.all[m.keyOf(&p)] == nil {
			m.launch(p, nil, now)
		}
	}
}

// progress ends a hop: someone else has passed the packet on.
func (m *Mesh) progress(key floodKey, by uint16, ttl uint8, now time.Time) {
	f := m.forwards.all[key]
	if f == nil || f.done || !f.passedOnBy(by, ttl) {
		return
	}
	if by == f.next {
		m.links.result(by, true)
		m.read(f)
	}
	m.finish(f)
	if f.source != nil {
		m.underWay(f, now)
		m.shareOver(f, now)
	}
}

// passedOnBy says whether a copy that another node sent is behind this one. Before this
// node has sent its own, that is one by who leapt, or by another next hop of prev.
func (f *forward) passedOnBy(by uint16, ttl uint8) bool {
	if f.tries == 0 {
		return f.prev != nobody && by != f.prev && ttl <= f.packet.TTL
	}
	return by == f.next || ttl < f.packet.TTL
}

// finish ends what this node does for f.
func (m *Mesh) finish(f *forward) {
	f.done = true
	m.forwards.leave(f)
	if f.job != nil {
		m.drop(f.job)
		f.job = nil
	}
}

// stop ends all that carries a message, since its receiver has it.
func (m *Mesh) stop(id packet.ID) {
	for attempt := range uint8(attempts) {
		key := floodKey{kind: Routed, id: id, attempt: attempt}
		if f := m.forwards.all[key]; f != nil && !f.done {
			if f.tries > 0 {
				m.links.result(f.next, true)
			}
			m.finish(f)
		}
		if f := m.floods.all[key]; f != nil {
			f.done = true
			if f.job != nil {
				m.drop(f.job)
			}
		}
	}
}

// receiveRouted takes in a copy of a message for one node.
func (m *Mesh) receiveRouted(p Packet, r reception) {
	if p.From == m.cfg.NodeID {
		if p.Next == m.short {
			m.cameBack(p, r)
			return
		}
		m.progress(floodKey{kind: Routed, id: p.ID, attempt: p.Attempt}, p.Tx, p.TTL, r.now)
		if p.Next == Anybody {
			m.copy(p, r)
			m.passedOn(p.ID)
		}
		return
	}
	m.revive(p.From, r.now)
	switch {
	case p.To == m.cfg.NodeID:
		m.arrived(p, r)
	case p.Next == Anybody:
		f, fresh := m.copy(p, r)
		if ack, ok := m.forwards.acks[p.ID]; ok {
			f.done = true
			m.spreadAck(ack, p, fresh, r)
		}
		m.progress(f.key, p.Tx, p.TTL, r.now)
		m.consider(f, r.now)
	case p.Next == m.short:
		m.passOn(p, r)
	default:
		m.progress(floodKey{kind: Routed, id: p.ID, attempt: p.Attempt}, p.Tx, p.TTL, r.now)
		m.leap(p, r)
	}
}

// arrived delivers a message for this node, and acknowledges again what is
// stored.
func (m *Mesh) arrived(p Packet, r reception) {
	m.forwards.arrivals.note(p)
	if (p.Fragment || p.Quiet) && p.Next == m.short {
		m.confirmHop(p, 0, r.now) // nobody else tells tx that it has arrived
	}
	if m.deliver(p, r) {
		return
	}
	if !m.seen.wantsAck(p.ID) {
		return // being stored
	}
	if f := m.forwardOf(Ack, p.ID, p.Attempt, r.now); f != nil && (f.job != nil || p.Next == Anybody) {
		return // about to be acknowledged, or it was
	}
	if f := m.floodOf(floodKey{kind: Ack, id: p.ID, attempt: p.Attempt}, r.now); f != nil && (f.job != nil || f.onAir || p.Next == Anybody) {
		return
	}
	m.acknowledge(p.ID, r.now)
}

// passOn forwards a message, once for each attempt. Who asks again did not hear
// it passed on, and is told, as is one from before this node that does not know that it
// is here.
func (m *Mesh) passOn(p Packet, r reception) {
	if ack, ok := m.forwards.acks[p.ID]; ok {
		ack.Attempt = p.Attempt
		m.sendAck(ack, nobody, p.Tx, r.now)
		return
	}
	f := m.forwardOf(Routed, p.ID, p.Attempt, r.now)
	if f == nil {
		if p.TTL == 0 {
			return
		}
		p.TTL--
		m.forwards.start(m, p, p.Tx, nil, r.now)
		return
	}
	switch {
	case p.Tx == f.prev && (f.tries > 0 || f.done), p.Tx != f.prev && p.TTL >= f.packet.TTL && !f.failed:
		m.confirmHop(p, m.ride(true, r.now)/2, r.now)
	case p.Tx != f.prev && f.source == nil && f.job == nil && p.TTL > 0:
		m.returned(f, p, r.now)
	}
}

// spreadAck lets an acknowledgement that has passed spread once more, since the
// message that it acknowledges is flooded again: its source has missed it. A source
// that goes on is answered alone.
func (m *Mesh) spreadAck(ack, of Packet, fresh bool, r reception) {
	near := of.Tx == Short(of.From)
	ack.Attempt = of.Attempt
	switch {
	case fresh:
		ack.Tx, ack.Next, ack.TTL = Short(of.To), Anybody, unknownHops
		if near {
			ack.TTL = 1
		}
		f, _ := m.copy(ack, r)
		m.consider(f, r.now)
	case near:
		m.sendAck(ack, nobody, of.Tx, r.now)
	}
}

// cameBack sends a message of this node another way. Who brought it back is told that
// it has arrived, when nobody can hear it passed on.
func (m *Mesh) cameBack(p Packet, r reception) {
	f := m.forwards.all[floodKey{kind: Routed, id: p.ID, attempt: p.Attempt}]
	switch {
	case f == nil:
	case f.source == nil || m.outgoing(p.ID) != f.source || f.job != nil || p.TTL == 0 || len(f.tried) >= maxReturns:
		m.confirmHop(p, 0, r.now)
	default:
		m.returned(f, p, r.now)
	}
}

// returned sends a message that came back, by other nodes' lack of knowledge,
// another way.
func (m *Mesh) returned(f *forward, p Packet, now time.Time) {
	m.forwards.leave(f)
	f.tried = append(f.tried, f.next, p.Tx)
	f.packet.TTL = min(f.packet.TTL, p.TTL-1)
	f.done, f.failed, f.ways, f.tries = false, false, 0, 0
	m.choose(f, now)
}
