// Package piece holds pieces while they arrive.
//
// A Buffer is one piece in memory. Several connections may fill it at once:
// each block is claimed before it is read from the socket, so that two readers
// never write to the same bytes, and a duplicate is thrown away before it
// costs a copy. Memory is taken when the first block arrives and goes back to
// the Pool once the piece is written.
package piece

import (
	"sync"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peerwire"
)

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

	pool *Pool
	size int

	mu      sync.Mutex
	data    []byte
	blocks  []state
	from    []int32
	leaves  []hashtree.Hash // of the blocks, nil while they are not known
	missing int             // blocks that have not arrived; negative once dropped
}

func blockCount(size int) int { return (size + peerwire.BlockSize - 1) / peerwire.BlockSize }

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
	if b.data == nil {
		b.data = b.pool.take(b.size)
	}
	b.blocks[n] = arriving
	return b.data[begin : begin+length], true
}

// Wrong is a block that has arrived and has another hash than it must.
type Wrong struct {
	Begin, Length int
	From          int32
}

// Expect says which hashes the blocks must have (BEP 52), one for each. Of those
// that have arrived it returns the wrong ones, which are wanted again; those of a
// complete piece are left to whoever has it.
func (b *Buffer) Expect(leaves []hashtree.Hash) (wrong []Wrong) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(leaves) != len(b.blocks) {
		return nil
	}
	b.leaves = leaves
	if b.missing <= 0 {
		return nil
	}
	for n, state := range b.blocks {
		begin := n * peerwire.BlockSize
		length := min(peerwire.BlockSize, b.size-begin)
		if state == arrived && hashtree.Leaf(b.data[begin:begin+length]) != leaves[n] {
			b.blocks[n] = wanted
			b.missing++
			wrong = append(wrong, Wrong{Begin: begin, Length: length, From: b.from[n]})
		}
	}
	return wrong
}

// Leaves returns what Expect was told, nil when it was not.
func (b *Buffer) Leaves() []hashtree.Hash {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.leaves
}

// Right reports whether the claimed block at begin, which has been read to its
// place, is what is expected, if anything is.
func (b *Buffer) Right(begin int, block []byte) bool {
	leaves, n := b.Leaves(), begin/peerwire.BlockSize
	return leaves == nil || hashtree.Leaf(block) == leaves[n]
}

// Deliver ends a claim: the block is in its place, sent by the peer from. It
// reports whether the piece is complete, to exactly one caller.
func (b *Buffer) Deliver(begin int, from int32) (complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := begin / peerwire.BlockSize
	b.blocks[n] = arrived
	b.from[n] = from
	b.missing--
	return b.missing == 0
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

// Bytes is the complete piece.
func (b *Buffer) Bytes() []byte { return b.data }

// Contributors lists who sent each block of the complete piece.
func (b *Buffer) Contributors() []int32 { return b.from }

// Release gives the memory of a complete piece back. The buffer is of no use
// afterwards.
func (b *Buffer) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.data != nil && b.missing == 0 {
		b.pool.give(b.data)
		b.data = nil
	}
}

// Drop forgets an incomplete piece: nothing can be claimed any more. Its
// memory is left to the garbage collector, since a reader may be in the middle
// of a block.
func (b *Buffer) Drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.missing <= 0 {
		return
	}
	if b.data != nil {
		b.pool.forget(len(b.data))
		b.data = nil
	}
	b.missing = -1 // never complete, whatever is still delivered
}
