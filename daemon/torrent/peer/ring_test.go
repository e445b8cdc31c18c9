package peer

import (
	"math/rand/v2"
	"testing"
)

// TestRing compares the ring with a slice under the same changes.
func TestRing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r ring
	var want []uint32
	grown := 0
	for step := range uint32(100_000) {
		// Mostly filling for a while, then mostly emptying.
		if len(want) == 0 || rnd.IntN(10) < 3+4*int(step/5000%2) {
			r.push(asked{Request: Request{Index: step}})
			want = append(want, step)
		} else {
			i := rnd.IntN(min(len(want), 1+rnd.IntN(20)))
			if got := r.remove(i); got.Index != want[i] {
				t.Fatalf("step %d: took %d, want %d", step, got.Index, want[i])
			}
			want = append(want[:i:i], want[i+1:]...)
		}
		if r.n != len(want) {
			t.Fatalf("step %d: %d requests, want %d", step, r.n, len(want))
		}
		if i := rnd.IntN(len(want) + 1); i < len(want) && r.at(i).Index != want[i] {
			t.Fatalf("step %d: number %d is %d, want %d", step, i, r.at(i).Index, want[i])
		}
		if len(want) == 0 && len(r.slots) > smallRing {
			t.Fatalf("step %d: %d slots for nothing", step, len(r.slots))
		}
		grown = max(grown, len(r.slots))
	}
	if grown < 4*smallRing {
		t.Errorf("it grew to %d slots", grown)
	}
}
