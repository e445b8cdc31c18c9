package interop

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/torrent/tracker"
)

const trackerPort = "6969"

// startTracker runs our tracker inside a namespace.
func startTracker(t *testing.T, n *namespace, addr string) *tracker.Server {
	t.Helper()
	return startTrackerEvery(t, n, addr, time.Minute)
}

// startTrackerEvery starts one that asks to be told so often, and takes many torrents.
func startTrackerEvery(t *testing.T, n *namespace, addr string, interval time.Duration) *tracker.Server {
	t.Helper()
	cfg := tracker.ServerConfig{Addr: net.JoinHostPort(addr, trackerPort), Interval: interval, MinInterval: time.Second, MaxTorrents: 100_000}
	var s *tracker.Server
	err := n.do(func() (err error) {
		s, err = tracker.NewServer(cfg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// startOpentracker runs opentracker, which answers HTTP and UDP on one port.
// Debian builds it to serve only the torrents of a list.
func startOpentracker(t *testing.T, n *namespace, addr, infoHash string) *process {
	t.Helper()
	dir := scratch(t)
	if err := os.WriteFile(filepath.Join(dir, "allowed"), []byte(infoHash+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// It makes dir its root, then opens the list.
	return start(t, n, dir, "opentracker", "-i", addr, "-p", trackerPort, "-P", trackerPort, "-d", dir, "-w", "/allowed")
}
