package torrent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
	"lorrent/storage"
)

var ctx = context.Background()

func failed(s Status) bool { return s.State == Failed }

func TestAddTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	torrent, err := metainfo.Build(filepath.Join(s.dir, "payload"), metainfo.BuildOptions{PieceLength: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	// Many at once: one of them adds it, the others find it.
	var wg sync.WaitGroup
	var mu sync.Mutex
	added := 0
	for range 8 {
		wg.Go(func() {
			_, duplicate, err := s.Add(ctx, torrent, AddOptions{Paused: true})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			} else if !duplicate {
				added++
			}
		})
	}
	wg.Wait()
	if added != 1 || len(s.List()) != 2 {
		t.Errorf("added %d times, %d torrents", added, len(s.List()))
	}
	s.completes(t)
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	n := startNode(t, t.TempDir(), nil)
	for name, data := range map[string]string{
		"nothing": "", "garbage": "garbage", "no info": "d8:announce3:abce", "a bomb": strings.Repeat("l", 1<<20),
		"pieces cut": "d4:infod6:lengthi10e4:name1:a12:piece lengthi16384e6:pieces3:abcee",
	} {
		if _, _, err := n.Add(ctx, []byte(data), AddOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(n.List()) != 0 {
		t.Error("something was added")
	}
}

func TestUnknownTorrent(t *testing.T) {
	t.Parallel()
	n := startNode(t, t.TempDir(), nil)
	var h metainfo.Hash
	_, getErr := n.Get(ctx, h)
	_, resolveErr := n.Resolve("00")
	for i, err := range []error{n.Start(ctx, h), n.Stop(ctx, h), n.Recheck(ctx, h), n.Reannounce(ctx, h), n.Remove(ctx, h, true), getErr, resolveErr} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("command %d: %v", i, err)
		}
	}
}

func TestSeedsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 50_000, 0, 123)
	n := startNode(t, dir, nil)
	h := add(t, n, torrent)
	st := n.waitFor(t, h, "check", seeding)
	if st.DownloadedBytes != 0 || st.VerifiedBytes != st.TotalBytes || st.CompletedAt.IsZero() {
		t.Errorf("%+v", st)
	}
	d, err := n.Get(ctx, h)
	if err != nil || len(d.Files) != 3 || d.Files[0].VerifiedBytes != 50_000 || d.Files[0].Path != "payload/folder/a.bin" {
		t.Errorf("%+v, %v", d.Files, err)
	}
	events, _, _ := n.events.Since(ctx, 0)
	for _, e := range events {
		if _, ok := e.Data.(event.TorrentCompleted); ok {
			t.Error("completion of what was complete")
		}
	}
}

func TestPartIsNotDownloadedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	d, err := s.Get(ctx, s.h)
	if err != nil || d.VerifiedBytes != sceneHave*s.info.PieceLength || d.Pieces[0] != 0xf0 || len(d.Peers) != 1 || d.Availability[20] != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	s.completes(t)
	st := s.waitFor(t, s.h, "peer has left", func(st Status) bool { return st.Peers == 0 && st.State == Seeding })
	if want := int64(len(s.data)) - sceneHave*s.info.PieceLength; st.DownloadedBytes != want {
		t.Errorf("downloaded %d bytes, not %d", st.DownloadedBytes, want)
	}
	completions := 0
	events, _, _ := s.events.Since(ctx, 0)
	for _, e := range events {
		if c, ok := e.Data.(event.TorrentCompleted); ok && c.InfoHash == s.h.String() {
			completions++
		}
	}
	if completions != 1 {
		t.Errorf("%d completion events", completions)
	}
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	p := s.dial(t)
	p.Expect(t, peerwire.AllowedFast)
	if err := s.Stop(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, s.h, "stop", func(st Status) bool { return st.State == Stopped && st.Peers == 0 })
	p.ExpectClosed(t)
	late := torrenttest.Connect(t, s.addr())
	late.Write(peerwire.NewHandshake(s.h, torrenttest.NewID()).Bytes())
	torrenttest.ExpectClosed(t, late)
	for range 2 { // once more changes nothing
		if err := s.Start(ctx, s.h); err != nil {
			t.Fatal(err)
		}
	}
	st := s.waitFor(t, s.h, "start", func(st Status) bool { return st.State == Downloading })
	if st.VerifiedBytes != sceneHave*s.info.PieceLength {
		t.Errorf("%d bytes verified after the stop", st.VerifiedBytes)
	}
	s.meet(t, s.honest)
	s.completes(t)
	for range 3 { // a stop and a start in one breath
		if err := errors.Join(s.Stop(ctx, s.h), s.Start(ctx, s.h)); err != nil {
			t.Fatal(err)
		}
	}
	s.waitFor(t, s.h, "seeding again", seeding)
	if err := s.Reannounce(ctx, s.h); err != nil {
		t.Error(err)
	}
}

