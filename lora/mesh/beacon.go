package mesh

import (
	"time"

	"lorrent/lora/packet"
)

// beaconState is the Trickle timer of beacons: while the neighbourhood stays as
// it is, each pause is twice the one before.
type beaconState struct {
	pause    time.Duration
	next     time.Time
	reset    time.Time
	sequence uint32
	wide     time.Time // last one that was flooded; zero before
	spoken   int       // times that one was, this life and the one before
	started  time.Time
	// The last ones for neighbours and for everyone. One that waits for the budget gives
	// way to the next, which tells more.
	near, far *job
	changes   int // of the neighbourhood since then
}

func (m *Mesh) startBeacons(now time.Time) {
	m.beacons.pause = m.tuning.BeaconLeast
	if m.beacons.started.IsZero() {
		m.beacons.started = now
	}
	m.planBeacon(now)
}

// planBeacon sets the next one in the second half of the pause.
func (m *Mesh) planBeacon(now time.Time) {
	m.beacons.next = now.Add(m.beacons.pause/2 + m.jitter(m.beacons.pause/2))
}

// neighbourhoodChanged makes beacons frequent again, but not all the time.
func (m *Mesh) neighbourhoodChanged(now time.Time) {
	b := &m.beacons
	b.changes++
	if !m.up || b.pause <= 2*m.tuning.BeaconLeast || now.Sub(b.reset) < m.tuning.WideLeast/2 {
		return
	}
	b.reset = now
	b.pause = m.tuning.BeaconLeast
	m.planBeacon(now)
}

// beaconTick queues a beacon when it is due.
func (m *Mesh) beaconTick(now time.Time) {
	b := &m.beacons
	if b.next.IsZero() || b.next.After(now) {
		return
	}
	b.changes += m.links.expire(now, 2*m.tuning.BeaconMost, 2*m.tuning.WideMost)
	b.pause = min(2*b.pause, m.tuning.BeaconMost)
	m.planBeacon(now)
	b.sequence++
	p := Packet{
		Type: Beacon, From: m.cfg.NodeID, To: packet.Broadcast, Heard: m.links.beacon(now),
		ID: packet.ID{Source: m.cfg.NodeID, Epoch: m.cfg.Epoch, Sequence: b.sequence},
	}
	if m.wideDue(now) {
		b.wide, b.changes = now, 0
		b.spoken++
		p.TTL = maxTTL
		m.drop(b.far)
		b.far = m.launch(p, nil, now).job
		return
	}
	wait := m.awaitCompany(b.pause/4, now)
	m.drop(b.near)
	b.near = &job{
		priority: PriorityBeacon, due: now.Add(wait), rides: wait > 0, sent: func(time.Time) {},
		prepare: func(now time.Time) (Packet, bool) {
			p.Heard = m.links.beacon(now)
			return p, true
		},
	}
	m.queue(b.near)
}

// newcomer says whether this node has just begun: it knows little of the others, and they
// of it.
func (m *Mesh) newcomer(now time.Time) bool { return now.Sub(m.beacons.started) < m.tuning.WideLeast }

// wideDue says whether the next beacon is for the whole network, which needs
// it to find ways: some time after the start, when enough has changed, and
// once in a while. Where there are islands, once more after the start: who missed the
// first over a link that works one way cannot ask for it.
func (m *Mesh) wideDue(now time.Time) bool {
	b := &m.beacons
	if b.wide.IsZero() {
		return now.Sub(b.started) >= 3*m.tuning.BeaconLeast && len(m.links.heard) > 0
	}
	since := now.Sub(b.wide)
	if since < m.tuning.WideLeast {
		return false
	}
	return since >= m.tuning.WideMost || 4*b.changes >= len(m.links.heard) || b.spoken == 1 && m.links.apart()
}

// receiveBeacon learns whom another node hears, and relays a wide one. That of a castaway
// is made one.
func (m *Mesh) receiveBeacon(p Packet, r reception) {
	id := Short(p.From)
	newer := m.links.learn(&p, r.now)
	if newer {
		m.revive(p.From, r.now)
	}
	if p.TTL == 0 && id == p.Tx && !p.Repair {
		if !newer || !m.links.castaway(id, r.now) {
			return
		}
		p.TTL = maxTTL
	}
	if l := m.links.lists[id]; l != nil {
		l.spread = r.now
	}
	f, fresh := m.copy(p, r)
	if fresh && p.Repair {
		m.pulls.got++
	}
	m.consider(f, r.now)
}
