package torrent

import (
	"net/netip"
	"time"

	"lorrent/daemon/torrent/pex"
)

const (
	maxFromExchange = 500 // candidates that peers have named: most places are for better sources
	maxHasty        = 3   // peer exchanges that come too soon before their sender is dropped
)

// exchange is the state of peer exchange with one peer (BEP 11).
type exchange struct {
	id    uint8                   // of the peer's messages, 0 when it speaks no ut_pex
	sent  time.Time               // our last message
	told  map[netip.AddrPort]bool // what it knows from us
	heard time.Time               // its last message
	hasty int
}

// exchanges reports whether peers may be named to others. A private torrent's
// peers come from its trackers alone; one that is not known to be private yet
// is taken for a public one, as a magnet link can hardly be found otherwise.
func (s *session) exchanges() bool { return !s.record.Private }

// endExchange forgets what others than trackers have brought to a torrent that
// turned out to be private.
func (s *session) endExchange() {
	for _, source := range []string{sourcePEX, sourceDHT, sourceLSD} {
		s.forgetSource(source)
	}
	for _, r := range s.swarm.peers {
		r.exchange = exchange{}
	}
}

// exchangeTick tells peers about each other.
func (s *session) exchangeTick(now time.Time) {
	if !s.exchanges() || !s.meeting() {
		return
	}
	for _, r := range s.swarm.peers {
		s.tellPeers(r, now)
	}
}

// tellPeers tells a peer whom else we are connected to, or who has left since.
// The first message goes out as soon as there is something to say.
func (s *session) tellPeers(r *remote, now time.Time) {
	x := &r.exchange
	if x.id == 0 || !s.exchanges() || now.Sub(x.sent) < s.e.cfg.pexInterval {
		return
	}
	var m pex.Message
	current := make(map[netip.AddrPort]bool, len(s.swarm.peers))
	for _, other := range s.swarm.peers {
		a := other.listen
		if other == r || !a.IsValid() || a == r.listen || !tellable(r.addr, a) {
			continue
		}
		current[a] = true
		if !x.told[a] && len(m.Added) < pex.MaxSent {
			m.Added = append(m.Added, pex.Peer{Addr: a, Flags: other.flags()})
		}
	}
	for a := range x.told {
		if !current[a] && len(m.Dropped) < pex.MaxSent {
			m.Dropped = append(m.Dropped, a)
		}
	}
	if len(m.Added) == 0 && len(m.Dropped) == 0 {
		return
	}
	if x.told == nil {
		x.told = make(map[netip.AddrPort]bool)
	}
	for _, p := range m.Added {
		x.told[p.Addr] = true
	}
	for _, a := range m.Dropped {
		delete(x.told, a)
	}
	x.sent = now
	s.sayExtended(r, x.id, pex.Append(nil, m))
}

func (r *remote) flags() (f byte) {
	if r.wantsNothing() {
		f |= pex.Seed
	}
	if r.over == overUTP {
		f |= pex.SpeaksUTP
	}
	if r.punch.id != 0 {
		f |= pex.Holepunch
	}
	if r.dialed {
		f |= pex.Reachable
	}
	return f
}

// tellable reports whether an address means the same to somebody at to: those
// of a home network do not on the internet.
func tellable(to, addr netip.AddrPort) bool { return local(to.Addr()) || !local(addr.Addr()) }

func local(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

// exchangeArrived takes a peer's message. It reports false when the peer was
// dropped.
func (s *session) exchangeArrived(r *remote, payload []byte) bool {
	x, now := &r.exchange, time.Now()
	if !s.exchanges() {
		return true // it was not offered
	}
	if !x.heard.IsZero() && now.Sub(x.heard) < s.e.cfg.pexInterval*3/4 {
		if x.hasty++; x.hasty > maxHasty {
			s.drop(r, "%d peer exchanges too soon after the one before", x.hasty)
			return false
		}
		return true
	}
	x.heard = now
	m, err := pex.Decode(payload)
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	var addrs []netip.AddrPort
	named := m.Added
	for room := maxFromExchange - s.fromSource(sourcePEX); len(m.Added) > 0 && room > 0; m.Added = m.Added[1:] {
		if tellable(r.addr, m.Added[0].Addr) {
			addrs = append(addrs, m.Added[0].Addr)
			room--
		}
	}
	s.note(addrs, sourcePEX)
	s.named(r, named)
	if s.meeting() {
		s.meet(now)
	}
	return true
}
