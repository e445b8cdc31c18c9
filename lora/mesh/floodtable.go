package mesh

import (
	"slices"
	"time"

	"lorrent/lora/packet"
)

const (
	maxFloods  = 1024
	mostFloods = maxFloods / 8 // of one source, before it loses its own to make room
)

// floodTable remembers what spread, newest at the end of order.
type floodTable struct {
	all     map[floodKey]*flood
	order   []*flood
	checks  []*flood       // those that have a check
	counts  map[uint32]int // floods by account
	greedy  int            // accounts with more than mostFloods
	changes uint64         // how often one came or went
}

func newFloodTable() floodTable {
	return floodTable{all: make(map[floodKey]*flood), counts: make(map[uint32]int)}
}

// remember makes room and enters f. A source that crowds out others loses its
// own.
func (m *Mesh) remember(f *flood) {
	t := &m.floods
	if len(t.order) >= maxFloods {
		t.remove(t.order[t.crowded()])
	}
	f.account = m.account(f.key.id.Source)
	t.count(f.account, 1)
	t.all[f.key] = f
	t.order = append(t.order, f)
}

// count enters floods of an account, or takes them out.
func (t *floodTable) count(account uint32, more int) {
	t.changes++
	before := t.counts[account]
	t.counts[account] = before + more
	switch {
	case before == mostFloods && more > 0:
		t.greedy++
	case before == mostFloods+1 && more < 0:
		t.greedy--
	}
	if before+more == 0 {
		delete(t.counts, account)
	}
}

// crowded is which flood to forget: the oldest of the source with too many, or
// the oldest of all. Strangers count as one.
func (t *floodTable) crowded() int {
	if t.greedy > 0 {
		return slices.IndexFunc(t.order, func(f *flood) bool { return t.counts[f.account] > mostFloods })
	}
	return 0
}

// since are those that came within a span, oldest first.
func (t *floodTable) since(now time.Time, span time.Duration) []*flood {
	i := len(t.order)
	for i > 0 && now.Sub(t.order[i-1].first) < span {
		i--
	}
	return t.order[i:]
}

func (t *floodTable) remove(f *flood) {
	delete(t.all, f.key)
	t.checks = slices.DeleteFunc(t.checks, func(other *flood) bool { return other == f })
	if i := slices.Index(t.order, f); i >= 0 {
		t.order = slices.Delete(t.order, i, i+1)
		t.count(f.account, -1)
	}
}

// forget lets the next copy of a message count as new.
func (t *floodTable) forget(id packet.ID) {
	for _, f := range slices.Clone(t.order) {
		if f.key.id == id && (f.key.kind == Flood || f.key.kind == Routed) && !f.own {
			t.remove(f)
		}
	}
}
