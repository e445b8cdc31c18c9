// Package hashtree is the Merkle trees of BitTorrent v2: how their hashes are
// computed, asked for and proved.
//
// Every file has a tree of its own. Its leaves, layer 0, are the SHA-256 of the
// file's blocks of 16 KiB, the last of which may be shorter; each layer above
// hashes pairs of the one below. A tree is balanced: where there are no blocks
// left, its leaves are zero. The hashes of a layer that cover nothing but such
// leaves are never stored; Pad computes them.
//
// The root of a file, its "pieces root", is the only layer of the tree with one
// hash. Its number is the height of the tree.
//
// Spec: BEP 52. The package computes; it does no I/O and keeps no state.
package hashtree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"sync"
)

// BlockSize is the length in bytes of what one leaf covers.
const BlockSize = 16 << 10

// Size is the length of a hash in bytes.
const Size = sha256.Size

// MaxHeight bounds the height of a tree: that of a file of 2^63 bytes.
const MaxHeight = 49

// Hash is one node of a tree.
type Hash [Size]byte

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Leaf is the hash of one block.
func Leaf(block []byte) Hash { return sha256.Sum256(block) }

// Leaves are the hashes of the blocks of data, which begins at a block.
func Leaves(data []byte) []Hash {
	leaves := make([]Hash, 0, Blocks(int64(len(data))))
	for len(data) > 0 {
		n := min(len(data), BlockSize)
		leaves = append(leaves, Leaf(data[:n]))
		data = data[n:]
	}
	return leaves
}

// Blocks is the number of blocks in length bytes.
func Blocks(length int64) int64 {
	if length <= 0 {
		return 0
	}
	return (length-1)/BlockSize + 1
}

// Height is the height of a tree over n hashes of its lowest layer: 0 for one.
func Height(n int64) int {
	if n <= 1 {
		return 0
	}
	return bits.Len64(uint64(n - 1))
}

// Above is how many hashes of the layer rise layers above it cover n of it.
func Above(n int64, rise int) int64 { return (n + 1<<rise - 1) >> rise }

var pads = sync.OnceValue(func() (list [MaxHeight + 1]Hash) {
	for i := 1; i < len(list); i++ {
		list[i] = join(list[i-1], list[i-1])
	}
	return list
})

// Pad is the hash of a layer, 0 to MaxHeight, that covers no blocks at all.
func Pad(layer int) Hash { return pads()[layer] }

func join(left, right Hash) Hash {
	var both [2 * Size]byte
	copy(both[:], left[:])
	copy(both[Size:], right[:])
	return sha256.Sum256(both[:])
}

// raise returns the layer above one that begins with hashes.
func raise(hashes []Hash, layer int, dst []Hash) []Hash {
	for i := 0; i < len(hashes); i += 2 {
		right := Pad(layer)
		if i+1 < len(hashes) {
			right = hashes[i+1]
		}
		dst = append(dst, join(hashes[i], right))
	}
	return dst
}

// Root is the node rise layers above layer that covers hashes, of which there
// are at most 2^rise, and otherwise padding.
func Root(hashes []Hash, layer, rise int) Hash {
	if len(hashes) == 0 {
		return Pad(layer + rise)
	}
	row := append([]Hash(nil), hashes...)
	for range rise {
		row = raise(row, layer, row[:0]) // each node goes where its children are done with
		layer++
	}
	return row[0]
}

// Tree is a tree from one of its layers upwards.
type Tree struct {
	base int
	rows [][]Hash // from the base upwards, without padding
}

// New makes the tree of which layer base begins with hashes, at least one; the
// rest of the layer is padding. It keeps hashes.
func New(hashes []Hash, base int) *Tree {
	t := &Tree{base: base, rows: [][]Hash{hashes}}
	for layer := base; len(hashes) > 1; layer++ {
		hashes = raise(hashes, layer, make([]Hash, 0, (len(hashes)+1)/2))
		t.rows = append(t.rows, hashes)
	}
	return t
}

// Root is the top of the tree.
func (t *Tree) Root() Hash { return t.rows[len(t.rows)-1][0] }

// Height is the layer of the root.
func (t *Tree) Height() int { return t.base + len(t.rows) - 1 }

// At is a node of a layer that is not below the base; past the end of the
// layer it is padding.
func (t *Tree) At(layer, index int) Hash {
	if up := layer - t.base; up < len(t.rows) && index < len(t.rows[up]) {
		return t.rows[up][index]
	}
	return Pad(layer)
}

// Parse reads hashes that lie one after the other.
func Parse(b []byte) ([]Hash, error) {
	if len(b)%Size != 0 {
		return nil, fmt.Errorf("%d bytes are not a multiple of %d", len(b), Size)
	}
	hashes := make([]Hash, len(b)/Size)
	for i := range hashes {
		hashes[i] = Hash(b[i*Size:])
	}
	return hashes, nil
}

// Append lays hashes one after the other.
func Append(b []byte, hashes []Hash) []byte {
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}
