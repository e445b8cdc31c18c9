package piece

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peerwire"
)

const block = peerwire.BlockSize

func TestClaim(t *testing.T) {
	const size = 2*block + 100
	cases := []struct {
		name          string
		begin, length int
		want          bool
	}{
		{"first block", 0, block, true},
		{"middle block", block, block, true},
		{"short last block", 2 * block, 100, true},
		{"last block too long", 2 * block, block, false},
		{"last block too short", 2 * block, 99, false},
		{"short block", 0, block - 1, false},
		{"two blocks", 0, 2 * block, false},
		{"between two blocks", 1, block, false},
		{"nothing", 0, 0, false},
		{"before the piece", -block, block, false},
		{"at the end", size, block, false},
		{"behind the end", 3 * block, block, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dst, ok := NewPool(0).New(0, size).Claim(c.begin, c.length)
			if ok != c.want || ok && len(dst) != c.length {
				t.Errorf("%d bytes, %v", len(dst), ok)
			}
		})
	}
}

func TestClaimIsExclusive(t *testing.T) {
	b := NewPool(0).New(3, 2*block)
	first, ok := b.Claim(0, block)
	if !ok {
		t.Fatal("first claim refused")
	}
	if _, ok := b.Claim(0, block); ok {
		t.Error("claimed twice")
	}
	b.Abandon(0)
	if b.Arrived(0) {
		t.Error("abandoned block has arrived")
	}
	if _, ok := b.Claim(0, block); !ok {
		t.Error("abandoned block cannot be claimed")
	}
	copy(first, "data")
	if full, _ := b.Deliver(0, 7); full {
		t.Error("complete after one of two blocks")
	}
	if _, ok := b.Claim(0, block); ok {
		t.Error("claimed after it arrived")
	}
	if !b.Arrived(0) || b.Arrived(block) {
		t.Error("wrong block has arrived")
	}
	if _, ok := b.Claim(block, block); !ok {
		t.Fatal("second block refused")
	}
	if full, complete := b.Deliver(block, 9); !full || !complete {
		t.Error("not complete after both blocks")
	}
	if _, ok := b.Claim(block, block); ok {
		t.Error("claimed after completion")
	}
	if c := b.Contributors(); len(c) != 2 || c[0] != 7 || c[1] != 9 {
		t.Errorf("contributors %v", c)
	}
	if !bytes.HasPrefix(b.Take(0), []byte("data")) {
		t.Error("bytes are not where they were put")
	}
}

// Several readers fill one piece at once; each block is taken by one of them,
// completion is reported once.
func TestConcurrentFill(t *testing.T) {
	const blocks, readers = 64, 6
	want := make([]byte, blocks*block-5)
	rand.NewChaCha8([32]byte{2}).Read(want)
	b := NewPool(0).New(0, len(want))
	var wg sync.WaitGroup
	var completions, claims atomic.Int32
	for id := range int32(readers) {
		wg.Go(func() {
			for i := range blocks {
				begin := (i*7 + int(id)*11) % blocks * block
				n := min(block, len(want)-begin)
				dst, ok := b.Claim(begin, n)
				if !ok {
					continue
				}
				if i%5 == 0 {
					b.Abandon(begin)
					if dst, ok = b.Claim(begin, n); !ok {
						continue
					}
				}
				claims.Add(1)
				copy(dst, want[begin:])
				if _, complete := b.Deliver(begin, id); complete {
					completions.Add(1)
				}
			}
		})
	}
	wg.Wait()
	for begin := 0; begin < len(want); begin += block { // what was abandoned and never claimed again
		n := min(block, len(want)-begin)
		if dst, ok := b.Claim(begin, n); ok {
			claims.Add(1)
			copy(dst, want[begin:])
			if _, complete := b.Deliver(begin, 0); complete {
				completions.Add(1)
			}
		}
	}
	var got []byte
	for i := range b.NumExtents() {
		got = append(got, b.Take(i)...)
	}
	if claims.Load() != blocks || completions.Load() != 1 || !bytes.Equal(got, want) {
		t.Errorf("%d blocks delivered, %d completions, same bytes %v", claims.Load(), completions.Load(), bytes.Equal(got, want))
	}
}