func TestRecheckFindsDamage(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.completes(t)
	f, err := os.OpenFile(filepath.Join(s.dir, "payload"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("damage"), 5*s.info.PieceLength+7)
	f.Close()
	for _, state := range []State{Seeding, Stopped} {
		if state == Stopped {
			s.Stop(ctx, s.h)
		}
		if err := s.Recheck(ctx, s.h); err != nil {
			t.Fatal(err)
		}
		want := int64(len(s.data)) - s.info.PieceLength
		st := s.waitFor(t, s.h, "recheck", func(st Status) bool { return st.VerifiedBytes == want && st.State != Checking })
		if st.State == Stopped != (state == Stopped) {
			t.Errorf("recheck of a %s torrent left it %s", state, st.State)
		}
	}
	if err := s.Start(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, s.h, "start", func(st Status) bool { return st.State == Downloading })
	s.meet(t, torrenttest.StartSeed(t, s.seedConfig()))
	s.waitFor(t, s.h, "repair", seeding)
	s.sameContent(t)
}

func TestRemove(t *testing.T) {
	for _, data := range []bool{false, true} {
		for _, state := range []State{Downloading, Seeding, Stopped} {
			t.Run(fmt.Sprintf("%s, data %v", state, data), func(t *testing.T) {
				t.Parallel()
				s := newScene(t, nil)
				others := []string{filepath.Join(s.dir, "payload2"), filepath.Join(s.dir, "other.txt")}
				for _, p := range others {
					os.WriteFile(p, nil, 0o644)
				}
				switch state {
				case Seeding:
					s.completes(t)
				case Stopped:
					s.Stop(ctx, s.h)
				}
				if err := s.Remove(ctx, s.h, data); err != nil {
					t.Fatal(err)
				}
				if _, err := s.store.Info(s.h); !errors.Is(err, storage.ErrNotFound) || len(s.List()) != 0 {
					t.Errorf("%d torrents, stored info: %v", len(s.List()), err)
				}
				if _, err := os.Stat(filepath.Join(s.dir, "payload")); os.IsNotExist(err) != data {
					t.Errorf("payload: %v", err)
				}
				for _, p := range others {
					if _, err := os.Stat(p); err != nil {
						t.Error(err)
					}
				}
				if err := s.Remove(ctx, s.h, data); !errors.Is(err, ErrNotFound) {
					t.Errorf("removed again: %v", err)
				}
				if s.Stats().Peers != 0 || s.Stats().BufferBytes != 0 {
					t.Errorf("left behind: %+v", s.Stats())
				}
			})
		}
	}
}

// A removal that fails leaves a torrent that can be removed.
func TestRemoveFails(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	inTheWay := filepath.Join(s.dir, "payload")
	if err := s.Stop(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	os.Remove(inTheWay)
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o755); err != nil { // a folder where the file should be
		t.Fatal(err)
	}
	if err := s.Remove(ctx, s.h, true); err == nil {
		t.Log("a folder in the way is left alone")
		return
	}
	os.RemoveAll(inTheWay)
	if err := s.Remove(ctx, s.h, true); err != nil {
		t.Errorf("second try: %v", err)
	}
}

func (n *node) restart(t testing.TB) *node {
	t.Helper()
	n.stop(t)
	return startNode(t, filepath.Dir(n.dir), nil)
}

func TestRestartKeepsBits(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	path := filepath.Join(s.dir, "payload")
	s.stop(t)
	// Damage that only a look would show: a believed bit is not looked at.
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := os.OpenFile(path, os.O_RDWR, 0)
	f.WriteAt([]byte("damage"), 100)
	f.Close()
	os.Chtimes(path, fi.ModTime(), fi.ModTime())
	n := startNode(t, filepath.Dir(s.dir), nil)
	st := n.waitFor(t, s.h, "start", func(st Status) bool { return st.State == Downloading })
	if st.VerifiedBytes != sceneHave*s.info.PieceLength {
		t.Errorf("%d bytes verified", st.VerifiedBytes)
	}
}

// What a check has found is stored soon after it.
func TestCheckIsStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 100_000)
	n := startNode(t, dir, nil)
	h := add(t, n, torrent)
	n.waitFor(t, h, "check", seeding)
	n.waitFor(t, h, "checkpoint", func(Status) bool {
		r, err := n.store.Resume(h)
		return err == nil && r.VerifiedBytes == 100_000 && len(r.Files) == 1
	})
}

