package torrent

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/picker"
	"lorrent/storage/disk"
)

// maxWriteRetry is the longest time between two tries to write to a full disk.
const maxWriteRetry = time.Minute

// download is the state of getting pieces.
type download struct {
	writing int // pieces on their way to the disk
	blame   blame

	hunts   map[int]*hunt   // for the leaves of pieces on their way
	sifting map[int]*sifted // wrong pieces that wait for their leaves

	crossed []crossed // to be released at the next tick

	blocked    []*arrival    // the disk refuses them
	unprepared bool          // no space could be set aside yet
	preparing  bool          // that is being tried
	blockedAt  time.Time     // last try
	retry      time.Duration // until the next one

	// scratch
	events   []peer.Event
	blocks   []picker.Block
	requests []peer.Request
	others   []picker.PeerID
}

// crossed is a block that came while another peer was in the middle of sending
// it, and had to be thrown away. Asking for it again at once would waste the
// line for as long as the other one takes.
type crossed struct {
	peer  picker.PeerID
	block picker.Block
}

func (s *session) releaseCrossed() {
	for _, x := range s.fetch.crossed {
		s.content.picker.Release(x.peer, x.block)
	}
	s.fetch.crossed = s.fetch.crossed[:0]
}

// stalled reports whether the disk refuses what we download. Seeding goes on.
func (s *session) stalled() bool { return len(s.fetch.blocked) > 0 || s.fetch.unprepared }

// passing reports whether the disk may take later what it refuses now.
func passing(err error) bool {
	return errors.Is(err, disk.ErrNoSpace) || errors.Is(err, disk.ErrReadOnly)
}

// stall says what is in the way, and sets the time of the next try.
func (s *session) stall(err error) {
	f := &s.fetch
	f.blockedAt = time.Now()
	f.retry = min(max(2*f.retry, s.e.cfg.writeRetry), maxWriteRetry)
	s.obstacle = fmt.Sprintf("%v; trying again every %s", err, f.retry)
	s.log.Error().Err(err).Msg("cannot write, downloading is suspended")
}

// blockArrived handles one block that a reader has put into its piece.
func (s *session) blockArrived(r *remote, e *peer.Event) {
	r.snubbed = false
	b, p := blockOf(e.Index, e.Begin, e.Length), s.content.picker
	a := s.content.pieces[b.Piece]
	switch {
	case e.Piece == nil:
		s.record.WastedBytes += int64(e.Length)
		switch {
		case a == nil:
			p.Release(r.id, b)
		case a.Arrived(int(b.Begin)):
			p.Received(r.id, b)
		default:
			s.fetch.crossed = append(s.fetch.crossed, crossed{r.id, b})
		}
		return
	case a == nil || a.Buffer != e.Piece:
		// Its piece was complete, and counted, before we heard of this
		// block, or was given up.
		if e.Complete {
			e.Piece.Release()
		}
		return
	}
	if !e.Complete && !a.Arrived(int(b.Begin)) { // it was wrong, and is wanted again
		p.Release(r.id, b)
		return
	}
	s.fetch.others = p.Others(b, r.id, s.fetch.others[:0])
	for _, id := range s.fetch.others {
		if other := s.swarm.peers[int32(id)]; other != nil {
			other.conn.Cancel(e.Index, e.Begin, e.Length)
			p.Release(id, b)
		}
	}
	p.Received(r.id, b)
	switch {
	case e.Complete:
		s.pieceComplete(a)
	case e.Full:
		s.advance(a)
	}
}

func blockOf(index, begin, length uint32) picker.Block {
	return picker.Block{Piece: int32(index), Begin: int32(begin), Length: int32(length)}
}

// verified ends the arrival of a piece.
func (s *session) verified(b *arrival, right bool, blocks []hashtree.Hash, err error) {
	s.fetch.writing--
	s.content.giveUp(int32(b.Index))
	switch {
	case errors.Is(err, errConflict):
		s.content.picker.PieceFailed(b.Index)
		b.Release()
		if !s.draining {
			s.fail(err)
		}
	case err == nil && !right:
		if !s.sift(b, blocks) {
			s.wrongPiece(b, blocks)
			b.Release()
		}
	case err != nil:
		s.refusedByDisk(b, err)
	default:
		s.rightPiece(b, blocks)
		b.Release()
	}
}

