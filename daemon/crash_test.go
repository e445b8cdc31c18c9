package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/tracker"
	"lorrent/rpc"
	"lorrent/storage"
)

// TestKilledDownload kills the daemon at random moments of a download. After
// each kill every piece that the database calls verified must be on disk, the
// restarted daemon must answer within a second without checking everything,
// and little may be fetched again.
func TestKilledDownload(t *testing.T) {
	size, kills, rate := int64(96<<20), 5, int64(24<<20)
	if inCI() {
		size, kills, rate = 1<<30, 20, 48<<20
	}
	world := newSwarm(t, size, rate)
	p := newProcess(t)
	p.program = []string{release(t, "lorrentd")} // its speed is asserted, so without the race detector
	p.start(t)
	added, err := p.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: world.torrent})
	if err != nil {
		t.Fatal(err)
	}
	id := added.Torrent.InfoHash
	var slowest time.Duration
	var again int64
	for n := range kills {
		// Each life fetches about its share, so that the kills are spread over
		// the whole download.
		life := time.Duration(float64(size) / float64(rate) / float64(kills+1) * float64(time.Second))
		wait(t, life/2+rand.N(life))
		before, err := p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		p.kill()
		kept := world.checkStored(t, p.dir, false)
		lost := before.VerifiedBytes - kept
		again += max(lost, 0)
		// A second between checkpoints, and one more for the disk to sync.
		if limit := 2 * rate; lost > limit {
			t.Errorf("kill %d: %d of %d verified bytes were not stored, limit %d", n, lost, before.VerifiedBytes, limit)
		}
		slowest = max(slowest, p.start(t))
		after, err := p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if after.VerifiedBytes < kept {
			t.Errorf("kill %d: %d bytes were stored, %d are believed", n, kept, after.VerifiedBytes)
		}
	}
	if slowest > time.Second {
		t.Errorf("RPC answered %s after a start", slowest)
	}
	done := waitState(t, p, id, rpc.StateSeeding)
	if !bytes.Equal(sumFile(t, filepath.Join(p.dir, "downloads", "payload")), sumFile(t, world.path)) {
		t.Error("the download differs from its source")
	}
	if done.DownloadedBytes < size {
		t.Errorf("%d bytes received are counted for %d", done.DownloadedBytes, size)
	}
	t.Logf("%d kills in %d MiB: slowest answer after a start %s, %.1f MiB verified but not stored in all, %.1f MiB received in all",
		kills, size>>20, slowest.Round(time.Millisecond), float64(again)/(1<<20), float64(done.DownloadedBytes)/(1<<20))
	p.shutDown(t)
}

// localSwarm is a tracker and a seed with a payload of random bytes.
type localSwarm struct {
	path    string
	torrent []byte
	info    *metainfo.Info
}

func newSwarm(t *testing.T, size, rate int64) *localSwarm {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tr, err := tracker.NewServer(tracker.ServerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	w := &localSwarm{path: filepath.Join(t.TempDir(), "payload")}
	f, err := os.Create(w.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{7}), size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if w.torrent, err = metainfo.Build(w.path, metainfo.BuildOptions{PieceLength: 256 << 10, Trackers: [][]string{{tr.URL()}}}); err != nil {
		t.Fatal(err)
	}
	m, err := metainfo.Parse(w.torrent)
	if err != nil {
		t.Fatal(err)
	}
	w.info = m.Info
	store, err := storage.Open(filepath.Join(t.TempDir(), "seed.db"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := torrent.New(torrent.Config{Listen: "127.0.0.1:0", DownloadDir: filepath.Dir(w.path), Store: store,
		Events: event.New(64), Log: zerolog.Nop(), Version: "test", Speed: torrent.Speed{Limits: torrent.Limits{Upload: rate}}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 2)
	go func() { tr.Run(ctx); ended <- struct{}{} }()
	go func() { e.Run(ctx); ended <- struct{}{} }()
	t.Cleanup(func() {
		cancel()
		<-ended
		<-ended
		store.Close()
	})
	if err := e.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Add(ctx, w.torrent, torrent.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// checkStored hashes every piece that the database of a dead daemon calls
// verified, and returns their bytes. The database must say whether the daemon
// ended in order.
func (w *localSwarm) checkStored(t *testing.T, dir string, inOrder bool) (kept int64) {
	t.Helper()
	// A copy, so that the daemon finds the database as the kill left it.
	copied := filepath.Join(t.TempDir(), "copy.db")
	data, err := os.ReadFile(filepath.Join(dir, "lorrent.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := storage.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.WasClean() != inOrder {
		t.Errorf("the database is marked clean: %t, want %t", db.WasClean(), inOrder)
	}
	r, err := db.Resume(w.info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	have, err := bitfield.FromWire(r.Bitfield, w.info.NumPieces())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "downloads", "payload"))
	if err != nil {
		if have.Count() > 0 {
			t.Fatal(err)
		}
		return 0
	}
	defer f.Close()
	buf := make([]byte, w.info.PieceLength)
	for i := have.Next(0); i >= 0; i = have.Next(i + 1) {
		b := buf[:w.info.PieceSize(i)]
		if _, err := f.ReadAt(b, int64(i)*w.info.PieceLength); err != nil {
			t.Fatal(err)
		}
		if sum := sha1.Sum(b); !bytes.Equal(sum[:], w.info.PieceHash(i)) {
			t.Fatalf("piece %d is marked verified and has a wrong hash", i)
		}
		kept += int64(len(b))
	}
	return kept
}

// wait lets the daemon work for a while: when the kill comes is the point.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

func waitState(t *testing.T, p *process, id, state string) rpc.TorrentDetail {
	t.Helper()
	var got rpc.TorrentDetail
	eventually(t, p, fmt.Sprintf("torrent is %s", state), func() (bool, error) {
		var err error
		got, err = p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id})
		if err == nil && got.Error != "" {
			err = fmt.Errorf("torrent: %s", got.Error)
		}
		return got.State == state, err
	})
	return got
}

// eventually asks again at each event of the daemon, and now and then.
func eventually(t *testing.T, p *process, what string, ok func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	var cursor uint64
	for {
		done, err := ok()
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		r, err := p.EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 0.2})
		if err != nil {
			t.Fatal(err)
		}
		cursor = r.Cursor
	}
}

func sumFile(t *testing.T, path string) []byte {
	t.Helper()
	s, err := sum(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
