package utp

import (
	"container/heap"
	"context"
	"net"
	"time"
)

// longWait is how long the writer waits when no connection wants it to look.
const longWait = time.Hour

// leastWait is the least time until a connection's next scheduled turn.
const leastWait = 100 * time.Microsecond

// writer sends. It is the only one to do so, and looks after the time.
type writer struct {
	*Socket
	outbox   *outbox
	schedule schedule
	ready    []*conn
	again    []*conn // had more to send than a turn allows
	resets   []stray
}

func newWriter(s *Socket) *writer { return &writer{Socket: s, outbox: newOutbox(s.link.segments)} }

func (w *writer) run(ctx context.Context) error {
	timer := time.NewTimer(longWait)
	defer timer.Stop()
	defer w.end()
	for {
		if err := w.round(); err != nil {
			return err
		}
		if len(w.again) > 0 && ctx.Err() == nil {
			continue
		}
		wait := longWait
		if len(w.schedule) > 0 {
			wait = max(w.schedule[0].at-w.now(), 0)
		}
		timer.Reset(wait)
		select {
		case <-w.wakeup:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// round gives everyone with something to do a turn.
func (w *writer) round() error {
	w.ready = append(w.ready[:0], w.again...)
	w.again = w.again[:0]
	w.todo.Lock()
	w.ready = append(w.ready, w.todo.conns...)
	clear(w.todo.conns)
	w.todo.conns = w.todo.conns[:0]
	w.resets, w.todo.resets = w.todo.resets, w.resets[:0]
	w.todo.Unlock()
	for now := w.now(); len(w.schedule) > 0 && w.schedule[0].at <= now; {
		w.ready = append(w.ready, heap.Pop(&w.schedule).(*conn))
	}
	for _, c := range w.ready {
		if err := w.turn(c); err != nil {
			return err
		}
	}
	clear(w.ready)
	for _, r := range w.resets {
		if w.outbox.full() {
			break
		}
		w.outbox.to = net.UDPAddrFromAddrPort(r.addr)
		p := packet{kind: kindReset, id: r.id, stamp: micros(w.now()), ack: r.seq}
		p.putHeader(w.outbox.packet(headerLen, false), 0)
	}
	return w.flush()
}

// turn lets a connection fill the outbox, and sends it when it is full.
func (w *writer) turn(c *conn) error {
	if w.outbox.full() {
		if err := w.flush(); err != nil {
			return err
		}
	}
	c.queued.Store(false)
	now := w.now()
	w.outbox.to = c.to
	c.mu.Lock()
	more := c.stream.poll(now, w.outbox)
	c.notify()
	done := c.stream.done()
	at, scheduled := c.stream.deadline(now)
	c.mu.Unlock()
	switch {
	case done:
		w.forget(c)
		if c.index >= 0 {
			heap.Remove(&w.schedule, c.index)
		}
		return nil
	case more:
		w.again = append(w.again, c)
	}
	if scheduled {
		w.schedule.set(c, max(at, now+leastWait))
	}
	return nil
}

func (w *writer) flush() error {
	if len(w.outbox.messages) == 0 {
		return nil
	}
	w.packetsOut.Add(uint64(w.outbox.packets))
	return w.link.write(w.outbox)
}

// end resets every connection: nobody will serve it any more.
func (w *writer) end() {
	w.table.Lock()
	w.table.over = true
	left := make([]*conn, 0, len(w.table.conns))
	for _, c := range w.table.conns {
		left = append(left, c)
	}
	w.table.Unlock()
	for _, c := range left {
		c.mu.Lock()
		c.stream.fail(net.ErrClosed, c.stream.state != synSent)
		c.mu.Unlock()
		if w.turn(c) != nil {
			w.outbox.reset() // the UDP socket is gone; the readers are told all the same
		}
	}
	_ = w.flush()
}

// schedule is a heap of connections by the time of their next turn.
type schedule []*conn

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at < s[j].at }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (s *schedule) Push(x any) {
	c := x.(*conn)
	c.index = len(*s)
	*s = append(*s, c)
}

func (s *schedule) Pop() any {
	last := len(*s) - 1
	c := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	c.index = -1
	return c
}

// set schedules a turn. A turn that comes too early does no harm and finds out
// when it should have come, so later times are not worth moving it for.
func (s *schedule) set(c *conn, at time.Duration) {
	switch {
	case c.index < 0:
		c.at = at
		heap.Push(s, c)
	case at < c.at:
		c.at = at
		heap.Fix(s, c.index)
	}
}
