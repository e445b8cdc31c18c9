package torrent

import (
	"time"

	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/picker"
)

// Requests to a newcomer. Clients that do not say how many they take at a time
// take 250 or more.
const minFirstWindow, maxFirstWindow = 8, 250

// A peer that refuses so many requests in a row is left alone for two seconds, and
// twice as long each time it does so again. Otherwise some such peers, asking for
// which costs nothing, would take the last blocks from each other for ever.
const (
	refusalsInARow = 32
	maxLeftAlone   = 64 * time.Second
)

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

// blockArrived handles one block that a reader has put into its piece.
func (s *session) blockArrived(r *remote, e *peer.Event) {
	r.snubbed, r.refusals = false, 0
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

// firstWindow is how many requests a newcomer may have waiting of whose rate
// nothing is known yet: an equal share of what may be on its way at once. One
// that answers twice a second, as those do whose user limits them, would need
// seconds to get up to its rate otherwise.
func (s *session) firstWindow() int {
	share := s.e.cfg.BufferBytes / 2 / peerwire.BlockSize / int64(len(s.swarm.peers)+1)
	return min(max(int(share), minFirstWindow), maxFirstWindow)
}

// refill asks a peer for as much as its window has room for.
func (s *session) refill(r *remote) {
	if !s.mayAsk(r) || r.refusals >= refusalsInARow && time.Now().Before(r.askAgain) {
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
		s.refused(r, time.Now())
	}
	return true
}

// refused counts a refusal, and lets others have what is free when the peer is to
// be left alone.
func (s *session) refused(r *remote, now time.Time) {
	if r.refusals++; r.refusals%refusalsInARow == 0 {
		r.askAgain = now.Add(min(time.Second<<min(r.refusals/refusalsInARow, 10), maxLeftAlone))
		s.refillAll()
	}
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
