package torrent

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/picker"
	"lorrent/daemon/torrent/priority"
)

const (
	maxCandidates = 2000
	maxFailures   = 5 // dials in a row before a candidate is forgotten
	dialsPerTick  = 30
	maxWaiting    = 16 // connections that wait for the content
	turnoverEvery = 5 * time.Minute
)

// swarm is everyone we know for one torrent.
type swarm struct {
	candidates map[netip.AddrPort]*candidate
	banned     map[netip.Addr]bool
	peers      map[int32]*remote
	addrs      map[int32]netip.AddrPort // of peers now and before, to know who sent a bad piece
	nextID     int32
	dialing    int
	turnover   time.Time
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
	forbidden bool      // ourselves, or banned
}

// remote is one connected peer, as the actor sees it.
type remote struct {
	id     picker.PeerID
	conn   *peer.Conn
	addr   netip.AddrPort
	dialed bool
	secure string // how the connection is encrypted
	source string
	peerID [20]byte
	fast   bool
	client string

	extends    bool   // speaks BEP 10
	metadataID uint8  // of its ut_metadata messages, 0 when it speaks none
	early      *early // nil once it is known what it talks about
	content    atomic.Pointer[content]
	giving     giving
	exchange   exchange

	listen netip.AddrPort // where it can be dialled, when known
	since  time.Time

	has       *bitfield.Bitfield
	choking   bool // we choke it
	interests bool // we are interested
	chokesUs  bool
	wantsUs   bool
	snubbed   bool
	parole    bool // sent part of a bad piece
	snubbedAt time.Time

	allowed    []int32        // pieces it serves us although it chokes us
	granted    map[int32]bool // pieces we serve it although we choke it
	excess     int            // requests beyond what it may have waiting
	unchokedAt time.Time
	sentBefore int64 // uploaded when it was unchoked
	optimistic bool

	down, up               peer.Meter
	downRate, upRate       int64
	countedDown, countedUp int64 // bytes already added to the torrent's counters
}

// remember keeps a peer's address beyond its stay, within bounds.
func (w *swarm) remember(r *remote) {
	w.addrs[int32(r.id)] = r.addr
	delete(w.addrs, int32(r.id)-maxCandidates)
}

func newSwarm() swarm {
	return swarm{
		candidates: make(map[netip.AddrPort]*candidate),
		banned:     make(map[netip.Addr]bool),
		peers:      make(map[int32]*remote),
		addrs:      make(map[int32]netip.AddrPort),
		turnover:   time.Now(),
	}
}

