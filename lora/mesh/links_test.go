package mesh

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// chart is a link table that knows a graph: hears[a] are those whom a hears.
func chart(me uint16, hears map[uint16][]uint16) *linkTable {
	t := newLinkTable(me, -17.5)
	for id, heard := range hears {
		if id == me {
			for _, h := range heard {
				t.hear(h, 12.5, epoch)
			}
			continue
		}
		p := Packet{Type: Beacon, From: uint32(id), ID: packet.ID{Source: uint32(id), Epoch: 1, Sequence: 1}}
		for _, h := range heard {
			p.Heard = append(p.Heard, Link{ID: h, Margin: 30})
		}
		t.learn(&p, epoch)
	}
	return &t
}

func TestWay(t *testing.T) {
	// 1 - 2 - 3 - 4 in a row, and 5 hears 1 and is heard by 4 alone.
	graph := map[uint16][]uint16{1: {2}, 2: {1, 3}, 3: {2, 4}, 4: {3, 5}, 5: {1}}
	tests := []struct {
		name  string
		me    uint16
		to    uint16
		tried []uint16
		want  step
		ok    bool
	}{
		{"a neighbour", 1, 2, nil, step{2, 1}, true},
		{"along the row", 1, 4, nil, step{2, 3}, true},
		{"one way only", 1, 5, nil, step{5, 1}, true},
		{"the other way", 5, 1, nil, step{4, 4}, true},
		{"none is left", 1, 4, []uint16{2, 5}, step{}, false},
		{"unknown", 1, 9, nil, step{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := chart(test.me, graph).way(test.to, past{tried: test.tried}, epoch); ok != test.ok || got != test.want {
				t.Errorf("%+v %v, want %+v %v", got, ok, test.want, test.ok)
			}
		})
	}
}

// Nodes that know the same never send a packet in a circle.
func TestWaysDoNotCircle(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		const n = 15
		graph := make(map[uint16][]uint16)
		for a := uint16(1); a <= n; a++ {
			graph[a] = nil
			for b := uint16(1); b <= n; b++ {
				if a != b && random.IntN(4) == 0 {
					graph[a] = append(graph[a], b)
				}
			}
		}
		tables := make(map[uint16]*linkTable)
		for id := range graph {
			tables[id] = chart(id, graph)
		}
		for from := uint16(1); from <= n; from++ {
			for to := uint16(1); to <= n; to++ {
				at, hops := from, 0
				for at != to && hops <= n {
					s, ok := tables[at].way(to, past{}, epoch)
					if !ok {
						if at != from {
							t.Fatalf("stuck at %d on the way from %d to %d in %v", at, from, to, graph)
						}
						break
					}
					at, hops = s.first, hops+1
				}
				if hops > n {
					t.Fatalf("from %d to %d in circles in %v", from, to, graph)
				}
			}
		}
	}
}

func TestOldBeaconsAreIgnored(t *testing.T) {
	table := newLinkTable(1, 0)
	beacon := func(life uint16, sequence uint32, heard uint16) bool {
		return table.learn(&Packet{From: 2, ID: packet.ID{Source: 2, Epoch: life, Sequence: sequence}, Heard: []Link{{ID: heard, Margin: 9}}}, epoch)
	}
	if !beacon(1, 5, 1) || beacon(1, 5, 3) || beacon(1, 4, 3) || !table.hears(2, 1) {
		t.Error("an old beacon replaced a newer one")
	}
	if !beacon(2, 1, 3) || table.hears(2, 1) || !table.hears(2, 3) {
		t.Error("the beacon of another life was not taken")
	}
}

// The example of firmware/PROTOCOL.md.
func TestFilterBytes(t *testing.T) {
	f := Filter{Salt: 7, Bits: make([]byte, 4)}
	f.add(packet.ID{Source: 0x89ABCDEF, Epoch: 0xBEEF, Sequence: 0x000102})
	if got := fmt.Sprintf("%x", f.Bits); got != "02002240" {
		t.Errorf("filter %s, want 02002240", got)
	}
}