// TestExtents passes a piece of two extents on while it arrives.
func TestExtents(t *testing.T) {
	const size = ExtentSize + block + 1
	p := NewPool(size)
	b := p.New(0, size)
	if b.Size() != size || b.NumExtents() != 2 || b.ExtentSize(0) != ExtentSize || b.ExtentSize(1) != block+1 {
		t.Fatalf("%d bytes in %d extents of %d and %d", b.Size(), b.NumExtents(), b.ExtentSize(0), b.ExtentSize(1))
	}
	put := func(begin int) (full, complete bool) {
		t.Helper()
		dst, ok := b.Claim(begin, min(block, size-begin))
		if !ok {
			t.Fatalf("block at %d refused", begin)
		}
		dst[0] = byte(begin / block)
		return b.Deliver(begin, 1)
	}
	for begin := block; begin < ExtentSize; begin += block {
		if full, _ := put(begin); full {
			t.Fatalf("full without its first block, at %d", begin)
		}
	}
	if b.Take(0) != nil {
		t.Error("taken before it was full")
	}
	if full, complete := put(0); !full || complete {
		t.Errorf("first extent: full %v, complete %v", full, complete)
	}
	if data := b.Take(0); len(data) != ExtentSize || data[3*block] != 3 || p.InUse() != ExtentSize {
		t.Errorf("%d bytes taken, %d in use", len(data), p.InUse())
	}
	if wrong := b.Expect(0, make([]hashtree.Hash, blockCount(size))); wrong != nil {
		t.Error("blocks that were taken are wanted again")
	}
	b.Free(1) // was not taken
	put(ExtentSize)
	b.Free(0)
	if b.Take(0) != nil || p.InUse() != block+1 {
		t.Errorf("%d bytes in use after one was given back", p.InUse())
	}
	if _, ok := b.Claim(0, block); ok {
		t.Error("a block of what was given back is wanted")
	}
	if full, complete := put(ExtentSize + block); !full || !complete {
		t.Errorf("last extent: full %v, complete %v", full, complete)
	}
	b.Release()
	if p.InUse() != 0 || p.kept != size {
		t.Errorf("%d bytes in use, %d kept", p.InUse(), p.kept)
	}
}

func fill(t *testing.T, b *Buffer, size int) {
	t.Helper()
	for begin := 0; begin < size; begin += block {
		if _, ok := b.Claim(begin, min(block, size-begin)); !ok {
			t.Fatalf("block at %d refused", begin)
		}
		b.Deliver(begin, 1)
	}
}

func TestPoolAccounting(t *testing.T) {
	const size = 2*block + 1
	cases := []struct {
		name        string
		do          func(*testing.T, *Pool, *Buffer)
		inUse, kept int64
	}{
		{"untouched", func(t *testing.T, p *Pool, b *Buffer) {}, 0, 0},
		{"dropped untouched", func(t *testing.T, p *Pool, b *Buffer) { b.Drop() }, 0, 0},
		{"one block", func(t *testing.T, p *Pool, b *Buffer) { b.Claim(0, block) }, size, 0},
		{"dropped half full", func(t *testing.T, p *Pool, b *Buffer) { b.Claim(0, block); b.Deliver(0, 1); b.Drop() }, 0, 0},
		{"dropped twice", func(t *testing.T, p *Pool, b *Buffer) { b.Claim(0, block); b.Drop(); b.Drop() }, 0, 0},
		{"complete", func(t *testing.T, p *Pool, b *Buffer) { fill(t, b, size) }, size, 0},
		{"released", func(t *testing.T, p *Pool, b *Buffer) { fill(t, b, size); b.Release() }, 0, size},
		{"released twice", func(t *testing.T, p *Pool, b *Buffer) { fill(t, b, size); b.Release(); b.Release() }, 0, size},
		{"released, dropped", func(t *testing.T, p *Pool, b *Buffer) { fill(t, b, size); b.Release(); b.Drop() }, 0, size},
		{"complete, dropped, released", func(t *testing.T, p *Pool, b *Buffer) { fill(t, b, size); b.Drop(); b.Release() }, 0, size},
		{"released before completion", func(t *testing.T, p *Pool, b *Buffer) { b.Claim(0, block); b.Release() }, size, 0},
		{"memory used again", func(t *testing.T, p *Pool, b *Buffer) {
			fill(t, b, size)
			old := &b.Take(0)[0]
			b.Release()
			next := p.New(1, size)
			fill(t, next, size)
			if &next.Take(0)[0] != old {
				t.Error("memory was not used again")
			}
		}, size, 0},
		{"no more kept than allowed", func(t *testing.T, p *Pool, b *Buffer) {
			other := p.New(1, size)
			fill(t, b, size)
			fill(t, other, size)
			b.Release()
			other.Release()
		}, 0, size},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := NewPool(size)
			c.do(t, p, p.New(0, size))
			if p.InUse() != c.inUse || p.kept != c.kept {
				t.Errorf("%d bytes in use, %d kept; not %d and %d", p.InUse(), p.kept, c.inUse, c.kept)
			}
		})
	}
}

