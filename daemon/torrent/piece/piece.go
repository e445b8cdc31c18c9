// Package piece holds pieces while they arrive.
//
// A Buffer is one piece in memory. Several connections may fill it at once:
// each block is claimed before it is read from the socket, so that two readers
// never write to the same bytes, and a duplicate is thrown away before it
// costs a copy. The memory of a piece is in extents, which a large piece passes
// on to the disk one by one: each is taken when its first block arrives and goes
// back to the Pool once it is written.
package piece

import (
	"sync"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peerwire"
)

// ExtentSize is the unit in which the memory of a piece is taken and given
// back, in bytes: little enough to be hashed and written while it is still in
// the processor's cache.
const ExtentSize = 256 << 10

type state uint8

const (
	wanted state = iota
	arriving
	arrived
)

// Buffer is one piece under construction. Its methods are safe for concurrent
// use until Deliver reports completion; from then on it belongs to the caller
// that was told.
type Buffer struct {
	Index int

	// Pass, unless it is nil, is for who has delivered the last block of an extent and
	// has nothing else to do: it takes the extent out of the buffer. It reports false
	// when somebody else has to. It is set before the first block arrives.
	Pass func() bool

	pool *Pool
	size int

	mu      sync.Mutex
	extents []extent
	blocks  []state
	from    []int32
	leaves  []hashtree.Hash // of the blocks, zero while they are not known; nil before the first
	missing int             // blocks that have not arrived; negative once dropped
}

// extent is a part of the piece.
type extent struct {
	data    []byte // nil before the first block and after Free
	missing int    // blocks that have not arrived
	taken   bool   // on its way to the disk: nothing in it is wanted any more
}

func blockCount(size int) int { return (size + peerwire.BlockSize - 1) / peerwire.BlockSize }

func extentCount(size int) int { return (size + ExtentSize - 1) / ExtentSize }

// extentOf returns the extent that holds a block, and where in it the block is.
func (b *Buffer) extentOf(begin int) (e *extent, at int) {
	return &b.extents[begin/ExtentSize], begin % ExtentSize
}

// Size is the length of the piece in bytes.
func (b *Buffer) Size() int { return b.size }

// NumExtents is the number of extents; all but the last have ExtentSize bytes.
func (b *Buffer) NumExtents() int { return len(b.extents) }

// ExtentSize is the length of an extent in bytes.
func (b *Buffer) ExtentSize(i int) int { return min(ExtentSize, b.size-i*ExtentSize) }

// block returns the number of the block at begin and its length; ok is false
// when no block of this piece is exactly there.
func (b *Buffer) block(begin, length int) (n int, ok bool) {
	if begin < 0 || begin >= b.size || begin%peerwire.BlockSize != 0 {
		return 0, false
	}
	return begin / peerwire.BlockSize, length == min(peerwire.BlockSize, b.size-begin)
}

// Claim returns where to read the block to, or false when it is not wanted:
// it has arrived, is arriving from somebody else, or is no block of this
// piece. A claim ends with Deliver or Abandon.
func (b *Buffer) Claim(begin, length int) ([]byte, bool) {
	n, ok := b.block(begin, length)
	if !ok {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missing <= 0 || b.blocks[n] != wanted {
		return nil, false
	}
	e, at := b.extentOf(begin)
	if e.data == nil {
		e.data = b.pool.take(b.ExtentSize(begin / ExtentSize))
	}
	b.blocks[n] = arriving
	return e.data[at : at+length], true
}

// Wrong is a block that has arrived and has another hash than it must.
type Wrong struct {
	Begin, Length int
	From          int32
}

// Expect says which hashes the blocks from number first on must have (BEP 52). Of
// those that have arrived it returns the wrong ones, which are wanted again; those
// of a complete piece, and of extents that were taken, are left to whoever has
// them.
func (b *Buffer) Expect(first int, leaves []hashtree.Hash) (wrong []Wrong) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if first < 0 || first+len(leaves) > len(b.blocks) {
		return nil
	}
	if b.leaves == nil {
		b.leaves = make([]hashtree.Hash, len(b.blocks))
	}
	copy(b.leaves[first:], leaves)
	if b.missing <= 0 {
		return nil
	}
	for n := first; n < first+len(leaves); n++ {
		state := b.blocks[n]
		begin := n * peerwire.BlockSize
		length := min(peerwire.BlockSize, b.size-begin)
		e, at := b.extentOf(begin)
		if state == arrived && !e.taken && hashtree.Leaf(e.data[at:at+length]) != b.leaves[n] {
			b.blocks[n] = wanted
			e.missing++
			b.missing++
			wrong = append(wrong, Wrong{Begin: begin, Length: length, From: b.from[n]})
		}
	}
	return wrong
}

