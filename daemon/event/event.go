// Package event is the daemon's bounded log of typed events.
//
// Publish never blocks and never fails: a slow or absent reader loses the
// oldest events, never the publisher's time. Readers hold a cursor and long-poll
// with Since, so a client may come back after a pause and learn whether it
// missed anything.
package event

import (
	"context"
	"sync"
	"time"
)

// Event is one entry of a Ring. IDs grow by one, from a number that is larger
// than any of a process before: a cursor that outlives a restart is known as
// such.
type Event struct {
	ID   uint64
	Time time.Time
	Data Data
}

// Data is what happened. Its concrete types live in types.go; Type is the
// stable name a client filters by, such as "torrent.state".
type Data interface{ Type() string }

// Ring keeps the newest events.
type Ring struct {
	mu     sync.Mutex
	events []Event // ring, event with ID n at n % cap
	base   uint64  // no event has this ID or a smaller one
	last   uint64
	wake   chan struct{} // closed and replaced by Publish
}

// New returns a ring that remembers the newest size events.
func New(size int) *Ring {
	// Microseconds since 1970 fit the 53 bits that every JSON reader has.
	base := uint64(time.Now().UnixMicro())
	return &Ring{events: make([]Event, size), base: base, last: base, wake: make(chan struct{})}
}

// Publish appends an event and wakes every waiting reader.
func (r *Ring) Publish(d Data) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.events[r.last%uint64(len(r.events))] = Event{ID: r.last, Time: time.Now(), Data: d}
	close(r.wake)
	r.wake = make(chan struct{})
}

// Cursor returns the cursor behind the newest event.
func (r *Ring) Cursor() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Since returns the events after cursor, oldest first, and how many between
// cursor and the first of them are already forgotten. It waits for one when
// there are none, and returns ctx's error when ctx ends first. A cursor that is
// not of this process, such as 0, means from the beginning.
func (r *Ring) Since(ctx context.Context, cursor uint64) (events []Event, dropped uint64, err error) {
	for {
		r.mu.Lock()
		if cursor > r.last || cursor < r.base {
			cursor = r.base
		}
		events, dropped = r.after(cursor)
		wake := r.wake
		r.mu.Unlock()
		if len(events) > 0 {
			return events, dropped, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// after copies what is newer than cursor. The caller holds mu.
func (r *Ring) after(cursor uint64) (events []Event, dropped uint64) {
	oldest := max(r.base, r.last-uint64(len(r.events))) + 1
	first := cursor + 1
	if first < oldest {
		dropped = oldest - first
		first = oldest
	}
	for id := first; id <= r.last; id++ {
		events = append(events, r.events[id%uint64(len(r.events))])
	}
	return events, dropped
}
