package torrent

import "sync"

// gate stops the readers of all connections while too many bytes wait for the
// disk, and lets them go on once half of that is written. The sockets fill up
// meanwhile, and TCP slows the senders down.
type gate struct {
	high, low int64

	mu     sync.Mutex
	queued int64
	open   chan struct{} // closed when readers may pass again
	shut   bool
}

func newGate(high, low int64) *gate {
	return &gate{high: high, low: low}
}

// add counts n bytes that wait for the disk.
func (g *gate) add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queued += n
	if g.queued >= g.high && !g.shut {
		g.shut = true
		g.open = make(chan struct{})
	}
}

// done counts n bytes off.
func (g *gate) done(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queued -= n
	if g.queued <= g.low && g.shut {
		g.shut = false
		close(g.open)
	}
}

func (g *gate) bytes() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queued
}

// Wait returns when readers may pass, or when done is closed, and reports whether
// that took time.
func (g *gate) Wait(done <-chan struct{}) (waited bool) {
	g.mu.Lock()
	shut, open := g.shut, g.open
	g.mu.Unlock()
	if !shut {
		return false
	}
	select {
	case <-open:
	case <-done:
	}
	return true
}
