package mesh

import (
	"slices"
	"time"

	"lorrent/lora/packet"
)

const maxForwards = 512

// forwardTable remembers what came through, oldest first in order.
type forwardTable struct {
	all      map[floodKey]*forward
	order    []floodKey
	waiting  []*forward           // those with a deadline
	acks     map[packet.ID]Packet // acknowledgements that passed, for those who ask again
	ackIDs   []packet.ID
	arrivals arrivals // of messages for this node
}

func newForwardTable() forwardTable {
	return forwardTable{
		all: make(map[floodKey]*forward), acks: make(map[packet.ID]Packet),
	}
}

// add enters f in place of an older one.
func (t *forwardTable) add(f *forward) {
	if t.all[f.key] == nil {
		if len(t.order) >= maxForwards {
			t.forget(t.all[t.order[0]])
			t.order = t.order[1:]
		}
		t.order = append(t.order, f.key)
	}
	t.leave(t.all[f.key])
	t.all[f.key] = f
}

// forget makes room. What is forgotten is not waited for any more, and its job, if it
// has one, is its last: see await.
func (t *forwardTable) forget(f *forward) {
	t.leave(f)
	delete(t.all, f.key)
	f.done = f.done || f.job == nil
}

// leave ends the wait for f to be passed on.
func (t *forwardTable) leave(f *forward) {
	t.waiting = slices.DeleteFunc(t.waiting, func(other *forward) bool { return other == f })
}

// keepAck remembers an acknowledgement that passed.
func (t *forwardTable) keepAck(p Packet) {
	if _, ok := t.acks[p.ID]; !ok {
		if len(t.ackIDs) >= maxForwards {
			delete(t.acks, t.ackIDs[0])
			t.ackIDs = t.ackIDs[1:]
		}
		t.ackIDs = append(t.ackIDs, p.ID)
	}
	t.acks[p.ID] = p
}

// restPackets is how long what this node has passed on lies still before its attempt,
// of which the number is used again, counts as another one: longer than a neighbour
// goes on to repeat it.
const restPackets = 4 * ackPackets

// rested says whether what was done last at some time is an attempt of long ago.
func (m *Mesh) rested(last, now time.Time) bool {
	return now.Sub(last) > m.packets(restPackets, 4*ackLeast)
}

// forwardOf finds what was passed on of an attempt, nil when that was long ago.
func (m *Mesh) forwardOf(kind Type, id packet.ID, attempt uint8, now time.Time) *forward {
	f := m.forwards.all[floodKey{kind: kind, id: id, attempt: attempt}]
	if f != nil && f.source == nil && f.done && f.job == nil && m.rested(f.last, now) {
		return nil
	}
	return f
}
