package torrent

import (
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

const superPieces = 10

// superSeeder is an engine that super-seeds ten pieces of 16 KiB.
func superSeeder(t *testing.T) *scene {
	t.Helper()
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, superPieces*(16<<10))
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{node: startNode(t, dir, nil), info: m.Info}
	st, _, err := s.Add(ctx, torrent, AddOptions{SuperSeed: true})
	if err != nil {
		t.Fatal(err)
	}
	s.h = st.InfoHash
	s.waitFor(t, s.h, "its data is found", func(st Status) bool { return seeding(st) && st.SuperSeeding })
	return s
}

// shownPiece waits for the next piece that a peer is shown.
func shownPiece(t *testing.T, p *torrenttest.Peer) uint32 {
	t.Helper()
	return p.ExpectThat(t, "a piece that is shown", func(m torrenttest.Message) bool {
		if m.ID == peerwire.HaveAll || m.ID == peerwire.Bitfield {
			t.Errorf("message %d tells everything", m.ID)
		}
		return m.ID == peerwire.Have
	}).Index
}

// Pieces are shown one after the other, each to one peer first, and another one
// when somebody else has got one; what is not shown is not given.
func TestSuperSeed(t *testing.T) {
	t.Parallel()
	s := superSeeder(t)
	a, b := s.dial(t), s.dial(t)
	seen := make(map[uint32]bool)
	var first uint32
	for _, p := range []*torrenttest.Peer{a, a, b, b} {
		piece := shownPiece(t, p)
		if seen[piece] {
			t.Errorf("piece %d is shown twice", piece)
		}
		seen[piece] = true
		if p == a && len(seen) == 1 {
			first = piece
		}
	}
	unchoked(t, a)
	for piece := range uint32(superPieces) {
		a.Say(request(piece, 0, 1))
		got := a.ExpectThat(t, "an answer", func(m torrenttest.Message) bool { return m.ID == peerwire.Piece || m.ID == peerwire.Reject })
		if isA := got.ID == peerwire.Piece; got.Index != piece || isA && !seen[piece] {
			t.Errorf("piece %d is answered with %d for %d", piece, got.ID, got.Index)
		}
	}
	a.Say(have(first)) // it is to pass the piece on
	s.becomes(t, "the piece is there", func(se *session) bool { return se.content.picker.Availability()[first] == 1 })
	b.Say(have(first)) // it has
	if next := shownPiece(t, a); seen[next] {
		t.Errorf("piece %d is shown again", next)
	}
}

// One that is alone need not pass anything on, and one whose pieces nobody
// takes is shown others in the end.
func TestSuperSeedGoesOn(t *testing.T) {
	t.Parallel()
	s := superSeeder(t)
	a := s.dial(t)
	first := shownPiece(t, a)
	shownPiece(t, a)
	a.Say(have(first))
	third := shownPiece(t, a)
	b := s.dial(t)
	shownPiece(t, b)
	a.Say(have(third))
	s.becomes(t, "the piece is there", func(se *session) bool { return se.content.picker.Availability()[third] == 1 })
	s.do(t, s.h, func(se *session) { se.superSeedTick(time.Now().Add(2 * shownPatience)) })
	shownPiece(t, a)
}

// With another seed it is a seed like any other.
func TestSuperSeedEnds(t *testing.T) {
	t.Parallel()
	s := superSeeder(t)
	a := s.dial(t)
	for range shownAtOnce {
		shownPiece(t, a)
	}
	seed := s.dial(t)
	seed.Say(peerwire.AppendMessage(nil, peerwire.HaveAll))
	seed.ExpectClosed(t)
	for range superPieces { // all of them
		shownPiece(t, a)
	}
	s.dial(t).Expect(t, peerwire.HaveAll)
	plain := func(st Status) bool { return seeding(st) && !st.SuperSeeding }
	s.waitFor(t, s.h, "it says so", plain)
	s.node = s.restart(t) // and stays one
	s.waitFor(t, s.h, "it still says so", plain)
	s.dial(t).Expect(t, peerwire.HaveAll)
}

// It is shown for as long as it seeds, whether or not anybody works on it.
func TestSuperSeedIsShown(t *testing.T) {
	t.Parallel()
	s := superSeeder(t)
	s.do(t, s.h, func(se *session) {
		if st := statusOf(se.record); !st.SuperSeeding {
			t.Errorf("with nobody at work on it: %+v", st)
		}
		part := se.record
		part.VerifiedBytes--
		if st := statusOf(part); st.SuperSeeding {
			t.Errorf("with a part missing: %+v", st)
		}
	})
	if err := s.Stop(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, s.h, "stop", func(st Status) bool { return st.State == Stopped && !st.SuperSeeding })
}

// The whole way: two downloads from one that super-seeds.
func TestSuperSeedDownloads(t *testing.T) {
	t.Parallel()
	s := superSeeder(t)
	torrent, err := metainfo.Build(filepath.Join(s.dir, "payload"), metainfo.BuildOptions{PieceLength: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var leeches []*node
	for range 2 {
		n := startNode(t, t.TempDir(), func(c *Config) { c.pexInterval = 100 * time.Millisecond })
		if h := add(t, n, torrent); h != s.h {
			t.Skip("built otherwise")
		}
		n.learns(t, s.h, s.address())
		leeches = append(leeches, n)
	}
	for _, n := range leeches {
		n.waitFor(t, s.h, "download", seeding)
		if treeSum(t, n.dir) != treeSum(t, s.dir) {
			t.Error("content differs")
		}
	}
}
