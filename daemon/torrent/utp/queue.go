package utp

import "sync"

// chunkSize is the unit in which queues take and return memory.
const chunkSize = 16 << 10

type chunk [chunkSize]byte

// chunkPool lends chunks to the queues of one Socket.
type chunkPool struct{ pool sync.Pool }

func (p *chunkPool) get() *chunk {
	if c, ok := p.pool.Get().(*chunk); ok {
		return c
	}
	return new(chunk)
}

func (p *chunkPool) put(c *chunk) { p.pool.Put(c) }

// queue is a first-in first-out of bytes that can be read anywhere. An empty
// queue holds no chunk.
type queue struct {
	pool   *chunkPool
	chunks []*chunk
	start  int // bytes of chunks[0] already discarded
	length int
}

func (q *queue) append(p []byte) {
	for len(p) > 0 {
		end := q.start + q.length
		if end == len(q.chunks)*chunkSize {
			q.chunks = append(q.chunks, q.pool.get())
		}
		n := copy(q.chunks[end/chunkSize][end%chunkSize:], p)
		q.length += n
		p = p[n:]
	}
}

// copyAt fills dst with the bytes from offset on; all of them must be there.
func (q *queue) copyAt(dst []byte, offset int) {
	at := q.start + offset
	for len(dst) > 0 {
		n := copy(dst, q.chunks[at/chunkSize][at%chunkSize:])
		at += n
		dst = dst[n:]
	}
}

// discard drops n bytes from the front.
func (q *queue) discard(n int) {
	q.start += n
	q.length -= n
	drop := q.start / chunkSize
	if q.length == 0 {
		drop = len(q.chunks)
	}
	for _, c := range q.chunks[:drop] {
		q.pool.put(c)
	}
	q.chunks = q.chunks[:copy(q.chunks, q.chunks[drop:])]
	if q.start %= chunkSize; q.length == 0 {
		q.start = 0
	}
}

// read moves up to len(dst) bytes from the front into dst.
func (q *queue) read(dst []byte) int {
	n := min(len(dst), q.length)
	q.copyAt(dst[:n], 0)
	q.discard(n)
	return n
}
