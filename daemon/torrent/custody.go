package torrent

import "sync"

// A reader that has filled an extent and finds nothing more to read writes and hashes
// it at once, while it is in its processor's cache and nobody has to be woken for it.
// Otherwise it goes on reading, and a worker does that: so one fast peer has two
// processors at work, and the reader, whom all others wait for, has the least to do.

// custody says who has what is written and hashed of a piece on its way: a worker,
// the reader that filled an extent, or nobody.
type custody struct {
	mu    sync.Mutex
	held  bool
	asked bool // the actor waits for whoever holds it
	waits bool // for a disk that refused it
}

// take is false while somebody has the piece, or must not. The actor hears when that
// one lets go.
func (c *custody) take(actor bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held || c.waits {
		c.asked = c.asked || actor && c.held
		return false
	}
	c.held = true
	return true
}

// letGo ends what take began, and reports whether the actor waits for that. What a disk
// refused waits.
func (c *custody) letGo(refused bool) (asked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked = c.asked
	c.held, c.asked, c.waits = false, false, refused
	return asked
}

// watch reports whether somebody has the piece; the actor hears when that one lets go.
func (c *custody) watch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = c.held
	return c.held
}

// passage is a piece that a reader had, and that the actor waits for.
type passage struct {
	*arrival
	err error
}

// pass takes the extents that are full to the disk, for the reader that filled one. It
// reports false when somebody else has to.
func (s *session) pass(c *content, a *arrival) bool {
	if !a.take(false) {
		return false
	}
	var err error
	first := a.before == nil || !a.before.watch()
	if first {
		ready, _ := a.ready(s.e.shortOfMemory())
		err = a.put(c, ready)
	}
	if asked := a.letGo(err != nil); asked || err != nil {
		s.passed <- passage{a, err}
	}
	return first
}
