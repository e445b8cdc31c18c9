package mesh

import "time"

// bundleBytes limits a packet of several messages.
const bundleBytes = 250

// bundle adds to a packet others that wait, as far as they fit.
func (m *Mesh) bundle(p Packet, first *job, now time.Time) (Packet, []*job) {
	jobs := []*job{first}
	if first.direct {
		return m.bundleDirect(p, first, now)
	}
	if p.Type != Flood {
		return p, jobs
	}
	b := Packet{Type: Bundle, Inner: []Packet{p}}
	size := b.Size()
	for _, j := range m.jobs {
		if j == first || j.flood == nil || j.flood.key.kind != Flood {
			continue
		}
		add := j.flood.packet.itemSize()
		if size+add > bundleBytes {
			continue
		}
		p, ok := j.prepare(now)
		if !ok {
			continue
		}
		size += add
		b.Inner = append(b.Inner, p)
		jobs = append(jobs, j)
	}
	if len(jobs) == 1 {
		if first.priority == PriorityRepair {
			return b, jobs
		}
		return p, jobs
	}
	return b, jobs
}

// bundleDirect adds to a packet for one node others, whichever they are for: first
// the acknowledgements, for which that is the ride they wait for.
func (m *Mesh) bundleDirect(p Packet, first *job, now time.Time) (Packet, []*job) {
	jobs := []*job{first}
	b := Packet{Type: Bundle, Inner: []Packet{p}}
	add := func(j *job) {
		p, ok := j.prepare(now)
		if ok && b.Size()+p.itemSize() <= bundleBytes {
			b.Inner, jobs = append(b.Inner, p), append(jobs, j)
		}
	}
	for _, j := range m.jobs {
		if j != first && j.direct && j.priority == PriorityAck {
			add(j)
		}
	}
	for _, j := range m.jobs {
		if j != first && j.direct && j.priority != PriorityAck && !j.due.After(now) {
			add(j)
		}
	}
	if len(jobs) == 1 {
		return p, jobs
	}
	return b, jobs
}
