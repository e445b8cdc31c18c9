package torrent

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// stage2 is an engine that begins to download a torrent with hash trees.
type stage2 struct {
	*scene
	torrent []byte
}

// newStage2 has a torrent of 20 pieces of 8 blocks and a shorter one, of which
// the engine has nothing.
func newStage2(t testing.TB, format metainfo.Format) *stage2 {
	t.Helper()
	return newStage2Of(t, format, 128<<10, 20*(128<<10)+50_000)
}

func newStage2Of(t testing.TB, format metainfo.Format, pieceLength int64, size int) *stage2 {
	t.Helper()
	made, dir := t.TempDir(), t.TempDir()
	torrent, info := makeFormat(t, made, format, pieceLength, nil, size)
	data, err := os.ReadFile(filepath.Join(made, "payload"))
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, dir, nil)
	s := &stage2{scene: &scene{node: n, info: info, data: data}, torrent: torrent}
	s.h = add(t, n, torrent)
	n.waitFor(t, s.h, "start", func(st Status) bool {
		begun := false
		n.do(t, s.h, func(s *session) { begun = s.phase == moving })
		return begun
	})
	return s
}

// seed is an honest one that speaks v2, and knows all hashes.
func (s *stage2) seed() torrenttest.SeedConfig {
	c := s.seedConfig()
	c.V2 = true
	c.InfoHash = s.info.V2.Short()
	c.Hash = s.answer
	return c
}

// answer answers a hash request truthfully.
func (s *stage2) answer(p *torrenttest.Peer, m peerwire.Message) bool {
	q, _, err := hashtree.ParseRequest(m.Bytes)
	if err == nil {
		err = q.Check(hashtree.Blocks(int64(len(s.data))))
	}
	if err != nil {
		p.Close()
		return true
	}
	tree := hashtree.New(hashtree.Leaves(s.data), 0)
	p.Say(peerwire.AppendHash(nil, peerwire.Hashes, hashtree.Append(q.Bytes(), q.Answer(tree.At))))
	return true
}

func rejectHashes(p *torrenttest.Peer, m peerwire.Message) bool {
	p.Say(peerwire.AppendHash(nil, peerwire.HashReject, m.Bytes))
	return true
}

// A wrong block is known by its own hash: its sender is banned for that block of
// that piece, no more than the piece is lost, and nobody else suffers.
func TestWrongBlockIsBlamedAtOnce(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V2, metainfo.Hybrid} {
		s := newStage2(t, format)
		liar := s.seed()
		liar.Answer = liar.Corrupt(func(r peerwire.Message) bool { return r.Begin == 3*peerwire.BlockSize })
		s.meet(t, torrenttest.StartSeed(t, liar))
		s.waitFor(t, s.h, "ban", func(Status) bool { return len(s.bans()) > 0 })
		if bans := s.bans(); len(bans) != 1 || !strings.HasPrefix(bans[0], "sent block 3 of piece ") || !strings.HasSuffix(bans[0], "with a wrong hash") {
			t.Errorf("bans: %q", bans)
		}
		st := s.waitFor(t, s.h, "end of the connection", func(st Status) bool { return st.Peers == 0 })
		if st.WastedBytes == 0 || st.WastedBytes > s.info.PieceLength {
			t.Errorf("%d bytes wasted", st.WastedBytes)
		}
		s.meet(t, torrenttest.StartSeed(t, s.seed()))
		st = s.waitFor(t, s.h, "download", seeding)
		if st.WastedBytes > s.info.PieceLength || len(s.bans()) != 1 {
			t.Errorf("%d bytes wasted, bans %q", st.WastedBytes, s.bans())
		}
		s.sameContent(t)
	}
}

// A liar that keeps the hashes to itself is found as in v1, or by those of the
// next peer.
func TestLiarWithoutHashes(t *testing.T) {
	t.Parallel()
	s := newStage2(t, metainfo.V2)
	liar := s.seed()
	liar.Hash = rejectHashes
	liar.Answer = liar.Corrupt(func(r peerwire.Message) bool { return r.Begin == 0 })
	s.meet(t, torrenttest.StartSeed(t, liar))
	s.waitFor(t, s.h, "ban", func(Status) bool { return len(s.bans()) > 0 })
	if bans := s.bans(); !strings.Contains(bans[0], "with a wrong hash") {
		t.Errorf("bans: %q", bans)
	}
	s.meet(t, torrenttest.StartSeed(t, s.seed()))
	s.waitFor(t, s.h, "download", seeding)
	s.sameContent(t)
}

