package torrent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
)

// lookedAt reports whether somebody has looked at the files, and whether there
// ever was a session.
func (n *node) lookedAt(h metainfo.Hash) (looked, session bool) {
	t, _ := n.find(h)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.looked, t.running || t.standing != nil
}

// At the start, complete torrents are looked at and cost no session, but for
// those whose files have changed.
func TestStartOfIdleTorrents(t *testing.T) {
	t.Parallel()
	const torrents, changed = 3 * lookBurst, lookBurst + 1
	dir := t.TempDir()
	n := startNode(t, dir, nil)
	var hashes []metainfo.Hash
	for i := range torrents {
		h := add(t, n, makePayload(t, filepath.Join(dir, "data"), fmt.Sprint("payload", i), 16<<10, nil, 50_000))
		n.waitFor(t, h, "check", seeding)
		hashes = append(hashes, h)
	}
	n.stop(t)
	touched := filepath.Join(dir, "data", fmt.Sprint("payload", changed))
	if err := os.Truncate(touched, 20_000); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, dir, nil)
	n.waitFor(t, hashes[changed], "the change", func(s Status) bool { return s.State == Downloading && s.VerifiedBytes == 16<<10 })
	for i, h := range hashes {
		var looked, session bool
		n.waitFor(t, h, "a look", func(Status) bool { looked, session = n.lookedAt(h); return looked })
		if session != (i == changed) {
			t.Errorf("torrent %d: session %v", i, session)
		}
	}
}

// Somebody who comes before the look gets nothing that has changed.
func TestPeerBeforeTheLook(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.completes(t)
	s.stop(t)
	path := filepath.Join(s.dir, "payload")
	if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, filepath.Dir(s.dir), nil)
	tt, _ := n.find(s.h)
	if err := tt.post(func(*session) {}); err != nil { // as a peer does
		t.Fatal(err)
	}
	n.waitFor(t, s.h, "check of what was touched", func(st Status) bool {
		r, err := n.store.Resume(s.h)
		return seeding(st) && err == nil && r.Files[0].ModTime > time.Now().UnixNano()
	})
}

// A look that meets a session leaves its record alone.
func TestLookDuringSessions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, dir, func(c *Config) { c.parkAfter = time.Millisecond })
	h := add(t, n, makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 50_000))
	n.waitFor(t, h, "check", seeding)
	tt, _ := n.find(h)
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			default:
				tt.unseen()
			}
		}
	}()
	for range 3 {
		n.do(t, h, func(*session) {})
		n.waitFor(t, h, "the end of the session", func(Status) bool { return !n.running(h) })
	}
	close(stop)
	<-over
}
