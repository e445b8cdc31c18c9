package mesh

import (
	"slices"
	"time"
)

// maxJobs bounds what waits for the air, apart from messages of this node, which
// have a bound of their own. The least urgent goes first.
const maxJobs = 256

// job is a packet that waits for the air. It is made when its turn comes, of
// what is known then.
type job struct {
	priority Priority
	due      time.Time
	flood    *flood // of a relay or repair, which may share a packet with others
	message  *outgoing

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
}

// carries says whether o is on the air.
func (m *Mesh) carries(o *outgoing) bool {
	return m.onAir != nil && m.onAir.jobs[0].message == o
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

// drop takes a job out of the queue.
func (m *Mesh) drop(j *job) {
	if i := slices.Index(m.jobs, j); i >= 0 {
		m.jobs = slices.Delete(m.jobs, i, i+1)
	}
	if j.flood != nil && j.flood.job == j {
		j.flood.job = nil
	}
}

// before orders jobs for the air.
func (j *job) before(other *job) bool {
	if j.priority != other.priority {
		return j.priority < other.priority
	}
	return j.due.Before(other.due)
}

// fill puts the next packet on the air if nothing is there and the budget
// allows it.
func (m *Mesh) fill(now time.Time) {
	m.blocked = time.Time{}
	for m.onAir == nil {
		var best *job
		for _, j := range m.jobs {
			if !j.due.After(now) && (best == nil || j.before(best)) {
				best = j
			}
		}
		if best == nil {
			return
		}
		p, ok := best.prepare(now)
		if !ok {
			m.drop(best)
			continue
		}
		jobs := []*job{best}
		if best.flood != nil {
			p, jobs = m.bundle(p, best, now)
		}
		p.Tx = m.short
		airtime := m.cfg.Airtime(p.Size())
		if m.cfg.Budget != nil {
			if wait := m.cfg.Budget(airtime, best.priority, now); wait > 0 {
				m.blocked = now.Add(min(wait, time.Hour))
				return
			}
		}
		for _, j := range jobs {
			m.drop(j)
			if j.flood != nil {
				j.flood.onAir = true
			}
		}
		m.onAir = &transmission{jobs: jobs, airtime: airtime}
		m.emit(Transmit{Packet: p, Airtime: airtime, Priority: best.priority})
	}
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
			if !done.cancelled && j.failed != nil {
				j.failed(now)
			}
		}
	}
	return m.step(now)
}

// requeue puts back what a radio took with it.
func (m *Mesh) requeue(t *transmission) {
	for _, j := range t.jobs {
		j.landed()
		if j.flood != nil {
			j.flood.job = j
		}
		m.jobs = append(m.jobs, j)
	}
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

// landed says that the job is no longer with the radio.
func (j *job) landed() {
	if j.flood != nil {
		j.flood.onAir = false
	}
}
