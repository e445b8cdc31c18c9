package mesh

import (
	"slices"
	"time"
)

// maxJobs bounds what waits for the air, apart from messages of this node, which
// have a bound of their own. The least urgent goes first.
const maxJobs = 256

// maxBlocked is how many packets that the budget does not allow yet are passed
// over for another one.
const maxBlocked = 16

// Slots over which a board spreads its first wait for the channel. More where the channel
// is busy is worse, since the board doubles them itself. When a neighbour has just asked
// for the packet, all who hear that one were silent for it: the answer goes before they
// speak again.
const (
	usualSlots  = 8
	answerSlots = 1
	answerTurn  = 2 * time.Second // for which it does
)

// job is a packet that waits for the air. It is made when its turn comes, of
// what is known then.
type job struct {
	priority    Priority
	due         time.Time
	flood       *flood // of a relay or repair, which may share a packet with others
	direct      bool   // for one neighbour, and may share a packet with others that are
	rides       bool   // waits until due for any packet to go with
	message     *outgoing
	first       bool      // before all others
	answerUntil time.Time // of an answer to what was received just before; zero when it is none

	prepare func(now time.Time) (Packet, bool) // false: no longer needed
	needed  func() bool                        // while it waits for the channel; nil is always
	sent    func(now time.Time)
	failed  func(now time.Time)
	dropped func() // there was no room; nil is of no matter
}

// transmission is the packet handed to the radio.
type transmission struct {
	jobs      []*job // several of a bundle
	airtime   time.Duration
	cancelled bool
	again     bool // it was, and waits anew
}

// carries says whether o is on the air.
func (m *Mesh) carries(o *outgoing) bool {
	return m.onAir != nil && slices.ContainsFunc(m.onAir.jobs, func(j *job) bool { return j.message == o })
}

// queue lets a job wait for the air.
func (m *Mesh) queue(j *job) {
	m.jobs = append(m.jobs, j)
	if len(m.jobs) <= maxJobs {
		return
	}
	var last *job
	for _, other := range m.jobs {
		if other.message == nil && (last == nil || !other.before(last)) {
			last = other
		}
	}
	if last == nil {
		return
	}
	m.drop(last)
	if last.dropped != nil {
		last.dropped()
	}
}

// drop takes a job out of the queue, if it is there.
func (m *Mesh) drop(j *job) {
	if j == nil {
		return
	}
	if i := slices.Index(m.jobs, j); i >= 0 {
		m.jobs = slices.Delete(m.jobs, i, i+1)
	}
	if j.flood != nil && j.flood.job == j {
		j.flood.job = nil
	}
}

// answer says whether a job still answers what was received just before it.
func (j *job) answer(now time.Time) bool { return now.Before(j.answerUntil) }

// before orders jobs for the air.
func (j *job) before(other *job) bool {
	if j.first != other.first {
		return j.first
	}
	if j.priority != other.priority {
		return j.priority < other.priority
	}
	return j.due.Before(other.due)
}

// fill puts the next packet on the air if nothing is there and the budget
// allows it.
func (m *Mesh) fill(now time.Time) {
	m.blocked, m.filled = time.Time{}, now
	if m.onAir != nil {
		return
	}
	held := m.held(now)
	m.blocked = held
	m.fills++
	m.filling = m.fills
	defer func() { m.filling = 0 }()
	var waiting []*job // for the budget
	for m.onAir == nil && len(waiting) < maxBlocked {
		var best *job
		for _, j := range m.jobs {
			if !j.due.After(now) && (best == nil || j.before(best)) && (j.answer(now) || held.IsZero()) && !m.behind(waiting, j) {
				best = j
			}
		}
		if best == nil {
			return
		}
		p, ok := best.prepare(now)
		if !ok {
			m.drop(best)
			m.abandoned(best, now)
			continue
		}
		alone := p
		p, jobs := m.bundle(p, best, now)
		transmit, wait := m.offerToAir(p, leastUrgent(jobs), now)
		if wait > 0 && len(jobs) > 1 { // for the sake of another one in the bundle
			jobs = jobs[:1]
			transmit, wait = m.offerToAir(alone, best.priority, now)
		}
		if wait > 0 {
			if at := now.Add(min(wait, time.Hour)); m.blocked.IsZero() || at.Before(m.blocked) {
				m.blocked = at
			}
			waiting = append(waiting, best)
			continue
		}
		for _, j := range jobs {
			m.drop(j)
			if j.flood != nil {
				j.flood.onAir = true
			}
		}
		m.onAir = &transmission{jobs: jobs, airtime: transmit.Airtime}
		m.blocked = time.Time{}
		if len(jobs) == 1 && best.flood != nil {
			transmit.Copies = m.enough(best.flood)
		}
		transmit.Slots = m.slots(best, now)
		m.emit(transmit)
	}
}

