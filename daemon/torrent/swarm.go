package torrent

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"lorrent/daemon/torrent/priority"
)

const (
	maxCandidates = 2000
	maxFailures   = 5 // dials in a row before a candidate is forgotten
	dialsPerTick  = 30
	maxWaiting    = 16 // connections that wait for the content
	maxBanned     = 2000
	turnoverEvery = 5 * time.Minute
)

// swarm is everyone we know for one torrent.
type swarm struct {
	candidates map[netip.AddrPort]*candidate
	banned     map[netip.AddrPort]bool // by banKey
	bans       []netip.AddrPort        // the keys of banned, oldest first
	peers      map[int32]*remote
	addrs      map[int32]netip.AddrPort // of peers now and before, to know who sent a bad piece
	nextID     int32
	dialing    int
	fallbacks  int // dials over uTP after TCP has failed
	turnover   time.Time
	lists      int64 // blocklists that peers were compared with
}

// candidate is an address that a peer may be at.
type candidate struct {
	addr      netip.AddrPort
	source    string
	failures  int
	retry     time.Time // not before
	busy      bool      // being dialled, or connected
	seed      bool      // was one when we last met
	plain     bool      // spoke plaintext when we last met
	utp       bool      // was reached over uTP, and not over TCP, when we last met
	forbidden bool      // ourselves, or banned

	namedBy    int32 // the peer that named it last; 0 for none
	introduced bool  // or about to be, since it was last met
}

// remember keeps a peer's address beyond its stay, within bounds.
func (w *swarm) remember(r *remote) {
	w.addrs[int32(r.id)] = r.addr
	delete(w.addrs, int32(r.id)-maxCandidates)
}

// banKey is what is banned with an address: all ports of it, but on a loopback
// address, which many peers share.
func banKey(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().IsLoopback() {
		return addr
	}
	return netip.AddrPortFrom(addr.Addr(), 0)
}

func (w *swarm) isBanned(addr netip.AddrPort) bool { return w.banned[banKey(addr)] }

// ban keeps an address out, and lets the oldest of too many in again.
func (w *swarm) ban(addr netip.AddrPort) {
	key := banKey(addr)
	if w.banned[key] {
		return
	}
	if len(w.bans) >= maxBanned {
		delete(w.banned, w.bans[0])
		w.bans = w.bans[1:]
	}
	w.banned[key] = true
	w.bans = append(w.bans, key)
}

func newSwarm() swarm {
	return swarm{
		candidates: make(map[netip.AddrPort]*candidate),
		banned:     make(map[netip.AddrPort]bool),
		peers:      make(map[int32]*remote),
		addrs:      make(map[int32]netip.AddrPort),
		turnover:   time.Now(),
	}
}

// learn adds addresses, and calls those there is room for.
func (s *session) learn(addrs []netip.AddrPort, source string) {
	s.note(addrs, source)
	if s.meeting() {
		s.meet(time.Now())
	}
}

// note adds addresses.
func (s *session) note(addrs []netip.AddrPort, source string) {
	own, inside := ownAddress(&s.e.external, s.e.publicPort()), ownAddress(&s.e.external, s.e.port)
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !a.IsValid() || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || s.swarm.isBanned(a) || s.e.blocked(a.Addr()) || own.is(a) || inside.is(a) {
			continue
		}
		if _, known := s.swarm.candidates[a]; known || len(s.swarm.candidates) >= maxCandidates {
			continue
		}
		s.swarm.candidates[a] = &candidate{addr: a, source: source}
	}
}

// meet dials candidates while there is room for them.
func (s *session) meet(now time.Time) {
	room := s.e.cfg.MaxPeersPerTorrent - len(s.swarm.peers) - s.swarm.dialing
	if room <= 0 {
		s.turnOver(now)
		return
	}
	for _, c := range s.callable(now, min(room, dialsPerTick)) {
		s.dial(c)
	}
}

// callable picks whom to dial: those that failed least, then by canonical
// priority (BEP 40), so that the swarm is a random graph that nobody can steer.
func (s *session) callable(now time.Time, n int) []*candidate {
	complete := s.complete()
	var list []*candidate
	for _, c := range s.swarm.candidates {
		if !c.busy && !c.forbidden && !now.Before(c.retry) && !(complete && c.seed) {
			list = append(list, c)
		}
	}
	own := ownAddress(&s.e.external, s.e.publicPort())
	slices.SortFunc(list, func(a, b *candidate) int {
		if a.failures != b.failures {
			return a.failures - b.failures
		}
		pa, pb := priority.Priority(own.to(a.addr), a.addr), priority.Priority(own.to(b.addr), b.addr)
		switch {
		case pa > pb:
			return -1
		case pa < pb:
			return 1
		}
		return a.addr.Compare(b.addr)
	})
	return list[:min(n, len(list))]
}

func (s *session) dial(c *candidate) {
	c.busy = true
	s.dialOver(c, s.e.cfg.Transport.attempts(c.utp), &s.swarm.dialing, s.e.dials)
}

// dialOver calls a candidate over the first of the transports. count and slots
// are those of the call.
func (s *session) dialOver(c *candidate, transports []string, count *int, slots semaphore) {
	*count++
	ctx, hash, plain := s.net, s.callBy(c.failures), c.plain
	s.spawn(func() func() {
		in, err := incoming{}, context.Canceled
		if slots.acquire(ctx.Done()) {
			in, err = s.e.dial(ctx, transports[0], c.addr, hash, plain)
			slots.release()
		}
		return func() {
			*count--
			s.dialed(c, transports, in, err, ctx.Err() != nil)
		}
	})
}