// Wrong leaves cost their sender its connection, and nothing is believed of them.
func TestWrongLeaves(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func([]hashtree.Hash) []hashtree.Hash{
		"wrong":    func(h []hashtree.Hash) []hashtree.Hash { h[1][7] ^= 1; return h },
		"too few":  func(h []hashtree.Hash) []hashtree.Hash { return h[1:] },
		"too many": func(h []hashtree.Hash) []hashtree.Hash { return append(h, h[0]) },
		"none":     func([]hashtree.Hash) []hashtree.Hash { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage2(t, metainfo.V2)
			liar := s.seed()
			liar.Hash = func(p *torrenttest.Peer, m peerwire.Message) bool {
				q, _, err := hashtree.ParseRequest(m.Bytes)
				if err != nil {
					return false
				}
				leaves := hashtree.Leaves(s.data)
				hashes := q.Answer(hashtree.New(leaves, 0).At)
				p.Say(peerwire.AppendHash(nil, peerwire.Hashes, hashtree.Append(q.Bytes(), spoil(hashes))))
				return true
			}
			seed := torrenttest.StartSeed(t, liar)
			s.meet(t, seed)
			s.waitFor(t, s.h, "end of the connection", func(st Status) bool { return seed.Met.Load() > 0 && st.Peers == 0 })
			s.meet(t, torrenttest.StartSeed(t, s.seed()))
			s.waitFor(t, s.h, "download", seeding)
			s.sameContent(t)
		})
	}
}

// A peer that called a hybrid torrent by its v1 hash and speaks v2 is answered
// with the v2 hash; one that does not is answered as before.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := newStage2(t, metainfo.Hybrid)
	for _, c := range []struct {
		name       string
		call, want metainfo.Hash
		v2         bool
	}{
		{"v1 peer", s.info.Hash, s.info.Hash, false},
		{"v2 peer by the v1 hash", s.info.Hash, s.info.V2.Short(), true},
		{"v2 peer by the v2 hash", s.info.V2.Short(), s.info.V2.Short(), true},
		{"v2 hash, bit not set", s.info.V2.Short(), s.info.V2.Short(), false},
	} {
		p := torrenttest.Dial(t, s.addr(), torrenttest.Options{InfoHash: c.call, Pieces: s.info.NumPieces(), V2: c.v2})
		if p.Theirs.InfoHash != c.want || !p.Theirs.V2() {
			t.Errorf("%s: answered %x, want %v", c.name, p.Theirs.InfoHash, c.want)
		}
		p.Close()
	}
	only := newStage2(t, metainfo.V2)
	p := torrenttest.Dial(t, only.addr(), torrenttest.Options{InfoHash: only.info.V2.Short(), Pieces: only.info.NumPieces(), V2: true})
	if p.Theirs.InfoHash != only.info.V2.Short() || !p.Theirs.V2() {
		t.Errorf("v2 only: answered %x", p.Theirs.InfoHash)
	}
	// We call a peer by the v1 hash, which it may answer with the other.
	up := s.seed()
	up.InfoHash = s.info.V2.Short()
	s.meet(t, torrenttest.StartSeed(t, up))
	s.waitFor(t, s.h, "download", seeding)
	s.sameContent(t)
}

// seedingStage has everything, and a peer that asks for hashes.
func seedingStage(t testing.TB, format metainfo.Format) (*stage2, *torrenttest.Peer) {
	t.Helper()
	s := newStage2(t, format)
	s.meet(t, torrenttest.StartSeed(t, s.seed()))
	s.waitFor(t, s.h, "download", seeding)
	p := torrenttest.Dial(t, s.addr(), torrenttest.Options{InfoHash: s.info.V2.Short(), Pieces: s.info.NumPieces(), V2: true})
	return s, p
}

func TestHashesAreServed(t *testing.T) {
	t.Parallel()
	for _, format := range []metainfo.Format{metainfo.V2, metainfo.Hybrid} {
		s, p := seedingStage(t, format)
		blocks := hashtree.Blocks(int64(len(s.data)))
		leaves := hashtree.Leaves(s.data)
		tree := hashtree.New(leaves, 0)
		root := tree.Root()
		for _, q := range []hashtree.Request{
			hashtree.Whole(root, blocks, 3, 0, 32),      // the piece layer, balanced
			hashtree.Whole(root, blocks, 3, 16, 8),      // part of it, to its end and beyond
			hashtree.Whole(root, blocks, 4, 2, 2),       // above the pieces
			hashtree.Whole(root, blocks, 0, 8, 8),       // the leaves of a piece
			hashtree.Whole(root, blocks, 0, 160, 8),     // of the last one, which is shorter
			hashtree.Whole(root, blocks, 0, 168, 8),     // of what is not there any more
			hashtree.Whole(root, blocks, 0, 32, 32),     // of several pieces
			hashtree.Whole(root, blocks, 1, 2, 2),       // between
			{Root: root, Base: 0, Index: 16, Length: 8}, // without a proof
			{Root: root, Base: 3, Index: 20, Length: 1}, // cut by the end of the layer
			{Root: root, Base: 0, Index: 2, Length: 2, Proof: 2},
		} {
			p.Say(peerwire.AppendHash(nil, peerwire.HashRequest, q.Bytes()))
			m := p.ExpectThat(t, "hashes", func(m torrenttest.Message) bool { return m.ID == peerwire.Hashes || m.ID == peerwire.HashReject })
			got, hashes, err := hashtree.ParseRequest(m.Bytes)
			if err != nil || m.ID != peerwire.Hashes || got != q {
				t.Errorf("%+v: message %d, %+v, %v", q, m.ID, got, err)
				continue
			}
			want := q.Answer(tree.At)
			if string(hashtree.Append(nil, hashes)) != string(hashtree.Append(nil, want)) {
				t.Errorf("%+v: wrong hashes", q)
			}
		}
	}
}

