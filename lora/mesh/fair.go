package mesh

import (
	"time"
)

const (
	busyShare  = 0.25 // of the channel, from which on sources get their share only
	fairMemory = 5 * time.Minute
)

// fairShare limits how much of this node's airtime one source gets when the
// channel is busy. Sources of which no beacon is known, and which none names, share
// one account, since whoever invents sources invents many.
type fairShare struct {
	accounts map[uint32]*load
	total    load
}

const strangers uint32 = 0

// account is to whom something by a source is charged.
func (m *Mesh) account(source uint32) uint32 {
	short := Short(source)
	if m.links.lists[short] == nil && m.links.heard[short] == nil && len(m.links.listenersOf(short)) == 0 {
		return strangers
	}
	return source
}

// allows says whether f may be relayed: what its source has had, and what of it
// waits for the air, is within its share.
func (s *fairShare) allows(m *Mesh, f *flood, now time.Time) bool {
	if f.key.kind != Flood && f.key.kind != Card || m.load.share(now) < busyShare {
		return true
	}
	source := m.account(f.key.id.Source)
	had := m.queued(source).Seconds()
	if a := s.accounts[source]; a != nil {
		a.fade(now)
		had += a.airtime
	}
	active := 0
	for _, other := range s.accounts {
		other.fade(now)
		if other.airtime > m.cfg.Airtime(usualSize).Seconds()/4 {
			active++
		}
	}
	s.total.fade(now)
	return had <= max(2*s.total.airtime/float64(max(active, 4)), 4*m.cfg.Airtime(usualSize).Seconds())
}

// queued is the airtime of what waits to be relayed for a source.
func (m *Mesh) queued(source uint32) (d time.Duration) {
	for _, j := range m.jobs {
		if j.relays() && m.account(j.flood.key.id.Source) == source {
			d += m.cfg.Airtime(j.flood.packet.Size())
		}
	}
	return d
}

// relayed charges a source.
func (s *fairShare) relayed(source uint32, d time.Duration, now time.Time) {
	if s.accounts == nil || len(s.accounts) > maxNodes {
		s.accounts = make(map[uint32]*load)
	}
	a := s.accounts[source]
	if a == nil {
		a = &load{at: now}
		s.accounts[source] = a
	}
	a.heard(d, now)
	s.total.heard(d, now)
}

// Knows says whether anything is known of a node besides that it claims to have
// sent something: a beacon, its own or one that names it, or that it is heard directly.
func (m *Mesh) Knows(node uint32) bool { return m.account(node) != strangers }
