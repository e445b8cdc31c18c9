package utp

import (
	"sync"
	"time"
)

// deadline is a moment at which waiting ends. It can be moved at any time.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{} // closed once the moment has come
}

func newDeadline() *deadline { return &deadline{passed: make(chan struct{})} }

// set moves the deadline; the zero time means never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer has fired: let it finish with the channel
	}
	d.timer = nil
	over := isClosed(d.passed)
	left := time.Until(t)
	switch {
	case !t.IsZero() && left <= 0:
		if !over {
			close(d.passed)
		}
		return
	case over:
		d.passed = make(chan struct{})
	}
	if !t.IsZero() {
		passed := d.passed
		d.timer = time.AfterFunc(left, func() { close(passed) })
	}
}

// wait returns a channel that is closed when the deadline passes.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
