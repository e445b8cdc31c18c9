package mesh

import "time"

// bundleBytes limits a packet of several messages.
const bundleBytes = 250

// bundle adds to the packet of a relay others that wait, as far as they fit.
func (m *Mesh) bundle(p Packet, first *job, now time.Time) (Packet, []*job) {
	jobs := []*job{first}
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