// filesScene is a torrent of three files of ten pieces, of which the last one
// is missing. It is stopped with its engine.
func filesScene(t *testing.T) (dir string, h metainfo.Hash, path func(string) string) {
	dir = t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 160<<10, 160<<10, 160<<10)
	path = func(name string) string { return filepath.Join(dir, "data", "payload", "folder", name+".bin") }
	os.Remove(path("c"))
	n := startNode(t, dir, nil)
	h = add(t, n, torrent)
	n.waitFor(t, h, "check", func(st Status) bool { return st.State == Downloading && st.VerifiedBytes == 320<<10 })
	n.stop(t)
	return dir, h, path
}

func TestFilesChangedWhileStopped(t *testing.T) {
	spoil := func(t *testing.T, path string, at int64, truncate int64) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if truncate >= 0 {
			err = f.Truncate(truncate)
		} else {
			_, err = f.WriteAt([]byte("damage"), at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name   string
		change func(t *testing.T, path func(string) string)
		lost   int // pieces
		failed bool
	}{
		{"nothing", func(*testing.T, func(string) string) {}, 0, false},
		{"touched", func(t *testing.T, path func(string) string) { os.Chtimes(path("a"), time.Now(), time.Now()) }, 0, false},
		{"changed", func(t *testing.T, path func(string) string) { spoil(t, path("b"), 50_000, -1) }, 1, false},
		{"cut", func(t *testing.T, path func(string) string) { spoil(t, path("a"), 0, 50_000) }, 7, false},
		{"grown", func(t *testing.T, path func(string) string) { spoil(t, path("a"), 0, 200<<10) }, 0, false},
		{"removed", func(t *testing.T, path func(string) string) { os.Remove(path("b")) }, 10, false},
		{"all removed", func(t *testing.T, path func(string) string) { os.RemoveAll(filepath.Dir(path("a"))) }, 0, true},
		{"replaced by a folder", func(t *testing.T, path func(string) string) {
			os.Remove(path("b"))
			os.Mkdir(path("b"), 0o755)
		}, 10, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, h, path := filesScene(t)
			c.change(t, path)
			n := startNode(t, dir, nil)
			if c.failed {
				st := n.waitFor(t, h, "failure", failed)
				t.Log(st.Error)
				if c.lost == 0 { // all is gone
					if !strings.Contains(st.Error, "gone") {
						t.Errorf("error %q", st.Error)
					}
					if err := n.Recheck(ctx, h); err != nil {
						t.Fatal(err)
					}
					if st = n.waitFor(t, h, "recheck", func(st Status) bool { return st.State == Downloading }); st.VerifiedBytes != 0 {
						t.Errorf("%d bytes of nothing verified", st.VerifiedBytes)
					}
				}
				return
			}
			st := n.waitFor(t, h, "start", func(st Status) bool { return st.State == Downloading })
			if want := int64(20-c.lost) * 16 << 10; st.VerifiedBytes != want {
				t.Errorf("%d pieces verified, not %d", st.VerifiedBytes>>14, want>>14)
			}
		})
	}
}

