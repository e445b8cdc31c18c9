package webseed

import (
	"sync"

	"lorrent/daemon/torrent/peerwire"
)

// maxRun bounds the bytes that one run asks for.
const maxRun = 16 << 20

// block is a request: its place in the torrent, and as the message names it.
type block struct {
	index, begin, length uint32
	offset               int64
}

// queue holds the blocks that were asked for and not begun.
type queue struct {
	mu     sync.Mutex
	more   sync.Cond
	blocks []block
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.more.L = &q.mu
	return q
}

func (q *queue) push(b block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blocks = append(q.blocks, b)
	q.more.Signal()
}

// cancel takes a block off the queue and reports whether it was there.
func (q *queue) cancel(m peerwire.Message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, b := range q.blocks {
		if b.index == m.Index && b.begin == m.Begin && b.length == m.Length {
			q.blocks = append(q.blocks[:i], q.blocks[i+1:]...)
			return true
		}
	}
	return false
}

// take waits for blocks and moves the oldest, with those that follow it in the
// torrent, to run. It returns nothing once the queue is closed.
func (q *queue) take(run []block) []block {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.blocks) == 0 && !q.closed {
		q.more.Wait()
	}
	if q.closed {
		return run[:0]
	}
	run = append(run[:0], q.blocks[0])
	start := run[0].offset
	end := start + int64(run[0].length)
	kept := q.blocks[:0]
	for _, b := range q.blocks[1:] {
		if b.offset == end && end+int64(b.length)-start <= maxRun {
			run = append(run, b)
			end += int64(b.length)
		} else {
			kept = append(kept, b)
		}
	}
	q.blocks = kept
	return run
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}
