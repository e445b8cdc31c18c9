package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const block = 16 << 10

// wait returns once so many bytes may move, or when done is closed.
func (f *Flow) wait(done <-chan struct{}, bytes int) {
	passed, leave := f.Enter(bytes)
	if passed == nil {
		return
	}
	select {
	case <-passed:
	case <-done:
		leave()
	}
}

// The rate holds within 3 % from 100 kB/s to 100 MB/s, whatever the size of
// what moves at once.
func TestRate(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  int64
		bytes int // at once
		lasts time.Duration
	}{
		{"slower than a block a second", 1000, block, 20 * time.Minute},
		{"100 kB/s in blocks", 100_000, block, time.Minute},
		{"100 kB/s in large writes", 100_000, maxBatch, 10 * time.Minute},
		{"5 MB/s", 5_000_000, block, time.Minute},
		{"100 MB/s", 100_000_000, block, 10 * time.Second},
		{"100 MB/s in large writes", 100_000_000, maxBatch, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := New(c.rate).Flow()
				start, moved := time.Now(), 0
				for time.Since(start) < c.lasts {
					f.wait(nil, c.bytes)
					moved += c.bytes
				}
				// What passed last is only paid for afterwards.
				got := float64(moved-c.bytes) / time.Since(start).Seconds()
				if got < 0.97*float64(c.rate) || got > 1.03*float64(c.rate) {
					t.Errorf("%.0f bytes per second, not %d", got, c.rate)
				}
			})
		})
	}
}

func TestNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(0)
		start := time.Now()
		for range 1000 {
			l.Flow().wait(nil, 1<<30)
		}
		if took := time.Since(start); took != 0 || l.Rate() != 0 || l.Batch() != maxBatch {
			t.Errorf("took %v, rate %d, batch %d", took, l.Rate(), l.Batch())
		}
	})
}

// A pause is no savings account.
func TestPauseIsNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(1 << 20).Flow()
		f.wait(nil, block)
		time.Sleep(time.Hour)
		start, moved := time.Now(), 0
		for time.Since(start) == 0 {
			f.wait(nil, block)
			moved += block
		}
		if most := (1<<20)/20 + 2*block; moved > most {
			t.Errorf("%d bytes at once after a pause, want at most %d", moved, most)
		}
	})
}

// crowd is a number of connections that each move so many bytes at once
// through one flow, as often as they are let.
type crowd struct {
	done  chan struct{}
	wg    sync.WaitGroup
	moved atomic.Int64
}

func newCrowd(f *Flow, connections, bytes int) *crowd {
	c := &crowd{done: make(chan struct{})}
	for range connections {
		c.wg.Go(func() {
			for {
				f.wait(c.done, bytes)
				select {
				case <-c.done:
					return
				default:
				}
				c.moved.Add(int64(bytes))
			}
		})
	}
	return c
}

func (c *crowd) leave() int64 {
	close(c.done)
	c.wg.Wait()
	return c.moved.Load()
}

// Torrents get the same, whatever they ask for and however many ask for them.
func TestFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1_000_000)
		crowds := map[string]*crowd{
			"one connection":    newCrowd(l.Flow(), 1, block),
			"fifty connections": newCrowd(l.Flow(), 50, block),
			"large writes":      newCrowd(l.Flow(), 3, maxBatch),
		}
		time.Sleep(2 * time.Minute)
		for name, c := range crowds {
			if share := float64(c.moved.Load()) / (120 * 1_000_000); share < 0.32 || share > 0.347 {
				t.Errorf("%s: %.3f of the rate, want a third", name, share)
			}
		}
		for _, c := range crowds {
			c.leave()
		}
	})
}

// A flow that was idle does not make up for it at the cost of the others.
func TestIdleFlowHasNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1_000_000)
		busy := newCrowd(l.Flow(), 1, block)
		time.Sleep(time.Minute)
		before := busy.moved.Load()
		late := newCrowd(l.Flow(), 1, block)
		time.Sleep(10 * time.Second)
		if got := busy.moved.Load() - before; got < 4_800_000 || got > 5_200_000 {
			t.Errorf("the busy flow got %d of 10,000,000 bytes beside the other one", got)
		}
		busy.leave()
		late.leave()
	})
}

func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		f := l.Flow()
		f.wait(nil, block)
		passed := make(chan time.Duration)
		start := time.Now()
		go func() { f.wait(nil, block); passed <- time.Since(start) }()
		time.Sleep(time.Second)
		l.Set(block) // at which the debt of a block is a second
		if took := <-passed; took < time.Second || took > 2100*time.Millisecond {
			t.Errorf("passed after %v", took)
		}
		go func() { f.wait(nil, block); passed <- time.Since(start) }()
		synctest.Wait()
		start = time.Now()
		l.Set(0)
		if took := <-passed; took != 0 {
			t.Errorf("no limit any more, and still waited %v", took)
		}
	})
}

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		f := l.Flow()
		f.wait(nil, block)
		done := make(chan struct{})
		go func() { time.Sleep(time.Minute); close(done) }()
		start := time.Now()
		f.wait(done, block)
		if took := time.Since(start); took != time.Minute || len(l.active) != 0 || len(f.waiting) != 0 {
			t.Errorf("let go after %v, %d flows and %d requests left", took, len(l.active), len(f.waiting))
		}
	})
}

func TestBatch(t *testing.T) {
	for rate, want := range map[int64]int{1: minBatch, 100_000: minBatch, 1_000_000: 50_000, 1 << 30: maxBatch} {
		if got := New(rate).Batch(); got != want {
			t.Errorf("at %d bytes per second: %d, want %d", rate, got, want)
		}
	}
}