// A recheck of a stopped torrent whose files are gone is remembered.
func TestRecheckOfNothing(t *testing.T) {
	t.Parallel()
	dir, h, path := filesScene(t)
	os.RemoveAll(filepath.Dir(path("a")))
	n := startNode(t, dir, nil)
	n.waitFor(t, h, "failure", failed)
	if err := errors.Join(n.Stop(ctx, h), n.Recheck(ctx, h)); err != nil {
		t.Fatal(err)
	}
	n.waitFor(t, h, "recheck", func(st Status) bool { return st.State == Stopped && st.VerifiedBytes == 0 })
	n = n.restart(t)
	if st := n.List()[0]; st.VerifiedBytes != 0 {
		t.Errorf("%d bytes verified after the restart", st.VerifiedBytes)
	}
	if err := n.Start(ctx, h); err != nil {
		t.Fatal(err)
	}
	n.waitFor(t, h, "download from the start", func(st Status) bool { return st.State == Downloading })
}

// A complete torrent is looked at when the engine starts, too.
func TestCompleteTorrentIsLookedAt(t *testing.T) {
	cases := []struct {
		name   string
		change func(path string)
		want   func(Status) bool
	}{
		{"cut", func(p string) { os.Truncate(p, 20_000) }, func(s Status) bool { return s.State == Downloading && s.VerifiedBytes == 16<<10 }},
		{"gone", func(p string) { os.Remove(p) }, func(s Status) bool { return s.State == Failed && strings.Contains(s.Error, "gone") }},
		{"folder gone", func(p string) { os.RemoveAll(filepath.Dir(p)) }, failed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, away := t.TempDir(), filepath.Join(t.TempDir(), "disk")
			torrent := makePayload(t, away, "payload", 16<<10, nil, 100_000)
			n := startNode(t, dir, nil)
			st, _, err := n.Add(ctx, torrent, AddOptions{Dir: away})
			if err != nil {
				t.Fatal(err)
			}
			n.waitFor(t, st.InfoHash, "check", seeding)
			n.stop(t)
			c.change(filepath.Join(away, "payload"))
			n = startNode(t, dir, nil)
			n.waitFor(t, st.InfoHash, "look", c.want)
		})
	}
}

func TestMissingFolder(t *testing.T) {
	t.Parallel()
	dir, away := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	torrent := makePayload(t, away, "payload", 16<<10, nil, 100_000)
	os.Truncate(filepath.Join(away, "payload"), 50_000)
	n := startNode(t, dir, nil)
	st, _, err := n.Add(ctx, torrent, AddOptions{Dir: away})
	if err != nil {
		t.Fatal(err)
	}
	h := st.InfoHash
	n.waitFor(t, h, "check", func(st Status) bool { return st.State == Downloading && st.VerifiedBytes == 3*16<<10 })
	n.stop(t)
	os.Rename(away, away+"2")
	n = startNode(t, dir, nil)
	if st := n.waitFor(t, h, "failure", failed); !strings.Contains(st.Error, away) {
		t.Errorf("error %q", st.Error)
	}
	if _, err := os.Stat(away); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
	n = n.restart(t) // the failure stays
	if st := n.List()[0]; st.State != Failed {
		t.Errorf("after the restart: %+v", st)
	}
	os.Rename(away+"2", away)
	if err := n.Start(ctx, h); err != nil {
		t.Fatal(err)
	}
	st = n.waitFor(t, h, "start", func(st Status) bool { return st.State == Downloading })
	if st.VerifiedBytes != 3*16<<10 || st.Error != "" {
		t.Errorf("%+v", st)
	}
}