// Requests that cannot be answered are refused, and too many of them end the
// connection.
func TestHashRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s, p := seedingStage(t, metainfo.V2)
	root := s.info.Files[0].Root
	for _, q := range []hashtree.Request{
		{},
		{Root: hashtree.Hash{1}, Length: 2},
		{Root: root, Length: 0},
		{Root: root, Length: 3},
		{Root: root, Length: 1 << 31},
		{Root: root, Index: 1 << 31, Length: 2},
		{Root: root, Base: 99, Length: 2},
		{Root: root, Length: 2, Proof: 99},
	} {
		p.Say(peerwire.AppendHash(nil, peerwire.HashRequest, q.Bytes()))
		m := p.ExpectThat(t, "refusal", func(m torrenttest.Message) bool { return m.ID == peerwire.Hashes || m.ID == peerwire.HashReject })
		if m.ID != peerwire.HashReject || string(m.Bytes) != string(q.Bytes()) {
			t.Errorf("%+v: message %d", q, m.ID)
		}
	}
	// Answers that nobody asked for are counted.
	stray := peerwire.AppendHash(nil, peerwire.HashReject, hashtree.Request{Length: 2}.Bytes())
	for range maxStrayHashes + 1 {
		p.Say(stray)
	}
	p.ExpectClosed(t)

	// Pieces that are not there have no leaves to give.
	empty := newStage2(t, metainfo.V2)
	q := torrenttest.Dial(t, empty.addr(), torrenttest.Options{InfoHash: empty.info.V2.Short(), Pieces: empty.info.NumPieces(), V2: true})
	leaves := leafRequests(empty.info, 2)
	if len(leaves) != 1 {
		t.Fatal("no request")
	}
	q.Say(peerwire.AppendHash(nil, peerwire.HashRequest, leaves[0].Bytes()))
	q.Expect(t, peerwire.HashReject)
}

// In a torrent that is v1 only there is nothing to ask.
func TestHashRequestsInV1(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	p := s.dial(t)
	p.Say(peerwire.AppendHash(nil, peerwire.HashRequest, hashtree.Request{Length: 2}.Bytes()))
	p.Expect(t, peerwire.HashReject)
	s.completes(t)
}

// A torrent whose halves are of different data is an error that says so.
func TestConflict(t *testing.T) {
	t.Parallel()
	made := t.TempDir()
	_, a := makeFormat(t, filepath.Join(made, "a"), metainfo.Hybrid, 64<<10, nil, 300_000)
	torrent, _ := makeFormat(t, filepath.Join(made, "b"), metainfo.Hybrid, 64<<10, nil, 300_001)
	_ = a
	// The v1 hash of one piece is of other data: the seed has what v2 wants.
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(torrent), string(m.Info.PieceHash(2)), strings.Repeat("x", 20), 1)
	data, err := os.ReadFile(filepath.Join(made, "b", "payload"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err = metainfo.Parse([]byte(broken)); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, t.TempDir(), nil)
	s := &scene{node: n, info: m.Info, data: data}
	s.h = add(t, n, []byte(broken))
	seed := torrenttest.StartSeed(t, s.seedConfig())
	s.waitFor(t, s.h, "start", func(st Status) bool { return st.State == Downloading })
	s.do(t, s.h, func(se *session) { se.learn([]netip.AddrPort{seed.Addr()}, "tracker") })
	st := s.waitFor(t, s.h, "failure", failed)
	if !strings.Contains(st.Error, "piece 2: the torrent contradicts itself") {
		t.Errorf("error %q", st.Error)
	}
	if len(s.bans()) > 0 {
		t.Errorf("the seed was banned: %q", s.bans())
	}
	// So does a recheck of what is there.
	if err := os.WriteFile(filepath.Join(n.dir, "payload"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.Recheck(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	st = s.waitFor(t, s.h, "failure of the recheck", func(st Status) bool { return failed(st) && strings.Contains(st.Error, "contradicts itself") })
}
