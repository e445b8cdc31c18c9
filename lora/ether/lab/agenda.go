package lab

import (
	"container/heap"
	"time"
)

// agenda is the virtual clock: what happens, in order of time and, at one
// instant, in the order in which it was planned.
type agenda struct {
	now   time.Duration
	count uint64
	items eventHeap
}

type event struct {
	at    time.Duration
	order uint64
	do    func()
}

// after plans do for d from now.
func (a *agenda) after(d time.Duration, do func()) {
	a.count++
	heap.Push(&a.items, event{at: a.now + max(d, 0), order: a.count, do: do})
}

// run lets everything up to the end happen.
func (a *agenda) run(end time.Duration) {
	for len(a.items) > 0 && a.items[0].at <= end {
		e := heap.Pop(&a.items).(event)
		a.now = e.at
		e.do()
	}
	a.now = end
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return last
}
