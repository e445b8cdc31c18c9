package torrent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"lorrent/daemon/torrent/metainfo"
)

// Torrents that are hashed take turns, and those that wait have no file open.
func TestChecksTakeTurns(t *testing.T) {
	t.Parallel()
	const torrents = 3 * maxChecking
	dir := t.TempDir()
	n := startNode(t, dir, nil)
	for range maxChecking { // all turns are taken
		n.checks <- struct{}{}
	}
	var hashes []metainfo.Hash
	for i := range torrents {
		hashes = append(hashes, add(t, n, makePayload(t, filepath.Join(dir, "data"), fmt.Sprint("payload", i), 16<<10, nil, 50_000)))
	}
	inSession := func(h metainfo.Hash, fn func(*session)) {
		t.Helper()
		tt, _ := n.find(h)
		if err := tt.call(ctx, func(s *session) error { fn(s); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range hashes {
		n.waitFor(t, h, "its place in the queue", func(Status) (waiting bool) {
			inSession(h, func(s *session) { waiting = s.phase == opening && s.t.looked && s.pending > 0 && s.content == nil })
			return waiting
		})
	}
	if open := openBelow(t, filepath.Join(dir, "data")); open > 0 {
		t.Errorf("%d files open", open)
	}
	if err := n.Stop(ctx, hashes[0]); err != nil { // does not wait for a turn
		t.Fatal(err)
	}
	n.waitFor(t, hashes[0], "stop", func(s Status) bool { return s.State == Stopped && !n.running(hashes[0]) })
	<-n.checks // one turn is free, and goes round
	for _, h := range hashes[1:] {
		n.waitFor(t, h, "check", seeding)
		n.waitFor(t, h, "rest", func(Status) bool { return !n.running(h) })
		if r, err := n.store.Resume(h); err != nil || r.VerifiedBytes != 50_000 {
			t.Errorf("stored %+v, %v", r, err)
		}
	}
	if got := len(n.checks); got != maxChecking-1 {
		t.Errorf("%d turns are taken", got)
	}
}

// openBelow counts the files and folders below dir that this process has open.
func openBelow(t *testing.T, dir string) (open int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range list {
		path, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if rel, relErr := filepath.Rel(dir, path); err == nil && relErr == nil && filepath.IsLocal(rel) {
			open++
		}
	}
	return open
}
