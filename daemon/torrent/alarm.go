package torrent

import (
	"container/heap"
	"sync"
	"time"
)

const (
	// Many torrents may be due at one moment: at the start, or when the machine
	// has slept. They wake as many at a time as this, 160 a second.
	wakeBurst   = 4
	wakeSpacing = 25 * time.Millisecond
)

// alarms wakes parked torrents when their next announce is due: one timer for
// all of them.
type alarms struct {
	mu    sync.Mutex
	queue alarmQueue
	after time.Time // nobody is woken before
	timer *time.Timer
}

// alarm is part of a torrent, and belongs to alarms.
type alarm struct {
	at  time.Time
	pos int // in the queue, from 1; 0 when there is none
}

func newAlarms() *alarms { return &alarms{timer: time.NewTimer(time.Hour)} }

// C fires when something may be due.
func (a *alarms) C() <-chan time.Time { return a.timer.C }

// set moves t's alarm to at.
func (a *alarms) set(t *torrent, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t.alarm.at = at
	if t.alarm.pos > 0 {
		heap.Fix(&a.queue, t.alarm.pos-1)
	} else {
		heap.Push(&a.queue, t)
	}
	a.rearm()
}

func (a *alarms) clear(t *torrent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.alarm.pos > 0 {
		heap.Remove(&a.queue, t.alarm.pos-1)
	}
}

// due takes the torrents whose time has come, or the first of them.
func (a *alarms) due(now time.Time) (list []*torrent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > 0 && !a.queue[0].alarm.at.After(now) && !now.Before(a.after) {
		list = append(list, heap.Pop(&a.queue).(*torrent))
		if len(list) == wakeBurst {
			a.after = now.Add(wakeSpacing)
		}
	}
	a.rearm()
	return list
}

func (a *alarms) rearm() {
	if len(a.queue) == 0 {
		return
	}
	at := a.queue[0].alarm.at
	if a.after.After(at) {
		at = a.after
	}
	a.timer.Reset(max(0, time.Until(at)))
}

// alarmQueue is a heap of torrents by the time of their alarm.
type alarmQueue []*torrent

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].alarm.at.Before(q[j].alarm.at) }
func (q alarmQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].alarm.pos, q[j].alarm.pos = i+1, j+1
}
func (q *alarmQueue) Push(x any) {
	t := x.(*torrent)
	*q = append(*q, t)
	t.alarm.pos = len(*q)
}
func (q *alarmQueue) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	t.alarm.pos = 0
	return t
}
