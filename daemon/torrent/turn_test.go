package torrent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

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
	for _, h := range hashes {
		n.waitFor(t, h, "its place in the queue", func(st Status) (waiting bool) {
			n.do(t, h, func(s *session) { waiting = s.phase == queueing })
			return waiting && st.State == Queued
		})
	}
	if open := openBelow(t, filepath.Join(dir, "data")); open > 0 {
		t.Errorf("%d files open", open)
	}
	turnedAway(t, n, hashes[1])
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

// Who calls a torrent that turns out to need a check, and has to wait for it, is
// not kept waiting.
func TestQueueingTurnsPeersAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, dir, func(c *Config) { c.parkAfter = time.Millisecond })
	h := add(t, n, makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 50_000))
	n.waitFor(t, h, "check", seeding)
	n.waitFor(t, h, "rest", func(Status) bool { return !n.running(h) })
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(n.dir, "payload"), later, later); err != nil {
		t.Fatal(err)
	}
	for range maxChecking {
		n.checks <- struct{}{}
	}
	turnedAway(t, n, h)
	<-n.checks
	n.waitFor(t, h, "another check", func(Status) bool { return !n.running(h) && len(n.checks) == maxChecking-1 })
}

// turnedAway calls a torrent, which has to end the connection.
func turnedAway(t *testing.T, n *node, h metainfo.Hash) {
	t.Helper()
	caller := startNode(t, t.TempDir(), nil)
	in, err := caller.dial(ctx, overTCP, n.address(), h, false)
	if err != nil {
		return
	}
	defer in.conn.Close()
	in.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, in.conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the caller is kept waiting")
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
