package mesh

import (
	"slices"
	"time"

	"lorrent/lora/packet"
)

const (
	pullSpan   = 8 * time.Minute  // a Pull tells of what came within
	offerLeast = 30 * time.Second // what came just now is perhaps still on its way
	offerMost  = 7 * time.Minute
	pullLoad   = 2.0 // how many times as rare pulls are when the channel is always busy
	calmPulls  = 8   // how many times as rare they are when nobody writes to everyone
	maxOffered = 20  // messages and beacons in answer to one Pull,
	maxNews    = 9   // of which beacons
	maxTold    = 48  // messages of one source in a Pull: more of one that talks without end would be all there is
)

// pullState is when this node asks a neighbour for what it lacks, and whom.
type pullState struct {
	next  time.Time
	pause time.Duration
	asked map[uint16]time.Time
	salt  uint8
	got   int // messages repaired since the last

	lastAsked uint16
	job       *job // the last one

	told              []packet.ID // of which the next one tells,
	toldOf            uint64      // as of so many changes of the floods
	toldAt, toldUntil time.Time   // from when on, and until when
}

func (m *Mesh) startPulls(now time.Time) {
	if m.tuning.NoRepair {
		return
	}
	m.pulls.pause = m.tuning.PullLeast
	m.pulls.asked = make(map[uint16]time.Time)
	m.planPull(now)
}

func (m *Mesh) planPull(now time.Time) {
	busy := 1 + pullLoad*m.crowd(now)
	m.pulls.next = now.Add(time.Duration(busy * float64(m.pulls.pause/2+m.jitter(m.pulls.pause))))
}

// pullTick asks when it is time. The more a pull brought, the sooner the next; a
// node that hears little else than one neighbour asks all the time, since those who
// hear what it asks are silent for it, and the answer may get through. Where one
// did, it asks on.
func (m *Mesh) pullTick(now time.Time) {
	s := &m.pulls
	if s.next.IsZero() || s.next.After(now) {
		return
	}
	switch {
	case s.got > 0:
		s.pause = min(max(s.pause/2, m.tuning.PullLeast), m.tuning.PullMost)
	case m.recent(now):
		s.pause = min(s.pause*3/2, m.tuning.PullMost)
	default:
		s.pause = min(2*s.pause, calmPulls*m.tuning.PullMost)
	}
	drowned := m.drowned(now)
	again := drowned && s.got > 0 && m.links.heard[s.lastAsked] != nil
	switch {
	case again:
		s.pause = m.tuning.PullLeast / 6
	case drowned:
		s.pause = m.tuning.PullLeast / 2
	}
	s.got = 0
	m.planPull(now)
	if slices.Contains(m.jobs, s.job) {
		return // one waits
	}
	if !again {
		s.lastAsked = m.pullFrom(now)
	}
	next := s.lastAsked
	if next == nobody {
		return
	}
	s.asked[next] = now
	wait := m.awaitCompany(s.pause, now)
	s.job = &job{
		priority: PriorityRepair, due: now.Add(wait), rides: wait > 0,
		prepare: func(now time.Time) (Packet, bool) {
			return Packet{Type: Pull, From: m.cfg.NodeID, Next: next, Have: m.have(now, s.salt+1)}, true
		},
		sent: func(time.Time) { s.salt++ },
	}
	m.queue(s.job)
}

// pullNews ends the long pauses of a network in which nobody writes to everyone:
// somebody does, as this node or a neighbour that asks has heard.
func (m *Mesh) pullNews(now time.Time) {
	s := &m.pulls
	if s.pause <= m.tuning.PullMost || s.next.IsZero() {
		return
	}
	s.pause = m.tuning.PullMost
	m.planPull(now)
}

// recent says whether any message for everyone came of late.
func (m *Mesh) recent(now time.Time) bool {
	return slices.ContainsFunc(m.floods.since(now, pullSpan), (*flood).repairable)
}

// pullFrom is the neighbour, of those that hear this node, not asked for longest.
// Who was not heard of late, because others drown it, has what this node lacks; who
// hears the same neighbour talk without end lacks it as well, and is asked only
// where all do.
func (m *Mesh) pullFrom(now time.Time) uint16 {
	best, apart := nobody, false
	for _, id := range m.links.audience() {
		if m.links.heard[id] == nil {
			continue
		}
		a := !m.drownedToo(id, now)
		if best == nobody || a && !apart || a == apart && m.pulls.asked[id].Before(m.pulls.asked[best]) {
			best, apart = id, a
		}
	}
	return best
}

// drownedToo says whether a node is, or hears, one that talks without end here.
func (m *Mesh) drownedToo(id uint16, now time.Time) bool {
	for loud, n := range m.links.heard {
		if n.endless(now) && (loud == id || m.links.hears(id, loud)) {
			return true
		}
	}
	return false
}

// have is the set of messages that came of late.
func (m *Mesh) have(now time.Time, salt uint8) Filter {
	ids := m.told(now)
	filter := newFilter(len(ids), salt)
	for _, id := range ids {
		filter.add(id)
	}
	return filter
}

// told are the messages of which a Pull tells. A pull that waits for the budget is
// made again and again: they are gathered anew when others came or the oldest
// is too old.
func (m *Mesh) told(now time.Time) []packet.ID {
	s := &m.pulls
	if s.toldOf == m.floods.changes && now.Before(s.toldUntil) && !now.Before(s.toldAt) {
		return s.told
	}
	m.work.gathered++
	late := m.floods.since(now, pullSpan)
	s.told, s.toldOf, s.toldAt, s.toldUntil = s.told[:0], m.floods.changes, now, now.Add(pullSpan)
	if len(late) > 0 {
		s.toldUntil = late[0].first.Add(pullSpan)
	}
	of := make(map[uint32]int)
	for _, f := range slices.Backward(late) {
		if !f.repairable() || of[f.key.id.Source] >= maxTold {
			continue
		}
		s.told = append(s.told, f.key.id)
		of[f.key.id.Source]++
	}
	return s.told
}

