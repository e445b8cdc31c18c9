package torrent

import (
	"time"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

const (
	leafWait     = 3 * time.Second  // for leaves, then another peer is asked, too
	siftPatience = 15 * time.Second // of a wrong piece for its leaves
)

// hunt is the search for the leaves of a piece on its way (BEP 52): they tell for
// each block, and not for the whole piece alone, whether it is right. Any peer that
// has the piece may know them, not only who sends it.
type hunt struct {
	piece  int
	parts  []hashtree.Request
	asked  []leafAsk // by part
	left   int       // parts that have not been found
	leaves []hashtree.Hash
	tried  map[int32]bool // peers that refused or did not answer in time
	told   *arrival       // which has been told what is found
}

// leafAsk is who was asked for a part; nobody while peer is 0.
type leafAsk struct {
	peer  int32
	at    time.Time
	found bool
}

// sifted is a complete piece with a wrong hash that waits for the leaves, which
// will tell its wrong blocks from the right ones.
type sifted struct {
	*arrival
	blocks []hashtree.Hash
	since  time.Time
}

// hunt is the search for a piece's leaves, begun if it was not; nil when there is
// none.
func (s *session) hunt(index int) *hunt {
	info, f := s.content.info, &s.fetch
	h := f.hunts[index]
	if h != nil || !info.IsV2() {
		return h
	}
	parts := leafRequests(info, index)
	if len(parts) == 0 {
		return nil
	}
	h = &hunt{piece: index, parts: parts, asked: make([]leafAsk, len(parts)), left: len(parts), tried: make(map[int32]bool),
		leaves: make([]hashtree.Hash, info.PieceTree(index).NumBlocks)}
	if f.hunts == nil {
		f.hunts = make(map[int]*hunt)
	}
	f.hunts[index] = h
	return h
}

// seekLeaves sees to it that the leaves of a piece are asked for before its blocks
// are, from who is about to send them if that peer may know them. It answers
// before it sends a block that is asked for afterwards.
func (s *session) seekLeaves(r *remote, a *arrival) {
	h := s.hunt(a.Index)
	if h == nil {
		return
	}
	if h.told != a { // a new try of the piece
		h.told = a
		for i, q := range h.parts {
			if h.asked[i].found {
				first := i * int(q.Length)
				a.Expect(first, h.leaves[first:min(first+int(q.Length), len(h.leaves))])
			}
		}
	}
	s.ask(h, r)
}

// ask asks for the parts that nobody is asked for: first, if that is a peer that
// may know them, or another one.
func (s *session) ask(h *hunt, first *remote) {
	if h == nil || h.left == 0 {
		return
	}
	for i := range h.parts {
		if h.asked[i].peer != 0 || h.asked[i].found {
			continue
		}
		to := first
		if to == nil || !h.mayKnow(to) {
			to = nil
			for _, r := range s.swarm.peers {
				if h.mayKnow(r) {
					to = r
					break
				}
			}
		}
		if to == nil {
			return
		}
		h.asked[i] = leafAsk{peer: int32(to.id), at: time.Now()}
		if _, twice := to.leaves.asked[h.parts[i]]; twice { // for another file that is the same
			continue
		}
		if to.leaves.asked == nil {
			to.leaves.asked = make(map[hashtree.Request]int)
		}
		to.leaves.asked[h.parts[i]] = h.piece
		to.sayHash(peerwire.HashRequest, h.parts[i].Bytes())
	}
}

// mayKnow reports whether it makes sense to ask a peer.
func (h *hunt) mayKnow(r *remote) bool {
	return r.v2 && r.early == nil && r.leaves.refusals < maxLeafRefusals && len(r.leaves.asked) < maxLeafAsks &&
		!h.tried[int32(r.id)] && r.has.Has(h.piece)
}

// unanswered takes back what a peer was asked for.
func (h *hunt) unanswered(r *remote) {
	if h == nil {
		return
	}
	h.tried[int32(r.id)] = true
	for i := range h.asked {
		if h.asked[i].peer == int32(r.id) {
			h.asked[i].peer = 0
		}
	}
}

// found keeps an answer, and reports whether it is of use.
func (h *hunt) found(q hashtree.Request, first int, leaves []hashtree.Hash) bool {
	if h == nil {
		return false
	}
	for i := range h.parts {
		if h.parts[i] == q && !h.asked[i].found {
			copy(h.leaves[first:], leaves)
			h.asked[i] = leafAsk{found: true}
			h.left--
			return true
		}
	}
	return false
}

// waits reports whether somebody may still answer.
func (h *hunt) waits() bool {
	for _, a := range h.asked {
		if a.peer != 0 {
			return true
		}
	}
	return false
}

// huntTick asks others for what does not come, and goes on without what nobody
// has.
func (s *session) huntTick(now time.Time) {
	f := &s.fetch
	for index, h := range f.hunts {
		if s.content.pieces[int32(index)] == nil && f.sifting[index] == nil && !s.content.picker.Started(index) && !f.blame.remembers(index) {
			delete(f.hunts, index)
			continue
		}
		for i := range h.asked {
			a := &h.asked[i]
			switch slow := now.Sub(a.at) > leafWait; {
			case a.peer == 0:
			case s.swarm.peers[a.peer] == nil:
				a.peer = 0
			case slow && s.someoneElse(h, a.peer):
				h.tried[a.peer] = true // its answer is still welcome
				a.peer = 0
			}
		}
		s.ask(h, nil)
	}
	for index, x := range f.sifting {
		if !f.hunts[index].waits() || now.Sub(x.since) > siftPatience {
			delete(f.sifting, index)
			s.wrongPiece(x.arrival, x.blocks)
			x.Release()
		}
	}
}

func (s *session) someoneElse(h *hunt, than int32) bool {
	for id, r := range s.swarm.peers {
		if id != than && h.mayKnow(r) {
			return true
		}
	}
	return false
}

// sift keeps the right blocks of a complete piece whose hash is wrong, if its
// leaves are known or can be had. It reports false when they cannot.
func (s *session) sift(a *arrival, blocks []hashtree.Hash) bool {
	if s.draining || blocks == nil {
		return false
	}
	if leaves := a.Leaves(); leaves != nil {
		return s.reopen(a, blocks, leaves)
	}
	h := s.hunt(a.Index)
	if h == nil {
		return false
	}
	if h.left == 0 {
		return s.reopen(a, blocks, h.leaves)
	}
	if s.ask(h, nil); !h.waits() {
		return false
	}
	if s.fetch.sifting == nil {
		s.fetch.sifting = make(map[int]*sifted)
	}
	s.fetch.sifting[a.Index] = &sifted{a, blocks, time.Now()}
	return true
}

// reopen takes up a complete piece again for its wrong blocks. It reports false
// when it has none.
func (s *session) reopen(a *arrival, blocks, leaves []hashtree.Hash) bool {
	bad := a.wrongExtents(blocks, leaves)
	if len(bad) == 0 {
		return false
	}
	c := s.content
	a.take(true)
	s.handOver(a, 0, func() func() {
		err := a.reload(c, bad)
		return func() { s.reopened(a, blocks, leaves, bad, err) }
	})
	return true
}

func (s *session) reopened(a *arrival, blocks, leaves []hashtree.Hash, bad map[int]bool, err error) {
	s.fetch.writing--
	defer a.letGo(false)
	if err != nil || s.draining {
		s.wrongPiece(a, blocks)
		a.Release()
		return
	}
	wrong := a.Reopen(blocks, leaves)
	for i := range a.written {
		if bad[i] {
			a.written[i] = false
		} else if a.written[i] {
			a.Free(i)
		}
	}
	a.check, a.hashed, a.complete = nil, 0, false
	index := int32(a.Index)
	s.content.giveUp(index)
	a.before = s.content.leaving[index]
	s.content.pieces[index] = a
	s.log.Warn().Int("piece", a.Index).Int("blocks", len(wrong)).Msg("piece has wrong blocks")
	s.resume.changed = true
	s.spoilt(a.Index, wrong)
	s.refillAll()
}

// wrongExtents are the extents with blocks that have other hashes than they must.
func (a *arrival) wrongExtents(blocks, leaves []hashtree.Hash) map[int]bool {
	bad := make(map[int]bool)
	for n := range blocks {
		if blocks[n] != leaves[n] {
			bad[n*hashtree.BlockSize/piece.ExtentSize] = true
		}
	}
	return bad
}

// reload brings extents back from the disk, where their memory was given up.
func (a *arrival) reload(c *content, extents map[int]bool) error {
	for i := range extents {
		if data, fill := a.Load(i); fill {
			if err := c.disk.ReadAt(data, a.offset(c, i)); err != nil {
				return err
			}
		}
	}
	return nil
}
