package mesh

import (
	"slices"
	"time"
)

const (
	// bundleBytes limits a packet of several messages.
	bundleBytes = 250
	// companyLoad is the share of the channel up to which what is not urgent waits for
	// company: beyond, a longer packet is hit more often. Where somebody talks without end it
	// does not either: what tells of that is heard in the gaps, if it is said in time.
	companyLoad = 0.2
	companyMost = 2 * time.Minute // that it waits
)

// bundle adds to a packet others that wait, as far as they fit: acknowledgements first,
// to which that is the ride they wait for; to a message for everyone or for one node others
// of the kind; and what else waits for a ride.
func (m *Mesh) bundle(p Packet, first *job, now time.Time) (Packet, []*job) {
	c := company{Packet{Type: Bundle, Inner: []Packet{p}}, []*job{first}}
	for _, j := range m.jobs {
		if j.rides && j.direct {
			m.join(&c, j, now)
		}
	}
	for _, j := range m.jobs {
		if first.spreads() && j.spreads() || first.direct && j.direct && !j.due.After(now) {
			m.join(&c, j, now)
		}
	}
	for _, j := range m.jobs {
		if j.rides && m.affords(&c, j, now) {
			m.join(&c, j, now)
		}
	}
	if len(c.jobs) == 1 && (first.priority != PriorityRepair || p.Type != Flood) {
		return p, c.jobs
	}
	return c.packet, c.jobs
}

// company is a BUNDLE in the making, and whose packets are in it.
type company struct {
	packet Packet
	jobs   []*job
}

// join adds the packet of a job that is still needed, if it is not in already, and fits.
func (m *Mesh) join(c *company, j *job, now time.Time) {
	if slices.Contains(c.jobs, j) {
		return
	}
	if p, ok := j.prepare(now); ok && c.packet.Size()+p.itemSize() <= bundleBytes {
		c.packet.Inner, c.jobs = append(c.packet.Inner, p), append(c.jobs, j)
	}
}

// affords says whether the budget lets a job go in this company.
func (m *Mesh) affords(c *company, j *job, now time.Time) bool {
	_, wait := m.offerToAir(c.packet, j.priority, now)
	return wait == 0
}

// spreads says whether a message for everyone waits for its relay.
func (j *job) spreads() bool { return j.flood != nil && j.flood.key.kind == Flood }

// awaitCompany is for how long what is not urgent may wait for a packet to go with.
func (m *Mesh) awaitCompany(most time.Duration, now time.Time) time.Duration {
	if m.crowd(now) > companyLoad || m.drowned(now) {
		return 0
	}
	return min(most, companyMost)
}
