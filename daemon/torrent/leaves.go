package torrent

import (
	"fmt"
	"net/netip"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

const (
	maxLeafAsks     = 512 // requests for leaves a peer may owe the answer of
	maxLeafRefusals = 8   // in a row, after which a peer is not asked again
	maxStrayHashes  = 64  // hash messages that nobody asked for before their sender is dropped
)

// leafAsks is what one peer was asked for: the hashes of a piece's blocks, with
// which each block can be judged as it arrives.
type leafAsks struct {
	asked    map[hashtree.Request]int // the piece
	refusals int
	stray    int
}

// leafRequests ask for the leaves of a piece of several blocks whose own hash is
// known: up to that they are proved.
func leafRequests(info *metainfo.Info, piece int) (list []hashtree.Request) {
	t := info.PieceTree(piece)
	if !t.Known || t.NumBlocks < 2 {
		return nil
	}
	length, proof := 1<<t.Layer, 0
	if length > hashtree.MaxLength {
		length, proof = hashtree.MaxLength, t.Layer-1
	}
	for first := 0; first < t.NumBlocks; first += length {
		list = append(list, hashtree.Request{
			Root: t.File.Root, Index: uint32(t.Index<<t.Layer + first), Length: uint32(length), Proof: uint32(proof),
		})
	}
	return list
}

// hashMessage handles what a peer says about hash trees. It reports false when
// the peer was dropped.
func (s *session) hashMessage(r *remote, id peerwire.ID, payload []byte) bool {
	q, hashes, err := hashtree.ParseRequest(payload)
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	switch _, leaves := r.leaves.asked[q]; {
	case id == peerwire.HashRequest:
		return s.hashesAsked(r, q)
	case leaves:
		return s.leavesArrived(r, q, hashes, id == peerwire.HashReject)
	case s.seeking.layers != nil:
		return s.layerArrived(r, q, hashes, id == peerwire.HashReject)
	}
	if r.leaves.stray++; r.leaves.stray > maxStrayHashes {
		s.drop(r, "%d hash messages that nobody asked for", r.leaves.stray)
		return false
	}
	return true
}

// leavesArrived takes an answer to a request for leaves. It reports false when
// the peer was dropped.
func (s *session) leavesArrived(r *remote, q hashtree.Request, hashes []hashtree.Hash, refused bool) bool {
	piece := r.leaves.asked[q]
	delete(r.leaves.asked, q)
	h := s.fetch.hunts[piece]
	if refused {
		r.leaves.refusals++
		h.unanswered(r)
		s.ask(h, nil)
		return true
	}
	tree := s.content.info.PieceTree(piece)
	node, err := q.Climb(hashes)
	if err == nil && node != tree.Hash {
		err = hashtree.ErrProof
	}
	if err != nil {
		s.drop(r, "leaves of piece %d: %v", piece, err)
		return false
	}
	r.leaves.refusals = 0
	first := int(q.Index) - tree.Index<<tree.Layer
	leaves := hashes[:min(int(q.Length), tree.NumBlocks-first)]
	if !h.found(q, first, leaves) {
		return true
	}
	if a := s.content.pieces[int32(piece)]; a != nil {
		h.told = a
		s.spoilt(piece, a.Expect(first, leaves))
	}
	if h.left > 0 {
		return true
	}
	if x := s.fetch.sifting[piece]; x != nil {
		delete(s.fetch.sifting, piece)
		s.reopen(x.arrival, x.blocks, h.leaves)
	}
	if s.fetch.blame.remembers(piece) {
		s.banLiars(piece, h.leaves)
	}
	return true
}

// spoilt takes wrong blocks back, and bans those who sent them.
func (s *session) spoilt(index int, wrong []piece.Wrong) {
	for _, w := range wrong {
		s.record.WastedBytes += int64(w.Length)
		s.content.picker.Spoilt(blockOf(uint32(index), uint32(w.Begin), uint32(w.Length)))
	}
	for _, w := range wrong {
		if addr := s.swarm.addrs[w.From]; addr.IsValid() {
			s.ban(addr, wrongBlock(index, w.Begin/peerwire.BlockSize))
		}
	}
}

// banLiars bans whoever sent a block of a bad piece that is not the right one.
func (s *session) banLiars(piece int, right []hashtree.Hash) {
	for _, liar := range s.fetch.blame.settle(piece, right) {
		s.ban(liar, fmt.Sprintf("sent wrong blocks of piece %d", piece))
	}
}

// banSenders bans who sent a wrong block of a piece whose leaves are known; the
// others have nothing to do with it.
func (s *session) banSenders(piece int, senders []netip.AddrPort, blocks, leaves []hashtree.Hash) {
	for i, sum := range blocks {
		if sum != leaves[i] && senders[i].IsValid() {
			s.ban(senders[i], wrongBlock(piece, i))
		}
	}
}

func wrongBlock(piece, block int) string {
	return fmt.Sprintf("sent block %d of piece %d with a wrong hash", block, piece)
}
