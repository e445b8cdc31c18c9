package torrent

import (
	"net/netip"
	"time"

	"lorrent/daemon/torrent/holepunch"
	"lorrent/daemon/torrent/pex"
)

const (
	punchEvery = 2 * time.Second // introductions on one connection, in the long run
	punchBurst = 20              // at once
)

// punching is the state of introductions on one connection (BEP 55): those
// that we ask for, those that the peer asks for, and those it makes. Whatever
// is beyond its pace is ignored.
type punching struct {
	id                 uint8 // of the peer's messages, 0 when it speaks no ut_holepunch
	asks, asked, makes pace
}

// pace lets a burst through, and then one event after the other.
type pace struct{ earned time.Time }

func (p *pace) allow(now time.Time) bool {
	if p.earned.Before(now) {
		p.earned = now
	}
	if p.earned.Sub(now) >= punchBurst*punchEvery {
		return false
	}
	p.earned = p.earned.Add(punchEvery)
	return true
}

// punches reports whether peers may be introduced to each other: whoever finds
// them by asking other peers may, and can be called over uTP.
func (s *session) punches() bool { return s.exchanges() && s.e.cfg.Transport != OnlyTCP }

// named notes who has told us of candidates: it can introduce us to them.
func (s *session) named(r *remote, peers []pex.Peer) {
	for _, p := range peers {
		if c := s.swarm.candidates[p.Addr]; c != nil {
			c.namedBy = int32(r.id)
		}
	}
}

// askIntroduction has the peer that named a candidate introduce us to it, after
// calls have failed. It does so once, until the candidate is met.
func (s *session) askIntroduction(c *candidate) {
	r := s.swarm.peers[c.namedBy]
	if c.introduced || c.forbidden || r == nil || r.punch.id == 0 || !s.punches() || !r.punch.asks.allow(time.Now()) {
		return
	}
	c.introduced = true
	s.sayPunch(r, holepunch.Rendezvous, c.addr, 0)
}

func (s *session) sayPunch(r *remote, t holepunch.Type, addr netip.AddrPort, code holepunch.Code) {
	s.sayExtended(r, r.punch.id, holepunch.Append(nil, holepunch.Message{Type: t, Addr: addr, Code: code}))
}

// punchArrived takes a message about an introduction. It reports false when
// the peer was dropped.
func (s *session) punchArrived(r *remote, payload []byte) bool {
	if !s.punches() {
		return true // it was not offered
	}
	m, err := holepunch.Decode(payload)
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	now := time.Now()
	switch {
	case m.Type == holepunch.Rendezvous && r.punch.id != 0 && r.punch.asked.allow(now):
		s.introduce(r, m.Addr)
	case m.Type == holepunch.Connect && r.punch.makes.allow(now):
		s.introduced(r, m.Addr)
	case m.Type == holepunch.Failed:
		s.log.Debug().Stringer("peer", r.addr).Stringer("to", m.Addr).Stringer("reason", m.Code).Msg("not introduced")
	}
	return true
}

// introduce makes two of our peers call each other.
func (s *session) introduce(from *remote, addr netip.AddrPort) {
	to := s.peerAt(addr)
	var code holepunch.Code
	switch {
	case !addr.IsValid() || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast():
		code = holepunch.NoSuchPeer
	case to == nil || !tellable(from.addr, to.place()) || !tellable(to.addr, from.place()):
		code = holepunch.NotConnected
	case to == from:
		code = holepunch.NoSelf
	case to.punch.id == 0:
		code = holepunch.NoSupport
	default:
		s.sayPunch(to, holepunch.Connect, from.place(), 0)
		s.sayPunch(from, holepunch.Connect, addr, 0)
		return
	}
	s.sayPunch(from, holepunch.Failed, addr, code)
}

// place is where a peer is likely to take calls over uTP.
func (r *remote) place() netip.AddrPort {
	if r.listen.IsValid() {
		return r.listen
	}
	return r.addr
}

// peerAt is the connected peer of an address, or nil.
func (s *session) peerAt(addr netip.AddrPort) *remote {
	for _, r := range s.swarm.peers {
		if r.web == nil && (r.addr == addr || r.listen == addr) {
			return r
		}
	}
	return nil
}

// introduced calls a peer that calls us at the same time.
func (s *session) introduced(r *remote, addr netip.AddrPort) {
	if !s.meeting() || !tellable(r.addr, addr) || s.peerAt(addr) != nil || s.swarm.fallbacks >= maxFallbacks {
		return
	}
	c := s.swarm.candidates[addr]
	if c == nil {
		s.note([]netip.AddrPort{addr}, "pex") // others have named it, too
		if c = s.swarm.candidates[addr]; c == nil {
			return
		}
	}
	if c.busy || c.forbidden || s.complete() && c.seed {
		return
	}
	c.busy, c.introduced = true, true
	s.dialOver(c, []string{overUTP}, &s.swarm.fallbacks, s.e.fallbacks)
}
