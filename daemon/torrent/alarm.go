package torrent

import (
	"container/heap"
	"sync"
	"time"
)

// alarms wakes parked torrents when their next announce is due: one timer for
// all of them.
type alarms struct {
	mu    sync.Mutex
	queue alarmQueue
	index map[*torrent]*alarm
	timer *time.Timer
}

type alarm struct {
	t   *torrent
	at  time.Time
	pos int
}

func newAlarms() *alarms {
	return &alarms{index: make(map[*torrent]*alarm), timer: time.NewTimer(time.Hour)}
}

// C fires when something may be due.
func (a *alarms) C() <-chan time.Time { return a.timer.C }

// set moves t's alarm to at.
func (a *alarms) set(t *torrent, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if al, ok := a.index[t]; ok {
		al.at = at
		heap.Fix(&a.queue, al.pos)
	} else {
		al = &alarm{t: t, at: at}
		a.index[t] = al
		heap.Push(&a.queue, al)
	}
	a.rearm()
}

func (a *alarms) clear(t *torrent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if al, ok := a.index[t]; ok {
		heap.Remove(&a.queue, al.pos)
		delete(a.index, t)
	}
}

// due takes the torrents whose time has come.
func (a *alarms) due(now time.Time) (list []*torrent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > 0 && !a.queue[0].at.After(now) {
		al := heap.Pop(&a.queue).(*alarm)
		delete(a.index, al.t)
		list = append(list, al.t)
	}
	a.rearm()
	return list
}

func (a *alarms) rearm() {
	if len(a.queue) > 0 {
		a.timer.Reset(max(0, time.Until(a.queue[0].at)))
	}
}

type alarmQueue []*alarm

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q alarmQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].pos, q[j].pos = i, j
}
func (q *alarmQueue) Push(x any) {
	al := x.(*alarm)
	al.pos = len(*q)
	*q = append(*q, al)
}
func (q *alarmQueue) Pop() any {
	old := *q
	al := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return al
}
