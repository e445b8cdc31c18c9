package torrent

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
)

// errConflict says that the two halves of a hybrid torrent are of different
// content: nobody can have it.
var errConflict = errors.New("the torrent contradicts itself: its v1 and v2 hashes are of different data")

// pieceCheck hashes one piece as it is written to it, in every way the torrent
// has hashes: SHA-1 over the piece with its padding (v1), and the hash tree over
// its blocks (v2).
type pieceCheck struct {
	info   *metainfo.Info
	piece  int
	v1     hash.Hash       // nil in a torrent that is v2 only
	leaves []hashtree.Hash // of a v2 torrent
}

func newPieceCheck(info *metainfo.Info, piece int) *pieceCheck {
	c := &pieceCheck{info: info, piece: piece}
	if info.Pieces != nil {
		c.v1 = sha1.New()
	}
	return c
}

// Write takes the next bytes of the payload; all but the last ones are whole
// blocks.
func (c *pieceCheck) Write(b []byte) (int, error) {
	if c.v1 != nil {
		c.v1.Write(b)
	}
	if c.info.IsV2() {
		c.leaves = append(c.leaves, hashtree.Leaves(b)...)
	}
	return len(b), nil
}

// node is the hash of the piece in its file's tree.
func (c *pieceCheck) node() hashtree.Hash {
	return hashtree.Root(c.leaves, 0, c.info.PieceTree(c.piece).Layer)
}

// right reports whether the piece is what the torrent says. The error is
// errConflict.
func (c *pieceCheck) right() (bool, error) {
	right1, right2 := false, false
	if c.v1 != nil {
		writeZeros(c.v1, c.info.PieceSize(c.piece)-c.info.PayloadSize(c.piece))
		right1 = bytes.Equal(c.v1.Sum(nil), c.info.PieceHash(c.piece))
	}
	if c.info.IsV2() {
		tree := c.info.PieceTree(c.piece)
		if !tree.Known {
			return right1, nil
		}
		right2 = c.node() == tree.Hash
	}
	switch {
	case c.v1 == nil:
		return right2, nil
	case !c.info.IsV2(), right1 == right2:
		return right1, nil
	}
	return false, fmt.Errorf("piece %d: %w", c.piece, errConflict)
}

func writeZeros(h hash.Hash, n int64) {
	for zeros := make([]byte, min(n, 64<<10)); n > 0; n -= int64(len(zeros)) {
		zeros = zeros[:min(n, int64(len(zeros)))]
		h.Write(zeros)
	}
}

// padding finds the pieces of a v1 torrent that are padding (BEP 47) and nothing
// else. They are there from the beginning: their bytes are known to be zeros.
func padding(info *metainfo.Info) (*bitfield.Bitfield, error) {
	all := bitfield.New(info.NumPieces())
	if info.NumBytes == info.TotalLength {
		return all, nil
	}
	sums := make(map[int64][]byte) // of so many zeros
	for p := range info.NumPieces() {
		if info.PayloadSize(p) > 0 {
			continue
		}
		size := info.PieceSize(p)
		if sums[size] == nil {
			h := sha1.New()
			writeZeros(h, size)
			sums[size] = h.Sum(nil)
		}
		if !bytes.Equal(sums[size], info.PieceHash(p)) {
			return nil, fmt.Errorf("piece %d is all padding, and its hash is not that of zeros", p)
		}
		all.Set(p)
	}
	return all, nil
}