func (s *session) rightPiece(b *arrival, blocks []hashtree.Hash) {
	size := int64(b.Size())
	left := s.content.picker.Left()
	s.content.picker.PieceVerified(b.Index)
	s.count()
	s.resume.wrote(size, time.Now())
	s.banLiars(b.Index, blocks)
	if s.draining {
		return
	}
	for _, r := range s.swarm.peers {
		r.conn.Send(func(out []byte) []byte { return peerwire.AppendIndex(out, peerwire.Have, uint32(b.Index)) })
		if r.interests {
			s.considerInterest(r)
		}
	}
	if left > 0 && s.content.picker.Left() == 0 {
		s.completed(true)
	}
	s.checkpointTick(time.Now())
}

// completed is what happens when the last piece that is wanted is there.
func (s *session) completed(justNow bool) {
	if s.record.CompletedAt.IsZero() {
		s.record.CompletedAt = time.Now().UTC()
		s.resume.changed = true
	}
	if justNow {
		for _, r := range s.swarm.peers {
			s.account(r) // so that trackers and users hear the whole count
		}
		s.log.Info().Str("name", s.record.Name).Msg("torrent complete")
		total, _ := wantedBytes(&s.record)
		s.e.cfg.Events.Publish(event.TorrentCompleted{InfoHash: s.t.hash.String(), Name: s.record.Name, TotalBytes: total})
		if s.everything() {
			s.tell.completed(time.Now())
		}
		s.sayUploadOnly(true)
	}
	for _, r := range s.swarm.peers {
		s.considerInterest(r)
	}
	if s.everything() && (justNow || s.content.rechecked) {
		s.derive()
	}
}

// wrongPiece finds out who is to blame for a piece with a wrong hash: a single
// contributor at once, one of several when the piece is right later on.
func (s *session) wrongPiece(b *arrival, blocks []hashtree.Hash) {
	s.record.WastedBytes += int64(b.Size())
	s.resume.changed = true
	s.content.picker.PieceFailed(b.Index)
	senders := make([]netip.AddrPort, len(blocks))
	contributors := make(map[int32]bool)
	for i, id := range b.Contributors() {
		contributors[id] = true
		senders[i] = s.swarm.addrs[id]
	}
	s.log.Warn().Int("piece", b.Index).Int("contributors", len(contributors)).Msg("piece has a wrong hash")
	if leaves := b.Leaves(); leaves != nil {
		s.banSenders(b.Index, senders, blocks, leaves)
	} else if len(contributors) == 1 && senders[0].IsValid() {
		s.ban(senders[0], fmt.Sprintf("sent piece %d with a wrong hash", b.Index))
	} else {
		s.fetch.blame.suspect(b.Index, senders, blocks)
		for id := range contributors {
			if r := s.swarm.peers[id]; r != nil {
				r.parole = true
			}
		}
	}
	if !s.draining {
		s.refillAll()
	}
}

// refusedByDisk keeps what could not be written, when the reason may pass.
// Nothing more is asked for until it is written; seeding goes on.
func (s *session) refusedByDisk(b *arrival, err error) {
	f := &s.fetch
	if !passing(err) || s.draining {
		if b.complete {
			s.content.picker.PieceFailed(b.Index)
			b.Release()
		}
		if !s.draining {
			s.fail(fmt.Errorf("write: %w", err))
		}
		return
	}
	if len(f.blocked) == 0 {
		s.stall(err)
	}
	b.waits = true
	f.blocked = append(f.blocked, b)
	for _, r := range s.swarm.peers {
		blocks, _ := r.conn.GiveUpAll(true)
		s.release(r, blocks)
	}
}

// retryWrites gives the disk another chance.
func (s *session) retryWrites(now time.Time) {
	f := &s.fetch
	if !s.stalled() || f.writing > 0 || now.Sub(f.blockedAt) < f.retry {
		return
	}
	if f.unprepared {
		s.prepareAgain()
		return
	}
	blocked := f.blocked
	f.blocked, f.blockedAt = nil, now
	s.obstacle = ""
	for _, a := range blocked {
		a.waits = false
		s.advance(a)
	}
}