// slots is over how many of them the board spreads its wait before a packet.
func (m *Mesh) slots(j *job, now time.Time) int {
	switch {
	case m.inGap(now):
		return gapSlots
	case j.answer(now):
		return answerSlots
	}
	return usualSlots
}

// leastUrgent is the priority of a packet of these: an acknowledgement opens no door
// to a message that the budget does not allow. Relays, which are bundled when the first
// of them is due, follow that one.
func leastUrgent(jobs []*job) Priority {
	p := jobs[0].priority
	for _, j := range jobs {
		if j.direct {
			p = max(p, j.priority)
		}
	}
	return p
}

// behind says whether a job waits for the budget, or for another relay of the same
// source that does: one that talks without end would fill all places otherwise.
func (m *Mesh) behind(waiting []*job, j *job) bool {
	return slices.ContainsFunc(waiting, func(w *job) bool {
		return w == j || w.relays() && j.relays() && w.priority == j.priority &&
			m.account(w.flood.key.id.Source) == m.account(j.flood.key.id.Source)
	})
}

// relays says whether a job passes on what another node has said.
func (j *job) relays() bool { return j.flood != nil && !j.flood.own }

// offerToAir says how long a packet has to wait for the budget.
func (m *Mesh) offerToAir(p Packet, priority Priority, now time.Time) (t Transmit, wait time.Duration) {
	p.Tx = m.short
	t = Transmit{Packet: p, Airtime: m.cfg.Airtime(p.Size()), Priority: priority}
	if m.cfg.Budget != nil {
		wait = m.cfg.Budget(t, now)
	}
	return t, wait
}

// Sent says that the packet of the last Transmit has left the antenna.
func (m *Mesh) Sent(now time.Time) []Action {
	if done := m.onAir; done != nil {
		m.onAir = nil
		m.load.heard(done.airtime, now)
		for _, j := range done.jobs {
			j.landed()
			j.sent(now)
		}
	}
	return m.step(now)
}

// SendFailed says that the packet of the last Transmit was not sent.
func (m *Mesh) SendFailed(now time.Time) []Action {
	if done := m.onAir; done != nil {
		m.onAir = nil
		for _, j := range done.jobs {
			j.landed()
			if done.again {
				m.waitAgain(j)
			} else if done.cancelled {
				m.abandoned(j, now)
			} else if j.failed != nil {
				j.failed(now)
			}
		}
	}
	return m.step(now)
}

// abandoned ends a message of this node for everyone which is on its way without
// another transmission.
func (m *Mesh) abandoned(j *job, now time.Time) {
	if j.flood != nil {
		m.sentFlood(j.flood, true, now)
	}
}

// requeue puts back what a radio took with it.
func (m *Mesh) requeue(t *transmission) {
	for _, j := range t.jobs {
		j.landed()
		m.waitAgain(j)
	}
}

// waitAgain puts back what a radio gave back.
func (m *Mesh) waitAgain(j *job) {
	if j.flood != nil {
		j.flood.job = j
	}
	m.jobs = append(m.jobs, j)
}

// reconsider takes the packet that waits for the channel back when what was
// heard meanwhile made it pointless.
func (m *Mesh) reconsider(time.Time) {
	if m.onAir == nil || m.onAir.cancelled {
		return
	}
	for _, j := range m.onAir.jobs {
		if j.needed == nil || j.needed() {
			return
		}
	}
	m.onAir.cancelled = true
	m.emit(Cancel{})
}

// takeBack lets the packet that waits for the channel wait here instead.
func (m *Mesh) takeBack() {
	if m.onAir != nil && !m.onAir.cancelled {
		m.onAir.cancelled, m.onAir.again = true, true
		m.emit(Cancel{})
	}
}

// landed says that the job is no longer with the radio.
func (j *job) landed() {
	if j.flood != nil {
		j.flood.onAir = false
	}
}