// Leaves returns what Expect was told, nil while any block's hash is not known.
func (b *Buffer) Leaves() []hashtree.Hash {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, leaf := range b.leaves {
		if leaf == (hashtree.Hash{}) {
			return nil
		}
	}
	return append([]hashtree.Hash(nil), b.leaves...)
}

// leaf is the hash that a block must have, zero when it is not known.
func (b *Buffer) leaf(n int) hashtree.Hash {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leaves == nil {
		return hashtree.Hash{}
	}
	return b.leaves[n]
}

// Right reports whether the claimed block at begin, which has been read to its
// place, is what is expected, if anything is.
func (b *Buffer) Right(begin int, block []byte) bool {
	leaf := b.leaf(begin / peerwire.BlockSize)
	return leaf == hashtree.Hash{} || hashtree.Leaf(block) == leaf
}

// Deliver ends a claim: the block is in its place, sent by the peer from. It
// reports whether it was the last one of its extent, and of the piece: each to
// exactly one caller.
func (b *Buffer) Deliver(begin int, from int32) (full, complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := begin / peerwire.BlockSize
	e, _ := b.extentOf(begin)
	b.blocks[n] = arrived
	b.from[n] = from
	b.missing--
	e.missing--
	return e.missing == 0, b.missing == 0
}

// Arrived reports whether the block at begin is in its place.
func (b *Buffer) Arrived(begin int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blocks[begin/peerwire.BlockSize] == arrived
}

// Abandon ends a claim whose block did not come.
func (b *Buffer) Abandon(begin int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks[begin/peerwire.BlockSize] = wanted
}

// Take returns an extent all of whose blocks have arrived, and nil when some
// have not or when there is no memory of it any more. From then on none of its
// blocks is wanted again, and its bytes stay as they are until Free.
func (b *Buffer) Take(i int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &b.extents[i]
	if e.missing > 0 || b.missing < 0 {
		return nil
	}
	e.taken = true
	return e.data
}

// Free gives the memory of an extent that was taken back.
func (b *Buffer) Free(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free(&b.extents[i])
}

func (b *Buffer) free(e *extent) {
	if e.data != nil && e.taken {
		b.pool.give(e.data)
		e.data = nil
	}
}

// Load is the memory of an extent of a complete piece, as it is or, where it was
// given back, to be filled again.
func (b *Buffer) Load(i int) (data []byte, fill bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &b.extents[i]
	if fill = e.data == nil; fill {
		e.data = b.pool.take(b.ExtentSize(i))
	}
	return e.data, fill
}

// Reopen makes a complete piece one under construction again, because blocks of
// it have other hashes, got, than they must have. Those are wanted again, and
// returned; the extents with them have their memory (see Load), that of the
// others may be gone. Whoever had the piece has it no longer.
func (b *Buffer) Reopen(got, leaves []hashtree.Hash) (wrong []Wrong) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaves = append([]hashtree.Hash(nil), leaves...)
	for n := range b.blocks {
		if got[n] == leaves[n] {
			continue
		}
		begin := n * peerwire.BlockSize
		e, _ := b.extentOf(begin)
		b.blocks[n] = wanted
		e.missing++
		e.taken = false
		b.missing++
		wrong = append(wrong, Wrong{Begin: begin, Length: min(peerwire.BlockSize, b.size-begin), From: b.from[n]})
	}
	return wrong
}

// Contributors lists who sent each block of the complete piece.
func (b *Buffer) Contributors() []int32 { return b.from }

// Release gives the memory of a complete piece back. The buffer is of no use
// afterwards.
func (b *Buffer) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missing != 0 {
		return
	}
	for i := range b.extents {
		b.extents[i].taken = true
		b.free(&b.extents[i])
	}
}

// Drop forgets an incomplete piece: nothing can be claimed any more. Its
// memory is left to the garbage collector, since a reader may be in the middle
// of a block, and the disk in the middle of an extent.
func (b *Buffer) Drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missing <= 0 {
		return
	}
	for i := range b.extents {
		if e := &b.extents[i]; e.data != nil {
			b.pool.forget(len(e.data))
			e.data = nil
		}
	}
	b.missing = -1 // never complete, whatever is still delivered
}