func TestUselessResumeRecord(t *testing.T) {
	t.Parallel()
	dir, h, _ := filesScene(t)
	store, err := storage.Open(filepath.Join(dir, "lorrent.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(store.SaveResume(h, storage.Resume{Bitfield: []byte("of another torrent")}), store.Close())
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, dir, nil)
	st := n.waitFor(t, h, "check", func(st Status) bool { return st.State == Downloading })
	if st.VerifiedBytes != 320<<10 {
		t.Errorf("%d bytes verified", st.VerifiedBytes)
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	seedDir, leechDir := t.TempDir(), t.TempDir()
	torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 16<<10, nil, 300_000)
	v6 := func(c *Config) { c.Listen = "[::1]:0" }
	seed, leech := startNode(t, seedDir, v6), startNode(t, leechDir, v6)
	h := add(t, seed, torrent)
	seed.waitFor(t, h, "check", seeding)
	add(t, leech, torrent)
	leech.waitFor(t, h, "start", func(st Status) bool { return st.State == Downloading })
	leech.do(t, h, func(s *session) {
		s.learn([]netip.AddrPort{netip.MustParseAddrPort(seed.Stats().ListenAddress)}, "tracker")
	})
	leech.waitFor(t, h, "download", seeding)
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 1000)
	torrent, err := metainfo.Build(filepath.Join(dir, "data", "payload"), metainfo.BuildOptions{Private: true})
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, dir, nil)
	h := add(t, n, torrent)
	n = n.restart(t)
	if d, err := n.Get(ctx, h); err != nil || !d.Private {
		t.Errorf("%+v, %v", d, err)
	}
}

// running reports whether the torrent has a session.
func (n *node) running(h metainfo.Hash) bool {
	tt, _ := n.find(h)
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.running
}

