package torrent

import (
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/tracker"
	"lorrent/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is an engine with its database and folder.
type node struct {
	*Engine
	dir, db string
	events  *event.Ring
	cancel  context.CancelFunc
	done    chan error
	store   *storage.DB
}

// startNode runs an engine in dir, which may hold a former one's state.
func startNode(t testing.TB, dir string, change func(*Config)) *node {
	t.Helper()
	n := &node{dir: filepath.Join(dir, "data"), db: filepath.Join(dir, "lorrent.db"), events: event.New(1024), done: make(chan error, 1)}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if n.store, err = storage.Open(n.db); err != nil {
		t.Fatal(err)
	}
	level := zerolog.WarnLevel
	if testing.Verbose() {
		level = zerolog.DebugLevel
	}
	cfg := Config{Listen: "127.0.0.1:0", DownloadDir: n.dir, Store: n.store, Events: n.events, Version: "test",
		Log: zerolog.New(zerolog.NewTestWriter(t)).Level(level)}
	if change != nil {
		change(&cfg)
	}
	if n.Engine, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { n.done <- n.Run(ctx) }()
	if err := n.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t) })
	return n
}

func (n *node) stop(t testing.TB) {
	if n.cancel == nil {
		return
	}
	n.cancel()
	n.cancel = nil
	select {
	case <-n.done:
	case <-time.After(time.Minute):
		panic("engine does not stop")
	}
	if err := n.store.Close(); err != nil {
		t.Error(err)
	}
}

// waitFor polls the torrent until the condition holds.
func (n *node) waitFor(t testing.TB, h metainfo.Hash, what string, ok func(Status) bool) Status {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	var cursor uint64
	for {
		tt, found := n.find(h)
		if !found {
			t.Fatalf("torrent %s is gone", h)
		}
		st := tt.snapshot()
		if ok(st) {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute: %+v", what, st)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		events, _, _ := n.events.Since(ctx, cursor)
		cancel()
		if len(events) > 0 {
			cursor = events[len(events)-1].ID
		}
	}
}

func seeding(s Status) bool { return s.State == Seeding }

// makePayload writes files of the given sizes below dir/name and returns the
// .torrent of the folder.
func makePayload(t testing.TB, dir, name string, pieceLength int64, trackers [][]string, sizes ...int) []byte {
	t.Helper()
	root := filepath.Join(dir, name)
	writeFiles(t, root, 1, sizes)
	b, err := metainfo.Build(root, metainfo.BuildOptions{PieceLength: pieceLength, Trackers: trackers})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeFiles writes files of the given sizes below root, or a single one in its
// place, of bytes that are at random and the same for each seed.
func writeFiles(t testing.TB, root string, seed byte, sizes []int) {
	t.Helper()
	src := rand.NewChaCha8([32]byte{seed})
	for i, size := range sizes {
		p := filepath.Join(root, "folder", string(rune('a'+i))+".bin")
		if len(sizes) == 1 {
			p = root
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		src.Read(b)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// treeSum is the SHA-256 of every file below root, with its name.
func treeSum(t testing.TB, root string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.Walk(root, func(p string, fi os.FileInfo, err error) error {
		if err != nil || fi.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		io.WriteString(h, rel)
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(h, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}

// startTracker runs a tracker and returns its announce URLs as one tier.
func startTracker(t testing.TB) (http, udp [][]string) {
	t.Helper()
	tr, err := tracker.NewServer(tracker.ServerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return [][]string{{tr.URL()}}, [][]string{{tr.UDPURL()}}
}

func add(t testing.TB, n *node, torrent []byte) metainfo.Hash {
	t.Helper()
	st, dup, err := n.Add(context.Background(), torrent, AddOptions{})
	if err != nil || dup {
		t.Fatalf("Add: duplicate %v, %v", dup, err)
	}
	return st.InfoHash
}

func TestTransferBetweenEngines(t *testing.T) {
	http, udp := startTracker(t)
	cases := []struct {
		name     string
		piece    int64
		trackers [][]string
		sizes    []int
	}{
		{"single file", 64 << 10, http, []int{3<<20 + 12345}},
		{"several files, odd ends, UDP", 32 << 10, udp, []int{1, 0, 40_000, 1 << 20, 77_777}},
		{"pieces smaller than a block", 1000, http, []int{50_001}},
		{"large pieces", 4 << 20, http, []int{9<<20 + 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			seedDir, leechDir := t.TempDir(), t.TempDir()
			torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", c.piece, c.trackers, c.sizes...)
			seed := startNode(t, seedDir, nil)
			h := add(t, seed, torrent)
			seed.waitFor(t, h, "seed finds its data", seeding)
			leech := startNode(t, leechDir, nil)
			add(t, leech, torrent)
			st := leech.waitFor(t, h, "download", seeding)
			if want, got := treeSum(t, filepath.Join(seed.dir, "payload")), treeSum(t, filepath.Join(leech.dir, "payload")); want != got {
				t.Error("content differs")
			}
			if st.DownloadedBytes > st.TotalBytes+st.TotalBytes/20 {
				t.Errorf("downloaded %d bytes for %d", st.DownloadedBytes, st.TotalBytes)
			}
		})
	}
}