// prepareAgain sets space aside for a torrent that found none.
func (s *session) prepareAgain() {
	c := s.content
	if s.fetch.preparing {
		return // it looks afterwards what is wanted
	}
	s.fetch.preparing = true
	s.fetch.writing++ // the content must stay
	plan := c.plan
	c.allocated = plan
	s.submit(s.e.disk, func() func() {
		err := c.allocate(plan)
		return func() {
			s.fetch.writing--
			s.fetch.preparing = false
			switch {
			case c.allocated != c.plan && !s.draining:
				s.prepareAgain()
			case err == nil:
				s.unallocated = false
				s.fetch.unprepared, s.fetch.retry, s.obstacle = false, 0, ""
			case passing(err):
				s.stall(err)
			case !s.draining:
				s.fail(fmt.Errorf("set space aside in %s: %w", s.record.Dir, err))
			}
		}
	})
}

// refill asks a peer for as much as its window has room for.
func (s *session) refill(r *remote) {
	if !s.mayAsk(r) {
		return
	}
	room := r.conn.Room()
	if r.snubbed {
		room = min(room, 1-r.conn.Outstanding())
	}
	if room <= 0 {
		return
	}
	mode := picker.Mode{Snubbed: r.snubbed, Parole: r.parole, Rate: r.downRate, Run: r.web != nil}
	if r.chokesUs {
		mode.AllowedFast = r.allowed
	}
	f := &s.fetch
	f.blocks = s.content.picker.Pick(r.id, room, mode, f.blocks[:0])
	if len(f.blocks) == 0 {
		return
	}
	f.requests = f.requests[:0]
	for _, b := range f.blocks {
		a := s.arrival(b.Piece)
		if len(f.requests) == 0 || f.requests[len(f.requests)-1].Index != uint32(b.Piece) {
			s.seekLeaves(r, a)
		}
		f.requests = append(f.requests, peer.Request{
			Index: uint32(b.Piece), Begin: uint32(b.Begin), Length: uint32(b.Length), Piece: a.Buffer,
		})
	}
	r.conn.Request(f.requests)
}

func (s *session) mayAsk(r *remote) bool {
	return s.phase == moving && !s.draining && !s.stalled() && r.interests && (!r.chokesUs || len(r.allowed) > 0)
}

// refillAll looks again at everyone, after blocks became free.
func (s *session) refillAll() {
	for _, r := range s.swarm.peers {
		s.refill(r)
	}
}

// release returns blocks that a peer will not send to the picker.
func (s *session) release(r *remote, blocks []peer.Request) {
	for _, b := range blocks {
		s.content.picker.Release(r.id, blockOf(b.Index, b.Begin, b.Length))
	}
}

// rejected handles a peer's refusal of a request (BEP 6).
func (s *session) rejected(r *remote, e *peer.Event) bool {
	outstanding, err := r.conn.Rejected(e.Index, e.Begin, e.Length)
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	if outstanding {
		s.content.picker.Release(r.id, blockOf(e.Index, e.Begin, e.Length))
		if r.chokesUs {
			r.allowed = without(r.allowed, int32(e.Index))
		}
	}
	return true
}

func without(list []int32, v int32) []int32 {
	kept := list[:0]
	for _, x := range list {
		if x != v {
			kept = append(kept, x)
		}
	}
	return kept
}

// watchPeers looks for peers that owe us blocks and send none, and gives
// their blocks to others.
func (s *session) watchPeers(now time.Time) {
	freed := false
	for _, r := range s.swarm.peers {
		if r.conn.Stuck(now) {
			s.drop(r, "does not end a block it has begun")
			continue
		}
		if !r.conn.Tick(now) {
			continue
		}
		if !r.snubbed {
			r.snubbed, r.snubbedAt = true, now
			s.log.Debug().Stringer("peer", r.addr).Msg("peer snubs us")
		}
		blocks, _ := r.conn.GiveUpAll(true)
		s.release(r, blocks)
		freed = freed || len(blocks) > 0
	}
	if freed {
		s.refillAll()
	}
}