// learn adds addresses.
func (s *session) learn(addrs []netip.AddrPort, source string) {
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !a.IsValid() || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || s.swarm.banned[a.Addr()] {
			continue
		}
		if _, known := s.swarm.candidates[a]; known || len(s.swarm.candidates) >= maxCandidates {
			continue
		}
		s.swarm.candidates[a] = &candidate{addr: a, source: source}
	}
	if s.meeting() {
		s.meet(time.Now())
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
	own := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(s.e.port))
	slices.SortFunc(list, func(a, b *candidate) int {
		if a.failures != b.failures {
			return a.failures - b.failures
		}
		pa, pb := priority.Priority(own, a.addr), priority.Priority(own, b.addr)
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
	s.swarm.dialing++
	ctx, hash, plain := s.net, s.t.hash, c.plain
	s.spawn(func() func() {
		if !s.e.dials.acquire(ctx.Done()) {
			return func() { s.dialed(c, incoming{}, ctx.Err()) }
		}
		in, err := s.e.dial(ctx, c.addr, hash, plain)
		s.e.dials.release()
		return func() { s.dialed(c, in, err) }
	})
}

func (s *session) dialed(c *candidate, in incoming, err error) {
	s.swarm.dialing--
	c.busy = false
	if err != nil {
		s.log.Debug().Err(err).Stringer("peer", c.addr).Msg("dial failed")
		s.dialFailed(c, errors.Is(err, errSelf))
		return
	}
	in.source = c.source
	c.plain = in.encryption == unencrypted
	if !s.connected(in) {
		s.dialFailed(c, false)
	}
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

func (s *session) admit(in incoming) error {
	switch {
	case s.draining || !s.wanted():
		return errors.New("torrent is not running")
	case s.swarm.banned[in.addr.Addr()]:
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
	own := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(s.e.port))
	lowest, found := priority.Priority(own, in.addr), (*remote)(nil)
	for _, r := range s.swarm.peers {
		if p := priority.Priority(own, r.addr); p < lowest && !r.useful() && time.Since(r.since) > time.Minute {
			lowest, found = p, r
		}
	}
	if found == nil {
		return false
	}
	found.conn.Close()
	return true
}

// useful reports whether payload moves on the connection, or may.
func (r *remote) useful() bool { return r.interests && !r.snubbed || r.wantsUs && !r.choking }

// turnOver closes the least useful peer now and then when all places are
// taken and others wait, so that better ones are found.
func (s *session) turnOver(now time.Time) {
	if now.Sub(s.swarm.turnover) < turnoverEvery || len(s.callable(now, 1)) == 0 {
		return
	}
	s.swarm.turnover = now
	var worst *remote
	for _, r := range s.swarm.peers {
		if now.Sub(r.since) > turnoverEvery && (worst == nil || r.worth() < worst.worth()) {
			worst = r
		}
	}
	if worst != nil {
		worst.conn.Close()
	}
}

func (r *remote) worth() int64 {
	w := r.downRate + r.upRate
	if r.useful() {
		w++
	}
	return w
}

// join starts the connection's goroutines and says hello.
func (s *session) join(in incoming) {
	c := s.content
	s.swarm.nextID++
	r := &remote{
		id:      picker.PeerID(s.swarm.nextID),
		addr:    in.addr,
		dialed:  in.dialed,
		secure:  in.encryption,
		source:  in.source,
		peerID:  in.theirs.PeerID,
		client:  clientOf(in.theirs.PeerID),
		fast:    in.theirs.Fast(),
		since:   time.Now(),
		extends: in.theirs.Extended(),
		early:   newEarly(c),
		has:     bitfield.New(pieceCount(c)),
		choking: true, chokesUs: true,
	}
	bitfieldLen := peerwire.UnknownBitfield(maxEarlyBitfield)
	if r.early == nil {
		r.content.Store(c)
		bitfieldLen = (c.info.NumPieces() + 7) / 8
	}
	if in.dialed {
		r.listen = in.addr
	}
	t := s.t
	r.conn = peer.New(peer.Config{
		Conn:        in.conn,
		Rest:        in.rest,
		ID:          int32(r.id),
		Fast:        r.fast,
		BitfieldLen: bitfieldLen,
		Ready:       s.ready,
		Gate:        s.e.gate,
		ReadBlock: func(dst []byte, index, begin uint32) error {
			c := r.content.Load()
			return c.disk.ReadAt(dst, int64(index)*c.info.PieceLength+int64(begin))
		},
		Unreadable: func(err error) { t.post(func(s *session) { s.unreadable(err) }) },
		MaxUploads: maxUploads,
		Down:       s.e.down,
		Up:         s.e.up,

		BlockTimeout: s.e.cfg.blockTimeout,
	})
	s.swarm.peers[int32(r.id)] = r
	s.swarm.remember(r)
	if r.early == nil {
		c.picker.AddPeer(r.id)
	}
	if ca := s.swarm.candidates[in.addr]; ca != nil {
		ca.busy = true
	}
	s.hello(r)
	s.spawn(func() func() {
		err := r.conn.Run(s.ctx)
		s.e.peers.done()
		return func() { s.left(r, err) }
	})
}

// left forgets a connection that has ended.
func (s *session) left(r *remote, err error) {
	s.heard(r.conn) // blocks that came before the end count
	delete(s.swarm.peers, int32(r.id))
	s.account(r)
	if r.early == nil {
		s.content.picker.RemovePeer(r.id)
	}
	if s.seeking.fetch != nil {
		s.seeking.fetch.Remove(int32(r.id))
	}
	s.log.Debug().Err(err).Stringer("peer", r.addr).Str("client", r.client).Str("encryption", r.secure).Msg("peer left")
	if c := s.swarm.candidates[r.listen]; c != nil {
		c.busy = false
		c.seed = r.isSeed()
		if time.Since(r.since) > time.Minute {
			c.failures = 0
		}
		s.dialFailed(c, false)
	}
	var violation *peerwire.Error
	if errors.As(err, &violation) {
		s.log.Info().Err(err).Stringer("peer", r.addr).Str("client", r.client).Msg("peer broke the protocol")
	}
	if s.phase == moving && !s.draining {
		s.refillAll()
		if r.unchoked() {
			s.choose(time.Now())
		}
	}
}

func (r *remote) unchoked() bool { return !r.choking }

// drop closes a connection because of what the peer did.
func (s *session) drop(r *remote, format string, args ...any) {
	s.log.Info().Stringer("peer", r.addr).Str("client", r.client).Msg("peer dropped: " + fmt.Sprintf(format, args...))
	r.conn.Close()
}

// ban closes a connection and every way back. On a loopback address, which
// many peers share, only the one address and port is banned.
func (s *session) ban(addr netip.AddrPort, reason string) {
	s.e.cfg.Events.Publish(event.PeerBanned{InfoHash: s.t.hash.String(), Address: addr.String(), Reason: reason})
	s.log.Warn().Stringer("peer", addr).Str("reason", reason).Msg("peer banned")
	if !addr.Addr().IsLoopback() {
		s.swarm.banned[addr.Addr()] = true
	}
	for _, r := range s.swarm.peers {
		if r.addr == addr || s.swarm.banned[r.addr.Addr()] {
			if c := s.swarm.candidates[r.listen]; c != nil {
				c.forbidden = true
			}
			r.conn.Close()
		}
	}
	for a, c := range s.swarm.candidates {
		c.forbidden = c.forbidden || a == addr || s.swarm.banned[a.Addr()]
	}
}

// clientOf reads the client's name off its peer ID (BEP 20).
func clientOf(id [20]byte) string {
	if id[0] == '-' && id[7] == '-' {
		return printable(string(id[1:7]), 8)
	}
	return printable(string(id[:8]), 8)
}

// printable keeps what may be shown on a terminal.
func printable(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit])
	}
	return text
}
