package torrent

import (
	"sync"
	"sync/atomic"
)

// workers is a fixed number of goroutines and the jobs that wait for them.
// submit never blocks; the jobs are bounded by what submits them (the gate's
// byte budget, one checkpoint a torrent, a few rechecks).
type workers struct {
	n    int
	mu   sync.Mutex
	more sync.Cond
	jobs []func()
	stop bool
}

func newWorkers(n int) *workers {
	w := &workers{n: n}
	w.more.L = &w.mu
	return w
}

// run starts the workers. The function it returns lets them finish the jobs
// there are and waits for them.
func (w *workers) run() (stop func()) {
	var wg sync.WaitGroup
	for range w.n {
		wg.Go(w.work)
	}
	return func() {
		w.mu.Lock()
		w.stop = true
		w.more.Broadcast()
		w.mu.Unlock()
		wg.Wait()
	}
}

func (w *workers) submit(job func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, job)
	w.more.Signal()
}

func (w *workers) work() {
	for {
		w.mu.Lock()
		for len(w.jobs) == 0 && !w.stop {
			w.more.Wait()
		}
		if len(w.jobs) == 0 {
			w.mu.Unlock()
			return
		}
		job := w.jobs[0]
		w.jobs[0] = nil
		w.jobs = w.jobs[1:]
		w.mu.Unlock()
		job()
	}
}

// semaphore bounds how many do something at once.
type semaphore chan struct{}

func newSemaphore(n int) semaphore { return make(semaphore, n) }

// acquire waits for a place and reports whether it got one before done.
func (s semaphore) acquire(done <-chan struct{}) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

// try takes a place if there is one.
func (s semaphore) try() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s semaphore) release() { <-s }

// counter counts against a limit.
type counter struct{ n atomic.Int64 }

func (c *counter) add(limit int) bool {
	if c.n.Add(1) > int64(limit) {
		c.n.Add(-1)
		return false
	}
	return true
}

func (c *counter) done()      { c.n.Add(-1) }
func (c *counter) value() int { return int(c.n.Load()) }
