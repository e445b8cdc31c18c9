package torrent

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/picker"
)

// remote is one connected peer, as the actor sees it.
type remote struct {
	id     picker.PeerID
	conn   *peer.Conn
	addr   netip.AddrPort
	dialed bool
	secure string // how the connection is encrypted
	over   string // what carries it
	source string
	peerID [20]byte
	fast   bool
	v2     bool // speaks BitTorrent v2
	client string
	web    *webSeed // nil for a peer

	dht        bool   // has a node
	extends    bool   // speaks BEP 10
	uploads    bool   // only: it wants nothing (BEP 21)
	uploadsID  uint8  // of its upload_only messages
	metadataID uint8  // of its ut_metadata messages, 0 when it speaks none
	early      *early // nil once it is known what it talks about
	content    atomic.Pointer[content]
	giving     giving
	exchange   exchange
	punch      punching
	leaves     leafAsks
	hashes     hashServe

	offered map[int]bool // pieces it was shown while we super-seed; nil when nothing is hidden from it
	passing []shown      // those it has not passed on

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
	refusals  int       // of requests, with no block in between
	askAgain  time.Time // after many of them

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

// useful reports whether payload moves on the connection, or may.
func (r *remote) useful() bool { return r.interests && !r.snubbed || r.wantsUs && !r.choking }

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
		over:    in.transport,
		source:  in.source,
		peerID:  in.theirs.PeerID,
		client:  clientOf(in.theirs.PeerID),
		fast:    in.theirs.Fast(),
		v2:      in.v2,
		since:   time.Now(),
		dht:     in.theirs.DHT(),
		extends: in.theirs.Extended(),
		early:   newEarly(c),
		has:     bitfield.New(pieceCount(c)),
		choking: true, chokesUs: true,
	}
	if r.early == nil {
		r.content.Store(c)
	}
	if in.dialed || in.transport == overUTP { // which calls from the port it is called at
		r.listen = in.addr
	}
	if r.web = in.web; r.web != nil {
		r.web.remote, r.client = r, "web seed"
	}
	r.conn = s.converse(r, in)
	s.swarm.peers[int32(r.id)] = r
	s.swarm.remember(r)
	if r.early == nil {
		c.picker.AddPeer(r.id)
	}
	if ca := s.swarm.candidates[in.addr]; ca != nil {
		ca.busy = true
	} else if r.listen == in.addr && len(s.swarm.candidates) < maxCandidates {
		s.swarm.candidates[in.addr] = &candidate{addr: in.addr, source: in.source, busy: true, utp: in.transport == overUTP}
	}
	s.hello(r)
	s.mayKnowLayers(r)
	s.spawn(func() func() {
		err := r.conn.Run(s.ctx)
		s.e.peers.done()
		return func() { s.left(r, err) }
	})
}

// converse is the connection to a peer that joins, not yet running.
func (s *session) converse(r *remote, in incoming) *peer.Conn {
	c, t := s.content, s.t
	bitfieldLen := peerwire.UnknownBitfield(maxEarlyBitfield)
	if r.early == nil {
		bitfieldLen = (c.info.NumPieces() + 7) / 8
	}
	window := s.firstWindow()
	if r.web != nil {
		window = min(int(c.info.PieceSize(0)/peerwire.BlockSize)+1, webSeedQueue)
	}
	down, up := s.throttle.connection()
	return peer.New(peer.Config{
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
		Down:       down,
		Up:         up,
		Window:     window,

		BlockTimeout: s.e.cfg.blockTimeout,
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
	if r.web != nil {
		s.webSeedLeft(r.web)
	}
	if s.seeking.fetch != nil {
		s.seeking.fetch.Remove(int32(r.id))
	}
	if s.seeking.layers != nil {
		s.seeking.layers.fetch.Remove(int32(r.id))
	}
	s.log.Debug().Err(err).Stringer("peer", r.addr).Str("client", r.client).Str("transport", r.over).Str("encryption", r.secure).Msg("peer left")
	if c := s.swarm.candidates[r.listen]; c != nil {
		c.busy = false
		c.seed = r.wantsNothing()
		if time.Since(r.since) > time.Minute {
			c.failures = 0
		}
		if !s.draining { // otherwise it was us who left
			s.dialFailed(c, false)
		}
	}
	if wrong, ok := errors.AsType[*peer.WrongBlock](err); ok {
		s.record.WastedBytes += int64(wrong.Length)
		s.ban(r.addr, wrongBlock(wrong.Piece, wrong.Block))
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

// ban closes a connection and every way back. More that a peer sent before it was
// banned changes nothing.
func (s *session) ban(addr netip.AddrPort, reason string) {
	if s.banWebSeed(addr, reason) || s.swarm.isBanned(addr) {
		return
	}
	s.e.cfg.Events.Publish(event.PeerBanned{InfoHash: s.t.hash.String(), Address: addr.String(), Reason: reason})
	s.log.Warn().Stringer("peer", addr).Str("reason", reason).Msg("peer banned")
	s.swarm.ban(addr)
	for _, r := range s.swarm.peers {
		if s.swarm.isBanned(r.addr) {
			if c := s.swarm.candidates[r.listen]; c != nil {
				c.forbidden = true
			}
			r.conn.Close()
		}
	}
	for a, c := range s.swarm.candidates {
		c.forbidden = c.forbidden || s.swarm.isBanned(a)
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
