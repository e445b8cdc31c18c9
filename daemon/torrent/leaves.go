package torrent

import (
	"fmt"
	"net/netip"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

const (
	maxLeafAsks     = 512 // pieces a peer may owe the leaves of
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

// askLeaves asks a peer for the leaves of a piece, if it may know them. The peer
// answers before it sends a block that is asked for afterwards.
func (s *session) askLeaves(r *remote, piece int) {
	info := s.content.info
	if !r.v2 || !info.IsV2() || r.leaves.refusals >= maxLeafRefusals || len(r.leaves.asked) >= maxLeafAsks || !r.has.Has(piece) {
		return
	}
	q, ok := leafRequest(info, piece)
	if !ok {
		return
	}
	if _, twice := r.leaves.asked[q]; twice {
		return
	}
	if r.leaves.asked == nil {
		r.leaves.asked = make(map[hashtree.Request]int)
	}
	r.leaves.asked[q] = piece
	r.sayHash(peerwire.HashRequest, q.Bytes())
}

// leafRequest asks for the leaves of a piece of several blocks whose own hash is
// known: they need no other proof.
func leafRequest(info *metainfo.Info, piece int) (q hashtree.Request, ok bool) {
	t := info.PieceTree(piece)
	length := 1 << t.Layer
	return hashtree.Request{Root: t.File.Root, Index: uint32(t.Index * length), Length: uint32(length)},
		t.Known && t.NumBlocks > 1 && length <= hashtree.MaxLength
}

// askOthers asks those who have not sent a bad piece for its leaves, to learn
// who has.
func (s *session) askOthers(piece int, contributors map[int32]bool) {
	for id, r := range s.swarm.peers {
		if !contributors[id] {
			s.askLeaves(r, piece)
		}
	}
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

// leavesArrived takes an answer to askLeaves. It reports false when the peer was
// dropped.
func (s *session) leavesArrived(r *remote, q hashtree.Request, hashes []hashtree.Hash, refused bool) bool {
	piece := r.leaves.asked[q]
	delete(r.leaves.asked, q)
	if refused {
		r.leaves.refusals++
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
	leaves := hashes[:tree.NumBlocks]
	if b := s.content.pieces[int32(piece)]; b != nil {
		for _, w := range b.Expect(leaves) {
			s.record.WastedBytes += int64(w.Length)
			s.content.picker.Spoilt(blockOf(uint32(piece), uint32(w.Begin), uint32(w.Length)))
			s.ban(s.swarm.addrs[w.From], wrongBlock(piece, w.Begin/peerwire.BlockSize))
		}
	}
	if s.fetch.blame.remembers(piece) {
		s.banLiars(piece, leaves)
	}
	return true
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
	banned := make(map[netip.AddrPort]bool)
	for i, sum := range blocks {
		if sum != leaves[i] && senders[i].IsValid() && !banned[senders[i]] {
			banned[senders[i]] = true
			s.ban(senders[i], wrongBlock(piece, i))
		}
	}
}

func wrongBlock(piece, block int) string {
	return fmt.Sprintf("sent block %d of piece %d with a wrong hash", block, piece)
}
