package mesh

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lorrent/lora/packet"
)

// Whatever beacons come, and are forgotten, the circle is what the lists say.
func TestCircleFollowsTheLists(t *testing.T) {
	t.Parallel()
	const me, nodes = 1, 12
	random := rand.New(rand.NewPCG(1, 2))
	table := newLinkTable(me, 0)
	now := time.Unix(1_700_000_000, 0)
	sizes := make(map[int]bool)
	for sequence := range uint32(3000) {
		now = now.Add(time.Duration(random.IntN(60)) * time.Second)
		switch id := uint32(2 + random.IntN(nodes)); random.IntN(12) {
		case 0:
			table.forgetList()
		case 1:
			table.expire(now, time.Hour, 5*time.Minute)
		default:
			p := Packet{Type: Beacon, From: id, ID: packet.ID{Source: id, Epoch: 1, Sequence: sequence + 1}}
			for other := uint16(1); other <= nodes; other++ {
				if random.IntN(2) == 0 {
					p.Heard = append(p.Heard, Link{ID: other})
				}
			}
			table.learn(&p, now)
		}
		var want circle
		for _, id := range table.audience() {
			l, near := table.lists[id], 0
			for _, link := range l.hears {
				if slices.Contains(table.audience(), link.ID) {
					near++
				}
			}
			want = append(want, member{id, l, near})
		}
		if got := table.circled(); !slices.Equal(got, want) {
			t.Fatalf("after %d changes %v, want %v", sequence+1, got, want)
		}
		sizes[len(want)] = true
	}
	if len(sizes) < 5 {
		t.Errorf("circles of %v only: this shows nothing", sizes)
	}
}
