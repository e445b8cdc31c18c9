package picker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"lorrent/daemon/torrent/bitfield"
)

// newPicker returns one for n pieces of four blocks, of which the first had are
// verified.
func newPicker(n, had int) *Picker {
	have := bitfield.New(n)
	for i := range had {
		have.Set(i)
	}
	return New(Config{
		NumPieces: n, PieceLength: 4 * BlockSize, TotalLength: int64(n) * 4 * BlockSize,
		Have: have, Rand: rand.New(rand.NewPCG(1, 2)),
	})
}

func (p *Picker) addSeeds(ids ...PeerID) {
	for _, id := range ids {
		p.AddPeer(id)
		p.PeerHaveAll(id)
	}
}

func (p *Picker) addLeecher(id PeerID, pieces ...int) {
	bf := bitfield.New(p.numPieces)
	for _, i := range pieces {
		bf.Set(i)
	}
	p.AddPeer(id)
	p.PeerBitfield(id, bf)
}

// pieces returns which pieces the blocks belong to, each once, in order.
func pieces(blocks []Block) []int32 {
	var list []int32
	for _, b := range blocks {
		if !slices.Contains(list, b.Piece) {
			list = append(list, b.Piece)
		}
	}
	return list
}

func TestBlocksOfAPiece(t *testing.T) {
	tests := []struct {
		name               string
		pieceLength, total int64
		want               []Block
	}{
		{"two whole blocks", 2 * BlockSize, 2 * BlockSize, []Block{{0, 0, BlockSize}, {0, BlockSize, BlockSize}}},
		{"odd piece length", BlockSize + 1, BlockSize + 1, []Block{{0, 0, BlockSize}, {0, BlockSize, 1}}},
		{"short last piece", 4 * BlockSize, BlockSize + 7, []Block{{0, 0, BlockSize}, {0, BlockSize, 7}}},
		{"small pieces", 100, 30, []Block{{0, 0, 30}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := New(Config{NumPieces: 1, PieceLength: tt.pieceLength, TotalLength: tt.total})
			p.addSeeds(1)
			if got := p.Pick(1, 9, Mode{}, nil); !slices.Equal(got, tt.want) {
				t.Errorf("picked %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRarestFirst(t *testing.T) {
	build := func() *Picker {
		p := newPicker(8, 4)
		p.addSeeds(1)
		p.addLeecher(2, 4, 5, 6)
		p.addLeecher(3, 4, 5)
		p.addLeecher(4, 4)
		return p
	}
	tests := []struct {
		name string
		id   PeerID
		mode Mode
		want []int32
	}{
		{"a seed gives the rarest first", 1, Mode{}, []int32{7, 6, 5, 4}},
		{"a leecher the rarest it has", 2, Mode{}, []int32{6, 5, 4}},
		{"a snubbed peer the most common first", 1, Mode{Snubbed: true}, []int32{4, 5, 6, 7}},
		{"a snubbed leecher", 3, Mode{Snubbed: true}, []int32{4, 5}},
		{"a choked one only what is allowed", 1, Mode{AllowedFast: []int32{4, 6, 0}}, []int32{6, 4}},
		{"nothing is allowed", 1, Mode{AllowedFast: []int32{}}, nil},
		{"an allowed piece that the peer lacks", 4, Mode{AllowedFast: []int32{7}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := pieces(build().Pick(tt.id, 16, tt.mode, nil)); !slices.Equal(got, tt.want) {
				t.Errorf("pieces %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRarityFollowsHaves(t *testing.T) {
	p := newPicker(7, 4)
	p.addSeeds(1)
	p.addLeecher(2, 5, 6)
	p.addLeecher(3, 5)
	p.PeerHave(2, 4)
	p.PeerHave(3, 4) // now 4 and 5 are had twice, 6 once
	if got := pieces(p.Pick(1, 4, Mode{}, nil)); !slices.Equal(got, []int32{6}) {
		t.Errorf("picked %v, want the rarest, 6", got)
	}
	p.RemovePeer(2)
	p.RemovePeer(3)
	p.addLeecher(4, 4)
	if got := pieces(p.Pick(1, 4, Mode{}, nil)); !slices.Equal(got, []int32{5}) {
		t.Errorf("picked %v, want 5, which no leecher has", got)
	}
}

// The first four pieces are drawn from all, not from the rarest.
func TestFirstPiecesAreRandom(t *testing.T) {
	for _, id := range []PeerID{1, 2} { // a seed, a leecher
		seen := map[int32]bool{}
		for seed := range uint64(200) {
			p := newPicker(10, 0)
			p.rand = rand.New(rand.NewPCG(seed, 0))
			p.addSeeds(1)
			p.addLeecher(2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
			p.addLeecher(3, 1, 2, 3, 4, 5, 6, 7, 8, 9) // piece 0 is the rarest
			p.PeerHave(2, 0)
			seen[p.Pick(id, 1, Mode{}, nil)[0].Piece] = true
		}
		if len(seen) != 10 {
			t.Errorf("200 draws from peer %d gave only %v", id, seen)
		}
	}
}

// A leecher that lacks all of the rarest is given the rarest of what it has,
// though there are more pieces than are looked at one by one.
func TestRarestBeyondProbing(t *testing.T) {
	const n = 5000
	for seed := range uint64(200) {
		p := newPicker(n, 4)
		p.rand = rand.New(rand.NewPCG(seed, 0))
		p.AddPeer(1)
		p.AddPeer(2)
		for i := n - 300; i < n-200; i++ { // peer 1 has a hundred, all but one of them had twice
			p.PeerHave(1, i)
			if i != n-250 {
				p.PeerHave(2, i)
			}
		}
		p.AddPeer(3)
		for i := n - 300; i < n; i++ {
			p.PeerHave(3, i)
		}
		for mode, want := range map[bool]int{false: n - 250, true: -1} {
			got := int(p.Pick(1, 1, Mode{Snubbed: mode}, nil)[0].Piece)
			p.ReleaseAll(1)
			if got != want && !mode || got == n-250 && mode {
				t.Errorf("snubbed %v: picked %d, the rarest is %d", mode, got, n-250)
			}
		}
	}
}

func TestWhoSharesAPiece(t *testing.T) {
	fast, slow := Mode{Rate: 1 << 20}, Mode{Rate: 100}
	tests := []struct {
		name       string
		one, other Mode
		shared     bool
	}{
		{"two slow peers share", slow, slow, true},
		{"two fast peers do not", fast, fast, false},
		{"a slow one leaves a fast one alone", fast, slow, false},
		{"a fast one does not join a slow one", slow, fast, false},
		{"a snubbed one joins", fast, Mode{Snubbed: true}, true},
		{"nobody joins one on parole", Mode{Parole: true}, slow, false},
		{"one on parole joins nobody", slow, Mode{Parole: true}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPicker(10, 4)
			p.addSeeds(1, 2)
			one := p.Pick(1, 2, tt.one, nil)
			other := p.Pick(2, 1, tt.other, nil)
			if shared := one[0].Piece == other[0].Piece; shared != tt.shared {
				t.Errorf("shared %v, want %v", shared, tt.shared)
			}
			more := p.Pick(1, 1, tt.one, nil)
			if more[0].Piece != one[0].Piece {
				t.Errorf("went from piece %d to %d before its end", one[0].Piece, more[0].Piece)
			}
		})
	}
}

func TestLeftBehindPieceIsTakenOver(t *testing.T) {
	p := newPicker(10, 4)
	p.addSeeds(1, 2)
	fast := Mode{Rate: 1 << 20}
	picked := p.Pick(1, 2, fast, nil)
	p.Received(1, picked[0])
	p.RemovePeer(1)
	want := []Block{picked[1], {picked[0].Piece, 2 * BlockSize, BlockSize}, {picked[0].Piece, 3 * BlockSize, BlockSize}}
	if got := p.Pick(2, 3, fast, nil); !slices.Equal(got, want) {
		t.Errorf("picked %v, want the rest of the piece %v", got, want)
	}
}

// A fast peer's piece is open to slow ones once it is not at work on it, or has
// failed to deliver.
func TestFastPeersPieceOpensUp(t *testing.T) {
	tests := []struct {
		name string
		do   func(p *Picker, asked []Block)
		join bool
	}{
		{"it is at work", func(*Picker, []Block) {}, false},
		{"half is here", func(p *Picker, asked []Block) { p.Received(1, asked[0]) }, false},
		{"all it was asked for is here", func(p *Picker, asked []Block) {
			p.Received(1, asked[0])
			p.Received(1, asked[1])
		}, true},
		{"one timed out", func(p *Picker, asked []Block) { p.Release(1, asked[0]) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPicker(10, 4)
			p.addSeeds(1, 2)
			asked := p.Pick(1, 2, Mode{Rate: 1 << 20}, nil)
			tt.do(p, asked)
			if join := p.Pick(2, 1, Mode{}, nil)[0].Piece == asked[0].Piece; join != tt.join {
				t.Errorf("a slow peer joins: %v, want %v", join, tt.join)
			}
		})
	}
}

func TestSharersFinishWhatLacksLeast(t *testing.T) {
	for _, snubbed := range []bool{false, true} {
		p := newPicker(10, 4)
		p.addLeecher(1, 5)
		p.addLeecher(2, 6)
		p.addSeeds(3)
		p.Pick(1, 1, Mode{}, nil)
		p.Pick(2, 3, Mode{}, nil)
		want := int32(6)
		if snubbed {
			want = 5
		}
		if got := p.Pick(3, 1, Mode{Snubbed: snubbed}, nil)[0].Piece; got != want {
			t.Errorf("snubbed %v: joined piece %d, want %d", snubbed, got, want)
		}
	}
}

// With more than three open pieces for two peers, even fast peers share.
func TestCrowdedPeersShare(t *testing.T) {
	for open := 1; open <= 4; open++ {
		p := newPicker(100, 4)
		p.addSeeds(1, 2)
		for i := range int32(open) {
			p.Pick(1, 2, Mode{AllowedFast: []int32{10 + i}}, nil)
		}
		got := p.Pick(2, 1, Mode{Rate: 1 << 20}, nil)[0].Piece
		if joined := got >= 10 && got < 10+int32(open); joined != (open == 4) {
			t.Errorf("%d open pieces of another peer: joined %v", open, joined)
		}
	}
}

func TestParoleKeepsOthersOut(t *testing.T) {
	p := newPicker(10, 4)
	p.addSeeds(1, 2)
	parole := Mode{Parole: true}
	asked := p.Pick(1, 2, parole, nil)
	piece := asked[0].Piece
	p.Received(1, asked[0])
	if got := p.Pick(2, 1, Mode{}, nil)[0].Piece; got == piece {
		t.Errorf("joined piece %d of a peer on parole", piece)
	}
	p.ReleaseAll(2)
	p.RemovePeer(1)
	if got := p.Pick(2, 1, Mode{}, nil)[0].Piece; got != piece {
		t.Errorf("picked %d, want %d, whose owner is gone", got, piece)
	}
}

func TestParoleLeavesWhatOthersTouched(t *testing.T) {
	p := newPicker(10, 4)
	p.addSeeds(1, 2)
	asked := p.Pick(1, 2, Mode{}, nil)
	p.Received(2, asked[1]) // late: asked for before, timed out
	if got := p.Pick(1, 1, Mode{Parole: true}, nil)[0].Piece; got == asked[0].Piece {
		t.Errorf("on parole in piece %d, which has a block of another peer", got)
	}
}

func TestPieceWithoutBlocksIsDropped(t *testing.T) {
	p := newPicker(10, 4)
	var dropped []int
	p.dropped = func(piece int) { dropped = append(dropped, piece) }
	p.addSeeds(1)
	b := p.Pick(1, 2, Mode{}, nil)
	p.Release(1, b[0])
	if len(dropped) != 0 || !p.Started(int(b[0].Piece)) {
		t.Fatal("dropped while a block is on its way")
	}
	p.ReleaseAll(1)
	if !slices.Equal(dropped, []int{int(b[0].Piece)}) || p.Started(int(b[0].Piece)) || p.PartialBytes() != 0 {
		t.Errorf("dropped %v, want piece %d", dropped, b[0].Piece)
	}
}

func TestEndgame(t *testing.T) {
	p := newPicker(5, 4)
	p.addSeeds(1, 2, 3, 4)
	all := p.Pick(1, 3, Mode{}, nil)
	if p.Endgame() {
		t.Fatal("endgame while a block is free")
	}
	all = p.Pick(2, 9, Mode{}, all)
	if !p.Endgame() || len(all) != 4 {
		t.Fatalf("no endgame with all requested: %v", all)
	}
	if got := p.Pick(2, 9, Mode{}, nil); len(got) != 0 {
		t.Errorf("a peer that owes a block was asked for %v", got)
	}
	if got := p.Pick(3, 9, Mode{Parole: true}, nil); len(got) != 0 {
		t.Errorf("a peer on parole was asked for %v", got)
	}
	got := p.Pick(3, 9, Mode{}, nil)
	if len(got) != 1 {
		t.Fatalf("%d duplicates for an idle peer, want 1", len(got))
	}
	others := p.Others(got[0], 3, nil)
	if len(others) != 1 {
		t.Fatalf("block %v is also owed by %v, want one", got[0], others)
	}
	if ok, _ := p.Received(3, got[0]); !ok {
		t.Error("the duplicate is not wanted")
	}
	if ok, _ := p.Received(others[0], got[0]); ok {
		t.Error("the original is wanted after the duplicate came")
	}
}

func TestEndgameDuplicatesAtRandom(t *testing.T) {
	seen := map[Block]bool{}
	for seed := range uint64(100) {
		p := newPicker(6, 4)
		p.rand = rand.New(rand.NewPCG(seed, 0))
		p.addSeeds(1, 2)
		p.Pick(1, 8, Mode{}, nil)
		seen[p.Pick(2, 8, Mode{}, nil)[0]] = true
	}
	if len(seen) != 8 {
		t.Errorf("100 draws from 8 blocks gave %d", len(seen))
	}
}

func TestEndgameAsksAtMostThree(t *testing.T) {
	p := New(Config{NumPieces: 1, PieceLength: BlockSize, TotalLength: BlockSize})
	p.addSeeds(1, 2, 3, 4)
	for id, want := range []int{1, 1, 1, 0} {
		if got := p.Pick(PeerID(id+1), 5, Mode{}, nil); len(got) != want {
			t.Errorf("peer %d got %d blocks, want %d", id+1, len(got), want)
		}
	}
}

func TestCompletePieceWaitsForItsVerdict(t *testing.T) {
	p := newPicker(5, 4)
	p.addSeeds(1, 2)
	for i, b := range p.Pick(1, 4, Mode{}, nil) {
		if ok, complete := p.Received(1, b); !ok || complete != (i == 3) {
			t.Fatalf("block %d: ok %v, complete %v", i, ok, complete)
		}
	}
	if got := p.Pick(2, 1, Mode{}, nil); got != nil || p.Endgame() || p.Partials() != 0 {
		t.Errorf("picked %v while the piece is verified", got)
	}
	p.PieceFailed(4)
	if got := p.Pick(2, 9, Mode{}, nil); len(got) != 4 {
		t.Errorf("after a bad hash picked %v, want the piece again", got)
	}
	p.PieceVerified(4)
	if p.Left() != 0 || !p.Have().All() || p.Interesting(1) || p.inflight != 0 {
		t.Errorf("after the last piece: %d bytes left, %d in flight", p.Left(), p.inflight)
	}
}

func TestReceivedRefuses(t *testing.T) {
	p := newPicker(6, 4)
	p.addSeeds(1)
	b := p.Pick(1, 1, Mode{}, nil)[0]
	for name, bad := range map[string]Block{
		"a piece not started":  {9 - b.Piece, 0, BlockSize},
		"a piece had":          {0, 0, BlockSize},
		"a piece out of range": {99, 0, BlockSize},
		"a negative piece":     {-1, 0, BlockSize},
		"an odd begin":         {b.Piece, 1, BlockSize},
		"a negative begin":     {b.Piece, -BlockSize, BlockSize},
		"a begin past the end": {b.Piece, 4 * BlockSize, BlockSize},
		"a wrong length":       {b.Piece, 0, 100},
	} {
		if ok, complete := p.Received(1, bad); ok || complete {
			t.Errorf("%s: ok %v, complete %v", name, ok, complete)
		}
	}
}

func TestLateBlockIsWelcome(t *testing.T) {
	p := newPicker(6, 4)
	p.addSeeds(1, 2)
	b := p.Pick(1, 2, Mode{}, nil)
	p.Release(1, b[1])
	if ok, _ := p.Received(1, b[1]); !ok {
		t.Error("a block that came after its time-out is refused though nobody else was asked")
	}
	p.RemovePeer(1)
	if ok, _ := p.Received(1, b[0]); !ok {
		t.Error("a block that a removed peer left in the buffer is refused")
	}
	if got := p.Pick(2, 2, Mode{}, nil); got[0].Begin != 2*BlockSize {
		t.Errorf("picked %v after the first two blocks were dealt with", got)
	}
}

// The bytes in partials stay below the limit while partials have free blocks
// for the peer, and never exceed twice that.
func TestPartialLimit(t *testing.T) {
	p := newPicker(100, 4)
	p.maxPartialBytes = 3 * p.pieceLength
	fast := Mode{Rate: 1 << 20}
	for id := range PeerID(10) {
		p.addSeeds(id)
		p.Pick(id, 1, fast, nil)
	}
	if p.Partials() != 3 {
		t.Errorf("%d partials with room for 3 and peers that can share", p.Partials())
	}
	for id := range PeerID(10) {
		p.Pick(id, 100, fast, nil)
	}
	if p.Partials() != 6 {
		t.Errorf("%d partials after all blocks were asked for, want twice 3", p.Partials())
	}
}

func TestOnePieceIsAlwaysAllowed(t *testing.T) {
	p := New(Config{NumPieces: 9, PieceLength: 4 * BlockSize, TotalLength: 36 * BlockSize, MaxPartialBytes: 1})
	p.addSeeds(1)
	p.addLeecher(2, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	if got := len(pieces(p.Pick(1, 100, Mode{}, nil))); got != 2 {
		t.Errorf("%d pieces begun, want one and as many again for a peer without work", got)
	}
}

// What makes room is what cost least; a peer that chokes us is not worth it.
func TestWhoMakesRoom(t *testing.T) {
	for _, received := range [][]int{{2, 1}, {1, 2}} { // of pieces 10 and 11, which peers 0 and 1 have
		p := newPicker(100, 4)
		p.maxPartialBytes = p.pieceLength
		for id, n := range received {
			p.addLeecher(PeerID(id), 10+id)
			for _, b := range p.Pick(PeerID(id), n, Mode{}, nil) {
				p.Received(PeerID(id), b)
			}
		}
		kept := 10 + slices.Index(received, 2)
		p.addLeecher(3, 20)
		if got := p.Pick(3, 1, Mode{AllowedFast: []int32{20}}, nil); got != nil {
			t.Errorf("picked %v for a peer that chokes us, at the limit", got)
		}
		if got := p.Pick(3, 1, Mode{}, nil); len(got) != 1 || !p.Started(kept) || p.Partials() != 2 {
			t.Errorf("received %v: picked %v, still begun: 10 %v, 11 %v", received, got, p.Started(10), p.Started(11))
		}
		p.addLeecher(4, 30) // 20 is on its way, the other one can still be had
		if got := p.Pick(4, 1, Mode{}, nil); got != nil {
			t.Errorf("picked %v although others are at work", got)
		}
		p.RemovePeer(PeerID(kept - 10)) // now nobody has it any more
		if got := p.Pick(4, 1, Mode{}, nil); len(got) != 1 || p.Started(kept) {
			t.Errorf("picked %v; piece %d, which nobody has, still begun: %v", got, kept, p.Started(kept))
		}
	}
}

// Pieces that only departed peers had must not keep the rest from going on.
func TestStrandedPartialsMakeRoom(t *testing.T) {
	p := newPicker(100, 4)
	p.maxPartialBytes = p.pieceLength
	dropped := 0
	p.dropped = func(int) { dropped++ }
	for i := range 20 {
		id := PeerID(i)
		p.addLeecher(id, 10+i)
		b := p.Pick(id, 1, Mode{}, nil)
		if len(b) != 1 {
			t.Fatalf("peer %d may not start although nothing is on its way", i)
		}
		p.Received(id, b[0])
		p.RemovePeer(id)
		if p.PartialBytes() > 2*p.pieceLength {
			t.Fatalf("%d bytes in partials", p.PartialBytes())
		}
	}
	if dropped != 18 {
		t.Errorf("%d pieces dropped, want 18", dropped)
	}
}

func TestUnknownPeersAndPiecesAreIgnored(t *testing.T) {
	p := newPicker(5, 4)
	p.PeerHave(1, 4)
	p.PeerBitfield(1, bitfield.New(5))
	p.PeerHaveAll(1)
	p.RemovePeer(1)
	p.ReleaseAll(1)
	p.AddPeer(1)
	p.PeerHave(1, 5)
	p.PeerHave(1, -1)
	p.PeerBitfield(1, bitfield.New(6))
	p.PieceVerified(-1)
	p.PieceVerified(5)
	p.PieceFailed(9)
	if got := p.Availability(); !slices.Equal(got, make([]int, 5)) {
		t.Errorf("availability %v", got)
	}
	if p.Interesting(1) || p.Interesting(2) || p.PeerHas(1, 5) || p.Pick(2, 1, Mode{}, nil) != nil {
		t.Error("a peer without pieces is of use")
	}
}

// A peer that long runs are cheap for gets pieces that follow each other, as
// long as none is rarer.
func TestRunsOfPieces(t *testing.T) {
	p := newPicker(64, 0)
	p.AddPeer(1)
	p.PeerHaveAll(1)
	follows := 0
	last := int32(-2)
	for range 20 {
		for _, b := range p.Pick(1, 1, Mode{Run: true}, nil) {
			if b.Piece == last+1 {
				follows++
			}
			last = b.Piece
			for _, rest := range p.Pick(1, 100, Mode{Run: true}, nil) {
				if rest.Piece == last+1 {
					follows++
				}
				last = rest.Piece
			}
		}
	}
	if follows < 30 {
		t.Errorf("%d pieces followed the one before, of 64", follows)
	}
	// A rarer piece comes first.
	p = newPicker(64, 5) // no random pieces at the beginning
	for id := PeerID(1); id <= 3; id++ {
		p.AddPeer(id)
	}
	p.PeerHaveAll(1)
	for i := range 64 {
		if i != 40 {
			p.PeerHave(2, i)
		}
	}
	if b := p.Pick(1, 1, Mode{Run: true}, nil); len(b) != 1 || b[0].Piece != 40 {
		t.Errorf("picked %v, not the rarest", b)
	}
	if b := p.Pick(1, 200, Mode{Run: true}, nil); len(b) == 0 {
		t.Error("nothing more is picked")
	}
}

// A block that turns out to be wrong is asked for again, and its piece goes on.
func TestSpoilt(t *testing.T) {
	p := New(Config{NumPieces: 1, PieceLength: 3 * BlockSize, TotalLength: 3 * BlockSize})
	p.AddPeer(1)
	p.PeerHaveAll(1)
	blocks := p.Pick(1, 3, Mode{}, nil)
	if len(blocks) != 3 {
		t.Fatalf("picked %v", blocks)
	}
	p.Received(1, blocks[0])
	p.Received(1, blocks[1])
	p.Spoilt(blocks[0])
	p.Spoilt(blocks[2]) // was not received
	if got := p.Pick(1, 9, Mode{}, nil); len(got) != 1 || got[0] != blocks[0] {
		t.Fatalf("picked %v, want %v", got, blocks[0])
	}
	p.Received(1, blocks[0])
	if _, complete := p.Received(1, blocks[2]); !complete {
		t.Error("the piece is not complete")
	}
	p.Spoilt(blocks[0]) // too late: the piece waits for its verdict
	p.PieceVerified(0)
	if p.Left() != 0 || p.Partials() != 0 || p.PartialBytes() != 0 {
		t.Errorf("%d left, %d partials", p.Left(), p.Partials())
	}
	// With nothing else in it the piece is as good as not started.
	dropped := 0
	p = New(Config{NumPieces: 1, PieceLength: BlockSize * 2, TotalLength: BlockSize * 2, Dropped: func(int) { dropped++ }})
	p.AddPeer(1)
	p.PeerHaveAll(1)
	blocks = p.Pick(1, 1, Mode{}, nil)
	p.Received(1, blocks[0])
	p.Spoilt(blocks[0])
	if dropped != 1 || p.Started(0) {
		t.Errorf("dropped %d times", dropped)
	}
}

// A piece that waits for its verdict lacks the blocks that were wrong, and no
// others, when that is known.
func TestSpoiltOfACompletePiece(t *testing.T) {
	p := New(Config{NumPieces: 2, PieceLength: 3 * BlockSize, TotalLength: 6 * BlockSize})
	p.addSeeds(1, 2)
	got := p.Pick(1, 3, Mode{}, nil)
	for i, b := range got {
		if _, complete := p.Received(1, b); complete != (i == 2) {
			t.Fatalf("block %d: complete %v", i, complete)
		}
	}
	p.Spoilt(got[1])
	p.Spoilt(got[1])
	if p.Partials() != 1 || p.PartialBytes() != 3*BlockSize {
		t.Errorf("%d partials with %d bytes", p.Partials(), p.PartialBytes())
	}
	again := p.Pick(2, 1, Mode{}, nil)
	if len(again) != 1 || again[0] != got[1] {
		t.Fatalf("picked %+v, want %+v", again, got[1])
	}
	if ok, complete := p.Received(2, again[0]); !ok || !complete {
		t.Error("not complete again")
	}
	if p.PieceVerified(int(got[0].Piece)); p.Left() != 3*BlockSize || p.Partials() != 0 {
		t.Errorf("%d bytes left, %d partials", p.Left(), p.Partials())
	}
}