func TestParking(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.parkAfter = 200 * time.Millisecond })
	s.completes(t)
	parked := func(Status) bool { return !s.running(s.h) }
	s.waitFor(t, s.h, "parking", parked)
	for range 2 {
		p := s.dial(t) // wakes it
		unchoked(t, p)
		p.Say(request(20, 0, 5))
		if m := p.Expect(t, peerwire.Piece); string(m.Block) != string(s.data[20<<15:][:5]) {
			t.Error("wrong bytes")
		}
		if !s.running(s.h) {
			t.Error("serves without a session")
		}
		p.Close()
		s.waitFor(t, s.h, "parking again", parked)
	}
	st := s.List()[0]
	if st.State != Seeding || st.UploadedBytes != 10 || st.Peers != 0 {
		t.Errorf("parked with %+v", st)
	}
	if r, err := s.store.Resume(s.h); err != nil || r.UploadedBytes != 10 || r.Writing {
		t.Errorf("stored %+v, %v", r, err)
	}
	if d, err := s.Get(ctx, s.h); err != nil || len(d.Pieces) != 3 || d.Pieces[2] != 0xf8 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestManyIdleTorrents(t *testing.T) {
	t.Parallel()
	const n = 1000
	dir := t.TempDir()
	e := startNode(t, dir, nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 { // commits are shared
		wg.Go(func() {
			for i := range next {
				torrent := bencode.MustMarshal(map[string]any{"info": map[string]any{
					"name": fmt.Sprint("torrent ", i), "length": 1, "piece length": 16384, "pieces": strings.Repeat("x", 20)}})
				if _, _, err := e.Add(ctx, torrent, AddOptions{Paused: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	for range 2 {
		best := time.Hour
		for range 5 {
			start := time.Now()
			if got := len(e.List()); got != n {
				t.Fatalf("%d torrents", got)
			}
			best = min(best, time.Since(start))
		}
		if best > 50*time.Millisecond {
			t.Errorf("List took %v", best)
		}
		if got := e.Stats().ByState[Stopped]; got != n {
			t.Errorf("%d stopped", got)
		}
		for _, st := range e.List() {
			if e.running(st.InfoHash) {
				t.Fatal("a stopped torrent has a session")
			}
		}
		e = e.restart(t)
	}
	var ambiguous *AmbiguousError
	h := e.List()[0].InfoHash
	if _, err := e.Resolve(h.String()[:1]); !errors.As(err, &ambiguous) || len(ambiguous.Matches) < 2 {
		t.Errorf("%v", err)
	}
	if got, err := e.Resolve(strings.ToUpper(h.String())); err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
}

// A tracker that never answers does not hold up the end.
func TestShutdownWithAHangingTracker(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	answer := make(chan bool, 1)
	answer <- true
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-answer: // the first announce only
			w.Write([]byte("d8:completei0e8:intervali1800e5:peers0:e"))
		default:
			<-hang
		}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { close(hang); server.Close(); <-served }()
	dir := t.TempDir()
	url := "http://" + l.Addr().String() + "/announce"
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, [][]string{{url}}, 100_000)
	n := startNode(t, dir, func(c *Config) { c.StopGrace = 300 * time.Millisecond })
	h := add(t, n, torrent)
	n.waitFor(t, h, "announce", func(Status) bool {
		d, err := n.Get(ctx, h)
		return err == nil && d.Trackers[0].State == "ok"
	})
	start := time.Now()
	n.stop(t) // which does not wait for ever
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if _, _, err := n.Add(ctx, torrent, AddOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("added to a closed engine: %v", err)
	}
	if err := n.Start(ctx, h); !errors.Is(err, ErrClosed) {
		t.Errorf("started in a closed engine: %v", err)
	}
}

// A bug that one torrent triggers is that torrent's failure.
func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	p := s.dial(t)
	unchoked(t, p)
	other := makePayload(t, s.dir, "other", 16<<10, nil, 1000)
	otherHash := add(t, s.node, other)
	tt, _ := s.find(s.h)
	answer := make(chan error, 2)
	in := make(chan struct{})
	go func() {
		answer <- tt.call(ctx, func(*session) error { close(in); var none *scene; none.release(); return nil })
	}()
	<-in
	go func() { answer <- tt.call(ctx, func(*session) error { return nil }) }()
	if st := s.waitFor(t, s.h, "failure", failed); !strings.Contains(st.Error, "internal error") {
		t.Errorf("error %q", st.Error)
	}
	p.ExpectClosed(t)
	errs := []error{<-answer, <-answer} // nobody waits for ever
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Error("a command that panicked succeeded")
	}
	s.waitFor(t, otherHash, "the other one goes on", seeding)
	if st := s.Stats(); st.Peers != 0 || st.BufferBytes != 0 || st.DiskQueueBytes != 0 {
		t.Errorf("left behind: %+v", st)
	}
	if err := s.Start(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, s.h, "start", func(st Status) bool { return st.State == Downloading })
	s.meet(t, s.honest)
	s.completes(t)
}

// TestSeedWhoseFilesVanish loses its data while it runs: it says so instead of
// refusing its peers for ever.
func TestSeedWhoseFilesVanish(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.completes(t)
	p := s.dial(t)
	unchoked(t, p) // from here on, nobody looks at the files before they are read
	if err := os.Truncate(filepath.Join(s.dir, "payload"), 1000); err != nil {
		t.Fatal(err)
	}
	p.Say(peerwire.AppendBlock(nil, peerwire.Request, 1, 0, peerwire.BlockSize))
	st := s.waitFor(t, s.h, "seed says what is wrong", failed)
	if !strings.Contains(st.Error, "cannot read") || !strings.Contains(st.Error, "payload") {
		t.Errorf("error %q", st.Error)
	}
}

// A seed that finds damage was told of nobody: it asks as soon as it may.
func TestDamagedSeedAsksForPeers(t *testing.T) {
	t.Parallel()
	http, _ := startTracker(t)
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 64<<10, http, 1<<20)
	n := startNode(t, dir, nil)
	h := add(t, n, torrent)
	next := func() (wait time.Duration) {
		n.do(t, h, func(s *session) {
			if at, any := s.tell.next(); any && !s.tell.busy {
				wait = time.Until(at)
			}
		})
		return wait
	}
	n.waitFor(t, h, "tracker's answer", func(st Status) bool { return st.State == Seeding && next() > 10*time.Minute })
	if err := os.WriteFile(filepath.Join(n.dir, "payload"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.Recheck(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	n.waitFor(t, h, "an early announce", func(st Status) bool {
		wait := next()
		return st.State == Downloading && wait > 0 && wait < 2*time.Minute
	})
}