// receivePull learns what a neighbour has and, when asked, sends it what it
// lacks.
func (m *Mesh) receivePull(p Packet, r reception) {
	if m.tuning.NoRepair {
		return
	}
	if !p.Have.empty() {
		m.pullNews(r.now)
	}
	var lacking []*flood
	asker := Short(p.From)
	for _, f := range m.floods.since(r.now, pullSpan) {
		age := r.now.Sub(f.first)
		if !f.repairable() || Short(f.packet.From) == asker {
			continue
		}
		if p.Have.has(f.key.id) {
			f.holds(asker)
		} else if age >= offerLeast && age < offerMost {
			f.lacks(asker)
			lacking = append(lacking, f)
		}
	}
	if p.Next != m.short && len(lacking) > 0 {
		m.hushForAnswer(asker, r.now)
	}
	if p.Next != m.short && !m.links.hears(asker, m.short) {
		return // who asks this node hears it, whatever its beacon said when little was heard
	}
	delay := time.Duration(0)
	if p.Next != m.short { // first those who were asked
		unit := m.cfg.Airtime(usualSize)
		delay = 20*unit + m.jitter(time.Duration((20+m.tuning.WindowLoad*m.load.share(r.now))*float64(unit)))
	}
	news := 0
	for _, f := range inTurn(lacking, maxOffered) {
		if f.key.kind == Beacon {
			news++
		}
		if f.key.kind != Beacon || news <= maxNews {
			m.offer(f, asker, delay, r.now)
		}
	}
}

// inTurn are at most so many of the floods: the oldest of each source, then the
// second of each, and so on. Who says most is not answered most.
func inTurn(floods []*flood, most int) []*flood {
	slices.SortFunc(floods, func(a, b *flood) int { return a.first.Compare(b.first) })
	turn := make(map[*flood]int)
	had := make(map[uint32]int)
	for _, f := range floods {
		turn[f] = had[f.key.id.Source]
		had[f.key.id.Source]++
	}
	slices.SortStableFunc(floods, func(a, b *flood) int { return turn[a] - turn[b] })
	return floods[:min(len(floods), most)]
}

// offer queues f for a neighbour that lacks it.
func (m *Mesh) offer(f *flood, asker uint16, delay time.Duration, now time.Time) {
	if f.job != nil || f.onAir || !f.own && !m.fair.allows(m, f, now) {
		return // on its way already, or its source has had its share
	}
	j := &job{priority: PriorityRepair, due: now.Add(delay), flood: f}
	if delay == 0 {
		j.answerUntil = now.Add(answerTurn)
	}
	needed := func() bool { return !contains(f.holders, asker) && !m.reachedSince(f, asker, now) }
	j.needed = needed
	j.prepare = func(now time.Time) (Packet, bool) {
		if !needed() || m.fair.mutes(m, f, now) {
			return Packet{}, false
		}
		p := f.packet
		p.TTL, p.Repair = 0, true
		return p, p.Type != Beacon || m.spares(p, now)
	}
	j.sent = func(now time.Time) {
		f.sent++
		m.fair.relayed(m.account(f.key.id.Source), m.cfg.Airtime(f.packet.Size()), now)
	}
	f.job = j
	m.queue(j)
}

// spares says whether the budget lets a beacon go as one. Where an hour allows little, those
// that others lack would take all of it. They do not wait for it: who lacks one asks again.
func (m *Mesh) spares(beacon Packet, now time.Time) bool {
	_, wait := m.offerToAir(beacon, PriorityBeacon, now)
	return wait == 0
}

// reachedSince says whether a node hears one that has sent f after a time.
func (m *Mesh) reachedSince(f *flood, x uint16, since time.Time) bool {
	after := since.Sub(f.first)
	for i, u := range f.spoke {
		if f.spokeAt[i] > after && m.links.hears(x, u) {
			return true
		}
	}
	return false
}

// repairable says whether neighbours may ask for it: messages for everyone and
// what the network should know of its nodes.
func (f *flood) repairable() bool { return f.key.kind == Flood || f.key.kind == Beacon }

// Heard is something that spreads, and when it came.
type Heard struct {
	Packet Packet
	At     time.Time
}

// Recent is what came of late of what neighbours may ask for, oldest first. A host
// that keeps it over a restart spares the network that all of it is sent again to a
// node that has it: after some minutes it is of no more use.
func (m *Mesh) Recent() []Heard {
	var recent []Heard
	for _, f := range m.floods.since(m.load.at, pullSpan) {
		if f.repairable() && (!f.own || f.sent > 0) {
			recent = append(recent, Heard{f.packet, f.first})
		}
	}
	return recent
}

// restore takes in what Recent returned. It is for others to ask for: what there was
// to relay was relayed in the earlier life.
func (m *Mesh) restore(recent []Heard, now time.Time) {
	for _, h := range recent {
		f := &flood{
			key: m.keyOf(&h.Packet), packet: h.Packet, first: h.At,
			own: h.Packet.From == m.cfg.NodeID, confirmed: true, sent: 1,
		}
		age := now.Sub(h.At)
		if !f.repairable() || age < 0 || age >= pullSpan || m.floods.all[f.key] != nil {
			continue
		}
		f.holds(Short(h.Packet.From))
		m.remember(f)
	}
}
