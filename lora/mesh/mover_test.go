package mesh

import (
	"testing"
	"time"
)

// moved is a table of node 1, which hears 2 no more and 3 since a moment ago: it has moved
// on, and neither has a new list. Node 4 hears both of them.
func moved() (*linkTable, time.Time) {
	table := chart(1, map[uint16][]uint16{1: {2}, 2: {1, 4}, 3: {4}, 4: {2, 3}})
	now := epoch.Add(settled + 5*time.Minute)
	for range suspicion * (firstGap + 2) {
		table.hear(3, 12.5, now)
	}
	return table, now
}

func TestWhoMovesGoesByWhatItHears(t *testing.T) {
	table, now := moved()
	if n := table.heard[2]; !table.gone(n, now) || !table.moves(now) {
		t.Fatalf("gone %v, moves %v: want both", table.gone(n, now), table.moves(now))
	}
	if got, ok := table.way(4, past{}, now); !ok || got != (step{3, 2}) {
		t.Errorf("by way of %+v %v, want 3, which is heard", got, ok)
	}
	if got, ok := table.way(4, past{}, now.Add(metOfLate)); !ok || got.first != 2 {
		t.Errorf("by way of %+v %v, want 2, since 3 may be gone as well", got, ok)
	}
	table.lists[3].at, table.out, table.fields = now, nil, nil
	if got, ok := table.way(4, past{}, now); !ok || got.first != 2 {
		t.Errorf("by way of %+v %v, want 2, since 3 says that it does not hear it", got, ok)
	}
	table.heard[3].steady.born = epoch
	if !table.moves(now) {
		t.Errorf("one of two is gone, and it stands still")
	}
}

// Who stands still waits until others say that they hear it.
func TestWhoStandsGoesByLists(t *testing.T) {
	table, now := moved()
	for _, n := range table.heard {
		n.steady.born, n.last, n.at = epoch, now, table.copies
	}
	table.lists[3].at = epoch.Add(-time.Minute)
	if table.moves(now) {
		t.Fatal("it moves, want not")
	}
	if got, ok := table.way(4, past{}, now); !ok || got != (step{2, 2}) {
		t.Errorf("by way of %+v %v, want 2, which is known to hear it", got, ok)
	}
	table.lists[2].hears, table.out, table.fields = nil, nil, nil
	if got, ok := table.way(4, past{}, now); ok {
		t.Errorf("by way of %+v, which is not known to hear it", got)
	}
}

// A node that moves takes a longer way over whom it hears rather than one over whom it
// does not.
func TestWhoMovesAvoidsTheSilent(t *testing.T) {
	table := chart(1, map[uint16][]uint16{1: {2, 3}, 2: {1, 4}, 3: {1, 5}, 5: {3, 4}, 4: {2, 5}})
	now := epoch.Add(quiet + time.Minute)
	table.hear(3, 12.5, now)
	way := func() step {
		table.out, table.fields = nil, nil
		s, _ := table.way(4, past{}, now)
		return s
	}
	if got := way(); got.first != 2 {
		t.Errorf("stands still, and goes by way of %+v, want 2", got)
	}
	table.heard[3].steady.drift = mostDrift + 1
	if got := way(); got.first != 3 {
		t.Errorf("moves, and goes by way of %+v, want 3", got)
	}
	table.lists[5].hears = nil
	if got := way(); got.first != 2 {
		t.Errorf("by way of %+v, want 2, as there is no other", got)
	}
}
