package piece

import (
	"slices"
	"sync"
)

// Pool keeps the memory of finished pieces for the next ones. The zero value
// keeps nothing; see NewPool.
type Pool struct {
	mu    sync.Mutex
	free  map[int][][]byte // by length, the last one in is the first out
	low   map[int]int      // by length: how many lay in free all the time since the last Trim
	kept  int64            // bytes in free
	keep  int64            // at most
	inUse int64
}

// NewPool returns a pool that keeps at most keep bytes of idle memory.
func NewPool(keep int64) *Pool {
	return &Pool{free: make(map[int][][]byte), low: make(map[int]int), keep: keep}
}

// New returns an empty buffer for a piece of size bytes.
func (p *Pool) New(index, size int) *Buffer {
	n := blockCount(size)
	b := &Buffer{Index: index, pool: p, size: size, blocks: make([]state, n), from: make([]int32, n), missing: n}
	b.extents = make([]extent, extentCount(size))
	for i := range b.extents {
		b.extents[i].missing = blockCount(b.ExtentSize(i))
	}
	return b
}

// InUse is the number of bytes in buffers that are being filled or written.
func (p *Pool) InUse() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inUse
}

func (p *Pool) take(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse += int64(size)
	if list := p.free[size]; len(list) > 0 {
		b := list[len(list)-1]
		list[len(list)-1] = nil
		p.free[size] = list[:len(list)-1]
		p.low[size] = min(p.low[size], len(list)-1)
		p.kept -= int64(size)
		return b
	}
	return make([]byte, size)
}

func (p *Pool) give(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse -= int64(len(b))
	if p.kept+int64(len(b)) <= p.keep {
		p.free[len(b)] = append(p.free[len(b)], b)
		p.kept += int64(len(b))
	}
}

func (p *Pool) forget(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse -= int64(size)
}

// Trim gives the memory away that lay idle since the last Trim: called now and
// then, it leaves what a download of the present pace takes turns with.
func (p *Pool) Trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for size, list := range p.free {
		idle := p.low[size]
		p.kept -= int64(idle) * int64(size)
		if idle == len(list) {
			delete(p.free, size)
			delete(p.low, size)
			continue
		}
		if idle > 0 {
			list = slices.Clone(list[idle:])
		}
		p.free[size], p.low[size] = list, len(list)
	}
}