func TestFilter(t *testing.T) {
	found := 0
	for salt := range uint8(100) {
		f := newFilter(50, salt)
		for i := range uint32(50) {
			f.add(packet.ID{Source: 7, Sequence: i})
		}
		for i := range uint32(50) {
			if !f.has(packet.ID{Source: 7, Sequence: i}) {
				t.Fatal("what was put in is not found")
			}
			if f.has(packet.ID{Source: 8, Sequence: i}) {
				found++
			}
		}
	}
	if share := float64(found) / 5000; share > 0.06 || share == 0 {
		t.Errorf("%.3f of what was not put in is found, want a few in a hundred", share)
	}
	if (Filter{}).has(packet.ID{}) {
		t.Error("an empty filter has something")
	}
	if n := len(newFilter(100_000, 0).Bits); n != maxFilter {
		t.Errorf("a large filter of %d bytes, want %d", n, maxFilter)
	}
}

func TestKnownSurvivesARestart(t *testing.T) {
	graph := map[uint16][]uint16{1: {2}, 2: {1, 3}, 3: {2, 4}, 4: {3, 5}, 5: {1}}
	before := chart(1, graph)
	after := newLinkTable(1, -17.5)
	after.restore(before.known(1, epoch), epoch)
	for to := uint16(2); to <= 5; to++ {
		a, okA := before.way(to, past{}, epoch)
		b, okB := after.way(to, past{}, epoch)
		if a != b || okA != okB {
			t.Errorf("to %d by %+v, after the restart by %+v", to, a, b)
		}
	}
}

// A neighbour that others outlast is gone: it is not told of, and what can goes
// another way. Where all are silent, nobody is.
func TestGoneNeighbour(t *testing.T) {
	// Both 2 and 3 join 1 to 4; 2 is the first choice.
	graph := map[uint16][]uint16{1: {2, 3}, 2: {1, 4}, 3: {1, 4}, 4: {2, 3}}
	want := func(table *linkTable, first uint16, at time.Time, told int) {
		t.Helper()
		table.out, table.fields = nil, nil
		if got, ok := table.way(4, past{}, at); !ok || got.first != first || len(table.beacon(at)) != told {
			t.Errorf("by way of %v, %d told of; want %d and %d", got, len(table.beacon(at)), first, told)
		}
	}
	table := chart(1, graph)
	later := epoch.Add(time.Hour / 2)
	want(table, 2, later, 2)
	for range 2 * suspicion * firstGap {
		table.hear(3, 12.5, later)
	}
	want(table, 3, later, 1)
	want(table, 2, epoch.Add(quiet), 2)
	table.hear(2, 12.5, later)
	want(table, 2, later, 2)
}

// A few packets in a row that a neighbour does not pass on are enough to try another
// that is hardly worse, and one that it does pass on brings it back.
func TestNeighbourThatFails(t *testing.T) {
	table := chart(1, map[uint16][]uint16{1: {2, 3}, 2: {1, 4}, 3: {1, 4}, 4: {2, 3}})
	for failures, first := range []uint16{2, 3, 3} {
		if failures > 0 {
			table.result(2, false)
			table.result(2, false)
		}
		if got, ok := table.way(4, past{}, epoch); !ok || got.first != first {
			t.Errorf("after %d failures by way of %+v, want %d", 2*failures, got, first)
		}
	}
	for range 8 {
		table.result(2, true)
	}
	table.out, table.fields = nil, nil
	if got, _ := table.way(4, past{tried: []uint16{3}}, epoch); got.first != 2 {
		t.Errorf("a neighbour that passes packets on again is avoided: %+v", got)
	}
	if n := table.heard[2]; n.failed != 0 {
		t.Errorf("%d failures in a row after a success", n.failed)
	}
}