// dialed takes a call's end; cut says that it was ended by us.
func (s *session) dialed(c *candidate, transports []string, in incoming, err error, cut bool) {
	if err != nil {
		s.log.Debug().Err(err).Stringer("peer", c.addr).Str("transport", transports[0]).Msg("dial failed")
		// One that takes no TCP may still let it connect, and hang up.
		elsewhere := errors.Is(err, errUnreachable) || errors.Is(err, errMute)
		if !cut && elsewhere && s.dialNext(c, transports[1:]) {
			return
		}
	}
	c.busy = false
	switch {
	case err == nil:
		in.source = c.source
		c.plain, c.utp, c.introduced = in.encryption == unencrypted, in.transport == overUTP, false
		if !s.connected(in) {
			s.dialFailed(c, false)
		}
	case !cut:
		s.dialFailed(c, errors.Is(err, errSelf))
		s.askIntroduction(c)
	}
}

// dialNext calls over another transport, if there is one and room for it.
func (s *session) dialNext(c *candidate, transports []string) bool {
	switch {
	case len(transports) == 0 || c.forbidden:
		return false
	case transports[0] == overTCP:
		s.dialOver(c, transports, &s.swarm.dialing, s.e.dials)
		return true
	case s.swarm.fallbacks >= maxFallbacks:
		return false
	}
	s.dialOver(c, transports, &s.swarm.fallbacks, s.e.fallbacks)
	return true
}

// dialFailed lets a candidate wait longer each time, and forgets it in the
// end. The address of ourselves is kept, so as not to be learnt again.
func (s *session) dialFailed(c *candidate, self bool) {
	c.forbidden = c.forbidden || self
	c.failures++
	c.retry = time.Now().Add(time.Duration(c.failures*c.failures) * 5 * time.Second)
	if c.failures >= maxFailures && !c.forbidden {
		delete(s.swarm.candidates, c.addr)
	}
}

// connected takes over a connection whose handshakes are done, or closes it.
func (s *session) connected(in incoming) bool {
	err := s.admit(in)
	if err != nil {
		s.log.Debug().Err(err).Stringer("peer", in.addr).Msg("connection refused")
		in.conn.Close()
	}
	return err == nil
}

// turnAway closes the connections that wait for the content.
func (s *session) turnAway() {
	for _, in := range s.waiting {
		in.conn.Close()
	}
	s.waiting = nil
}

func (s *session) admit(in incoming) error {
	switch {
	case s.draining || !s.wanted():
		return errors.New("torrent is not running")
	case s.phase == queueing:
		return errors.New("torrent waits to be hashed")
	case s.swarm.isBanned(in.addr):
		return errors.New("banned")
	case in.theirs.PeerID == s.e.peerID:
		return errSelf
	}
	if !s.meeting() {
		if len(s.waiting) >= maxWaiting {
			return errors.New("too many connections wait for the torrent")
		}
		s.waiting = append(s.waiting, in)
		if s.phase == resting {
			s.open()
		}
		return nil
	}
	if err := s.dedupe(in); err != nil {
		return err
	}
	if len(s.swarm.peers) >= s.e.cfg.MaxPeersPerTorrent && !s.makeRoom(in) {
		return errors.New("torrent has its connections")
	}
	if !s.e.peers.add(s.e.cfg.MaxPeers) {
		return errors.New("all connections are in use")
	}
	s.join(in)
	return nil
}

// dedupe keeps one connection to each peer ID. When both sides dialled at
// once, both keep the one whose dialler has the greater ID.
func (s *session) dedupe(in incoming) error {
	for _, r := range s.swarm.peers {
		if r.peerID != in.theirs.PeerID {
			continue
		}
		if r.over == overUTP && in.transport == overTCP && r.addr.Addr() == in.addr.Addr() {
			r.conn.Close() // both work: TCP it is
			return nil
		}
		weWin := string(s.e.peerID[:]) > string(r.peerID[:])
		if r.dialed == in.dialed || r.dialed == weWin {
			return errors.New("already connected to this peer")
		}
		r.conn.Close()
		return nil
	}
	return nil
}

// makeRoom closes a peer of lower canonical priority for a newcomer.
func (s *session) makeRoom(in incoming) bool {
	own := ownAddress(&s.e.external, s.e.publicPort())
	lowest, found := priority.Priority(own.to(in.addr), in.addr), (*remote)(nil)
	for _, r := range s.swarm.peers {
		if p := priority.Priority(own.to(r.addr), r.addr); p < lowest && r.web == nil && !r.useful() && time.Since(r.since) > time.Minute {
			lowest, found = p, r
		}
	}
	if found == nil {
		return false
	}
	found.conn.Close()
	return true
}

// turnOver closes the least useful peer now and then when all places are
// taken and others wait, so that better ones are found.
func (s *session) turnOver(now time.Time) {
	if now.Sub(s.swarm.turnover) < turnoverEvery || len(s.callable(now, 1)) == 0 {
		return
	}
	s.swarm.turnover = now
	var worst *remote
	for _, r := range s.swarm.peers {
		if r.web == nil && now.Sub(r.since) > turnoverEvery && (worst == nil || r.worth() < worst.worth()) {
			worst = r
		}
	}
	if worst != nil {
		worst.conn.Close()
	}
}
