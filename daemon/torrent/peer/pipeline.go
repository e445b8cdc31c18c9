package peer

import (
	"fmt"
	"sync"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

// maxGivenUp bounds the requests that are remembered after they were given
// up, because their blocks may still come.
const maxGivenUp = 1024

// maxBatch bounds the blocks of which the actor is told, and the requests that are
// sent, at once.
const maxBatch = 128

// Request is a block to ask for, and where it goes.
type Request struct {
	Index, Begin, Length uint32
	Piece                *piece.Buffer
}

type asked struct {
	Request
	at      time.Time
	givenUp bool
}

// pipeline is what one peer was asked for and has not sent: the outstanding
// requests, in the order they were made. Requests that were given up (timed
// out, cancelled, or dropped by a choke) stay for a while, since their blocks
// may be under way; a block that was never asked for is a violation.
type pipeline struct {
	mu      sync.Mutex
	asked   ring
	givenUp int
	last    int // where in asked the block was that arrived last
	window  window
}

// batch is how many blocks may arrive before the actor is told: few enough
// that the pipeline is refilled long before it runs dry.
func (p *pipeline) batch() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(maxBatch, max(1, (p.asked.n-p.givenUp)/4))
}

func (p *pipeline) find(index, begin, length uint32) int {
	for i := range p.asked.n {
		a := p.asked.at(i)
		if a.Index == index && a.Begin == begin && a.Length == length {
			return i
		}
	}
	return -1
}

func (p *pipeline) remove(i int) asked {
	a := p.asked.remove(i)
	if a.givenUp {
		p.givenUp--
	}
	return a
}

// arrived takes the request for a block off the pipeline.
func (p *pipeline) arrived(index, begin, length uint32, now time.Time) (buf *piece.Buffer, late bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(index, begin, length)
	if i < 0 {
		return nil, false, &peerwire.Error{Text: fmt.Sprintf("block at %d of piece %d, %d bytes, was not asked for", begin, index, length)}
	}
	a := p.remove(i)
	p.last = i
	p.window.received(int(length), now, now.Sub(a.at))
	return a.Piece, a.givenUp, nil
}

// following appends up to n requests whose blocks should come next: those behind the
// block that came last.
func (p *pipeline) following(into []Request, n int) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := p.last; i < p.asked.n && len(into) < n; i++ {
		a := p.asked.at(i)
		if a.givenUp || a.Piece == nil {
			break
		}
		into = append(into, a.Request)
	}
	return into
}

// giveUp marks what the filter names, keeping the newest maxGivenUp.
func (p *pipeline) giveUp(which func(*asked) bool) (blocks []Request) {
	for i := range p.asked.n {
		if a := p.asked.at(i); !a.givenUp && which(a) {
			a.givenUp = true
			p.givenUp++
			blocks = append(blocks, a.Request)
		}
	}
	for i := 0; p.givenUp > maxGivenUp && i < p.asked.n; {
		if p.asked.at(i).givenUp {
			p.remove(i)
			continue
		}
		i++
	}
	return blocks
}

// Request asks for blocks. It fails when the peer does not read.
func (c *Conn) Request(requests []Request) error {
	now := time.Now()
	c.pipe.mu.Lock()
	for _, r := range requests {
		c.pipe.asked.push(asked{Request: r, at: now})
	}
	c.pipe.window.asked(now)
	c.pipe.mu.Unlock()
	return c.Send(func(b []byte) []byte {
		for _, r := range requests {
			b = peerwire.AppendBlock(b, peerwire.Request, r.Index, r.Begin, r.Length)
		}
		return b
	})
}

// Outstanding is the number of blocks the peer owes us.
func (c *Conn) Outstanding() int {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	return c.pipe.asked.n - c.pipe.givenUp
}

// Room is how many more blocks should be asked for now: none until there is room for
// a good many, because every message wakes the peer.
func (c *Conn) Room() int {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	depth := c.pipe.window.depth()
	room := depth - (c.pipe.asked.n - c.pipe.givenUp)
	if room < min(maxBatch, depth/8) {
		return 0
	}
	return room
}

// SetQueueLimit tells the peer's reqq (BEP 10): it answers no more requests
// than that at a time.
func (c *Conn) SetQueueLimit(reqq int) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	c.pipe.window.limit = min(max(reqq, 1), maxWindow)
}

// Tick lets the window follow the rate of the last second, and reports
// whether the peer is snubbing us: owing blocks and sending none for longer
// than its past explains.
func (c *Conn) Tick(now time.Time) (snubbed bool) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	outstanding := c.pipe.asked.n - c.pipe.givenUp
	c.pipe.window.tick(now)
	return outstanding > 0 && c.pipe.window.overdue(now)
}

// GiveUpAll stops waiting for every outstanding block and returns them, so
// that others can be asked. The peer is told when cancel is set; without it
// the peer has dropped them itself.
func (c *Conn) GiveUpAll(cancel bool) ([]Request, error) {
	return c.GiveUp(cancel, func(uint32) bool { return true })
}

// GiveUp is GiveUpAll for the blocks of some pieces.
func (c *Conn) GiveUp(cancel bool, of func(piece uint32) bool) ([]Request, error) {
	c.pipe.mu.Lock()
	blocks := c.pipe.giveUp(func(a *asked) bool { return of(a.Index) })
	c.pipe.mu.Unlock()
	if !cancel || len(blocks) == 0 {
		return blocks, nil
	}
	return blocks, c.Send(func(b []byte) []byte {
		for _, r := range blocks {
			b = peerwire.AppendBlock(b, peerwire.Cancel, r.Index, r.Begin, r.Length)
		}
		return b
	})
}

// Cancel stops waiting for one block, if it is outstanding.
func (c *Conn) Cancel(index, begin, length uint32) error {
	c.pipe.mu.Lock()
	blocks := c.pipe.giveUp(func(a *asked) bool {
		return a.Index == index && a.Begin == begin && a.Length == length
	})
	c.pipe.mu.Unlock()
	if len(blocks) == 0 {
		return nil
	}
	return c.Send(func(b []byte) []byte {
		return peerwire.AppendBlock(b, peerwire.Cancel, index, begin, length)
	})
}

// Rejected takes the request for a block off the pipeline, because the peer
// refused it (BEP 6). It reports whether the block was outstanding: given up
// ones need no second release.
func (c *Conn) Rejected(index, begin, length uint32) (outstanding bool, err error) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	i := c.pipe.find(index, begin, length)
	if i < 0 {
		return false, &peerwire.Error{Text: fmt.Sprintf("reject of a block that was not asked for: piece %d, begin %d", index, begin)}
	}
	return !c.pipe.remove(i).givenUp, nil
}