// A reader may be in the middle of a block when its piece is dropped.
func TestDropUnderARead(t *testing.T) {
	for _, blocks := range []int{1, 2} {
		p := NewPool(1 << 20)
		b := p.New(0, blocks*block)
		dst, _ := b.Claim(0, block)
		b.Drop()
		copy(dst, "late") // still harmless
		if _, complete := b.Deliver(0, 1); complete {
			t.Errorf("dropped piece of %d blocks is complete", blocks)
		}
		b.Release()
		if _, ok := b.Claim((blocks-1)*block, block); ok {
			t.Errorf("block of a dropped piece of %d blocks claimed", blocks)
		}
		if p.InUse() != 0 || p.kept != 0 {
			t.Errorf("%d bytes in use, %d kept", p.InUse(), p.kept)
		}
	}
}

func TestExpect(t *testing.T) {
	const size = 2*peerwire.BlockSize + 100
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7)
	}
	leaves := hashtree.Leaves(data)
	b := NewPool(0).New(3, size)
	put := func(begin, length int, spoil bool) (complete bool) {
		dst, ok := b.Claim(begin, length)
		if !ok {
			t.Fatalf("block at %d is not wanted", begin)
		}
		copy(dst, data[begin:])
		if spoil {
			dst[5] ^= 1
		}
		if b.Leaves() != nil && b.Right(begin, dst) == spoil {
			t.Errorf("block at %d: right is %v", begin, !spoil)
		}
		_, complete = b.Deliver(begin, int32(begin/peerwire.BlockSize)+1)
		return complete
	}
	put(0, peerwire.BlockSize, false)
	put(2*peerwire.BlockSize, 100, true)
	if wrong := b.Expect(1, leaves); wrong != nil || b.Leaves() != nil {
		t.Error("too few hashes were taken")
	}
	if wrong := b.Expect(0, leaves); len(wrong) != 1 || wrong[0] != (Wrong{2 * peerwire.BlockSize, 100, 3}) {
		t.Errorf("wrong: %+v", wrong)
	}
	if b.Arrived(2*peerwire.BlockSize) || !b.Arrived(0) {
		t.Error("the wrong block is still there, or the right one is not")
	}
	put(2*peerwire.BlockSize, 100, false)
	if !put(peerwire.BlockSize, peerwire.BlockSize, true) {
		t.Error("not complete")
	}
	if wrong := b.Expect(0, leaves); wrong != nil {
		t.Errorf("of a complete piece: %+v", wrong)
	}
}

// What is known of some blocks alone is used for those.
func TestExpectPart(t *testing.T) {
	data := make([]byte, 3*block)
	for i := range data {
		data[i] = byte(i*i>>3) + byte(i/block)
	}
	leaves := hashtree.Leaves(data)
	b := NewPool(0).New(0, len(data))
	b.Expect(1, leaves[1:2])
	if b.Leaves() != nil || !b.Right(0, data[1:]) || b.Right(block, data[:block]) || !b.Right(block, data[block:2*block]) {
		t.Error("one leaf is known")
	}
	if b.Expect(2, leaves[1:]); b.Leaves() != nil { // beyond the last block
		t.Error("taken")
	}
}

// A complete piece with wrong blocks is wanted for those alone.
func TestReopen(t *testing.T) {
	const size = ExtentSize + 2*block + 5
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*i>>5) + byte(i/block)
	}
	leaves := hashtree.Leaves(data)
	last := len(leaves) - 1
	p := NewPool(size)
	b := p.New(0, size)
	put := func(n int, from int32, spoil byte) (complete bool) {
		begin := n * block
		length := min(block, size-begin)
		dst, ok := b.Claim(begin, length)
		if !ok {
			t.Fatalf("block %d is not wanted", n)
		}
		copy(dst, data[begin:])
		dst[0] ^= spoil
		_, complete = b.Deliver(begin, from)
		return complete
	}
	for n := range leaves {
		spoil := byte(0)
		if n == last {
			spoil = 1
		}
		if put(n, int32(n), spoil) != (n == last) {
			t.Fatal("completeness")
		}
	}
	got := append(hashtree.Leaves(b.Take(0)), hashtree.Leaves(b.Take(1))...)
	kept := append([]byte(nil), b.Take(1)...)
	b.Free(0)
	b.Free(1)
	again, fill := b.Load(1)
	if !fill || p.InUse() != 2*block+5 {
		t.Errorf("fill %v, %d bytes in use", fill, p.InUse())
	}
	copy(again, kept)
	wrong := b.Reopen(got, leaves)
	if len(wrong) != 1 || wrong[0] != (Wrong{last * block, 5, int32(last)}) {
		t.Fatalf("wrong %+v", wrong)
	}
	if _, ok := b.Claim(0, block); ok {
		t.Error("a right block is wanted again")
	}
	if b.Right(last*block, kept[2*block:]) {
		t.Error("its hash is not known")
	}
	if !put(last, 77, 0) || string(b.Take(1)) != string(data[ExtentSize:]) || b.Contributors()[last] != 77 {
		t.Error("not complete, or not right")
	}
	b.Release()
	if p.InUse() != 0 {
		t.Errorf("%d bytes in use", p.InUse())
	}
}
