package picker

import (
	"slices"
	"testing"
)

// prioritised has 12 pieces, of which the map says what is not Normal.
func prioritised(level map[int]Priority) *Picker {
	p := newPicker(12, 0)
	p.SetPriorities(levels(level))
	return p
}

func levels(level map[int]Priority) func(int) Priority {
	return func(piece int) Priority {
		if l, ok := level[piece]; ok {
			return l
		}
		return Normal
	}
}

func TestHigherPrioritiesFirst(t *testing.T) {
	p := prioritised(map[int]Priority{2: Low, 3: Unwanted, 5: High, 7: High, 9: Low, 11: Unwanted})
	p.addSeeds(1)
	p.addLeecher(2, 2, 3, 9, 11) // nothing of it is rare: only its own are counted
	p.addLeecher(3, 5, 7)        // makes the urgent ones the most common
	got := pieces(p.Pick(1, 1000, Mode{Rate: 1 << 20}, nil))
	if len(got) != 10 || slices.Contains(got, 3) || slices.Contains(got, 11) {
		t.Fatalf("picked %v", got)
	}
	urgent, late := slices.Sorted(slices.Values(got[:2])), slices.Sorted(slices.Values(got[8:]))
	if !slices.Equal(urgent, []int32{5, 7}) || !slices.Equal(late, []int32{2, 9}) {
		t.Errorf("picked in the order %v", got)
	}
	if !p.Endgame() {
		t.Error("no endgame with everything that is wanted asked for")
	}
}

func TestUnwantedIsOfNoInterest(t *testing.T) {
	p := prioritised(map[int]Priority{0: Unwanted, 1: Unwanted})
	p.addSeeds(1)
	p.addLeecher(2, 0, 1)
	if !p.Interesting(1) || p.Interesting(2) || p.Pick(2, 9, Mode{}, nil) != nil || p.Pick(2, 9, Mode{AllowedFast: []int32{0, 1}}, nil) != nil {
		t.Error("a peer with nothing that is wanted is of use")
	}
	if want := int64(10 * 4 * BlockSize); p.Left() != want {
		t.Errorf("%d bytes left, want %d", p.Left(), want)
	}
	for piece := 2; piece < 12; piece++ {
		p.PieceVerified(piece)
	}
	if p.Left() != 0 || p.Interesting(1) || p.Verified() != 10*4*BlockSize {
		t.Errorf("%d bytes left, %d verified, interesting %v", p.Left(), p.Verified(), p.Interesting(1))
	}
	p.PieceVerified(0) // as when it was complete before it was unwanted
	if p.Left() != 0 || p.Verified() != 11*4*BlockSize {
		t.Errorf("%d bytes left, %d verified", p.Left(), p.Verified())
	}
	p.SetPriorities(nil)
	if !p.Interesting(1) || !p.Interesting(2) || p.Left() != 4*BlockSize {
		t.Errorf("all is wanted again: %d left", p.Left())
	}
	if got := pieces(p.Pick(2, 9, Mode{}, nil)); !slices.Equal(got, []int32{1}) {
		t.Errorf("picked %v", got)
	}
}

// What is no longer wanted is given up, but for what waits for its verdict.
func TestNoLongerWanted(t *testing.T) {
	p := newPicker(4, 0)
	dropped := []int{}
	p.dropped = func(piece int) { dropped = append(dropped, piece) }
	p.addSeeds(1)
	blocks := p.Pick(1, 8, Mode{Rate: 1 << 20}, nil)
	done, half := blocks[0].Piece, blocks[4].Piece
	for _, b := range blocks[:5] {
		p.Received(1, b)
	}
	p.SetPriorities(levels(map[int]Priority{int(done): Unwanted, int(half): Unwanted}))
	if !slices.Equal(dropped, []int{int(half)}) || !p.Started(int(done)) || p.Partials() != 0 || p.inflight != 0 {
		t.Fatalf("dropped %v of %d and %d, %d partials, %d in flight", dropped, done, half, p.Partials(), p.inflight)
	}
	if ok, _ := p.Received(1, blocks[5]); ok {
		t.Error("a late block of a piece that is not wanted is welcome")
	}
	p.PieceFailed(int(done))
	if got := pieces(p.Pick(1, 99, Mode{}, nil)); len(got) != 2 || slices.Contains(got, done) || slices.Contains(got, half) {
		t.Errorf("picked %v, without %d and %d", got, done, half)
	}
	// Wanted again, it starts from nothing.
	p.SetPriorities(nil)
	if got := p.Pick(1, 99, Mode{}, nil); len(got) != 8 {
		t.Errorf("picked %v, want both pieces in full", got)
	}
}

// A change of priority alone takes nothing back.
func TestUrgencyChanges(t *testing.T) {
	p := newPicker(12, 0)
	p.addSeeds(1)
	first := p.Pick(1, 2, Mode{}, nil)
	p.SetPriorities(levels(map[int]Priority{int(first[0].Piece): Low, 4: High}))
	if !p.Started(int(first[0].Piece)) || p.inflight != 2 {
		t.Fatal("a started piece was given up")
	}
	if got := p.Pick(1, 6, Mode{Rate: 1 << 20}, nil); got[0].Piece != first[0].Piece || got[2].Piece != 4 && first[0].Piece != 4 {
		t.Errorf("picked %v after %v", got, first)
	}
}
