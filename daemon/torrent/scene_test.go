package torrent

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

const sceneHave = 4 // pieces that a scene's engine begins with

// scene is an engine in the middle of a download: it has the first pieces, and
// is connected to an honest seed that chokes it until release is called.
type scene struct {
	*node
	h       metainfo.Hash
	info    *metainfo.Info
	data    []byte
	honest  *torrenttest.Seed
	release func()
}

// newScene sets the stage with a torrent of 20 pieces of 32 KiB and a shorter one.
func newScene(t testing.TB, change func(*Config)) *scene {
	t.Helper()
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 32<<10, nil, 20*(32<<10)+5000)
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{info: m.Info}
	path := filepath.Join(dir, "data", "payload")
	if s.data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	partial := make([]byte, len(s.data))
	copy(partial, s.data[:sceneHave*s.info.PieceLength])
	if err := os.WriteFile(path, partial, 0o644); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	s.release = func() { close(hold) }
	cfg := s.seedConfig()
	cfg.Hold = hold
	if change != nil {
		var engine Config
		change(&engine)
		cfg.Encrypted = engine.Encryption == RequireEncryption
	}
	s.honest = torrenttest.StartSeed(t, cfg)
	s.node = startNode(t, dir, change)
	s.h = add(t, s.node, torrent)
	s.waitFor(t, s.h, "part of the payload is found", func(st Status) bool { return st.State == Downloading })
	s.meet(t, s.honest)
	s.waitFor(t, s.h, "honest seed is met", func(st Status) bool { return st.Peers == 1 })
	return s
}

// seedConfig is an honest seed of the scene's torrent.
func (s *scene) seedConfig() torrenttest.SeedConfig {
	return torrenttest.SeedConfig{Options: s.options(), Data: s.data, PieceLength: s.info.PieceLength}
}

func (s *scene) options() torrenttest.Options {
	return torrenttest.Options{InfoHash: s.info.Hash, Pieces: s.info.NumPieces()}
}

func (s *scene) addr() string { return s.Stats().ListenAddress }

func (s *scene) dial(t testing.TB) *torrenttest.Peer {
	t.Helper()
	return torrenttest.Dial(t, s.addr(), s.options())
}

// do runs fn in the session.
func (n *node) do(t testing.TB, h metainfo.Hash, fn func(*session)) {
	t.Helper()
	tt, ok := n.find(h)
	if !ok {
		t.Fatalf("no torrent %s", h)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := tt.call(ctx, func(s *session) error { fn(s); return nil }); err != nil {
		t.Fatal(err)
	}
}

// meet tells the engine where a seed is.
func (s *scene) meet(t testing.TB, seeds ...*torrenttest.Seed) {
	t.Helper()
	s.do(t, s.h, func(se *session) {
		for _, seed := range seeds {
			se.learn([]netip.AddrPort{seed.Addr()}, "tracker")
		}
	})
}

// completes lets the honest seed go on and waits for the right content.
func (s *scene) completes(t testing.TB) {
	t.Helper()
	s.release()
	s.waitFor(t, s.h, "download", seeding)
	s.sameContent(t)
}

func (s *scene) sameContent(t testing.TB) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(s.dir, "payload"))
	if err != nil || string(got) != string(s.data) {
		t.Errorf("content differs, %v", err)
	}
}

// bans returns the reasons of the bans so far.
func (n *node) bans() (reasons []string) {
	events, _, _ := n.events.Since(context.Background(), 0)
	for _, e := range events {
		if b, ok := e.Data.(event.PeerBanned); ok {
			reasons = append(reasons, b.Reason)
		}
	}
	return reasons
}

// unchoked makes the engine unchoke the peer.
func unchoked(t testing.TB, p *torrenttest.Peer) {
	t.Helper()
	p.Say(peerwire.AppendMessage(nil, peerwire.Interested))
	if !p.Unchoked {
		p.Expect(t, peerwire.Unchoke)
	}
}
