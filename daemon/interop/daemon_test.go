package interop

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lorrent/rpc"
)

const lorrentPort = "51767"

// lorrent is our daemon: the real process, driven over its socket.
type lorrent struct {
	process *process
	client  *rpc.Client
	socket  string // where it listens for calls
	dir     string // of downloads
}

func startLorrent(t *testing.T, ctx context.Context, n *namespace, dir string, args ...string) *lorrent {
	t.Helper()
	program, err := buildDaemon()
	if err != nil {
		t.Fatal(err)
	}
	l := launchLorrent(t, n, program, scratch(t), dir, append(args, "--log-level", "debug")...)
	l.awaitRPC(t, ctx)
	return l
}

// launchLorrent runs a daemon program and does not wait for it.
func launchLorrent(t *testing.T, n *namespace, program, state, dir string, args ...string) *lorrent {
	t.Helper()
	socket := filepath.Join(state, "rpc.sock")
	address := "unix:" + socket
	client, err := rpc.Dial(address, rpc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	args = append([]string{"run", "--config", os.DevNull, "--state-dir", state, "--download-dir", dir,
		"--listen", ":" + lorrentPort, "--rpc", address, "--lora", "off"}, args...)
	return &lorrent{process: start(t, n, state, program, args...), client: client, socket: socket, dir: dir}
}

// awaitRPC waits until the daemon answers, and returns what it says.
func (l *lorrent) awaitRPC(t *testing.T, ctx context.Context) (status rpc.DaemonStatus) {
	t.Helper()
	awaitEvery(t, ctx, time.Millisecond, "start of our daemon", func() (bool, error) {
		var err error
		status, err = l.client.DaemonStatus(ctx, rpc.Empty{})
		return err == nil, l.process.alive()
	})
	return status
}

// add adds a torrent and returns its info hash.
func (l *lorrent) add(t *testing.T, ctx context.Context, torrent []byte) string {
	t.Helper()
	r, err := l.client.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: torrent})
	if err != nil {
		t.Fatalf("add torrent: %v", err)
	}
	return r.Torrent.InfoHash
}

// awaitTorrent waits until the torrent is as wanted. A torrent that reports an
// error fails the test.
func (l *lorrent) awaitTorrent(t *testing.T, ctx context.Context, id, what string, ok func(rpc.TorrentDetail) bool) rpc.TorrentDetail {
	t.Helper()
	var last rpc.TorrentDetail
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("our daemon, waiting for %q: %+v", what, last)
		}
	})
	await(t, ctx, what, func() (bool, error) {
		if err := l.process.alive(); err != nil {
			return false, err
		}
		d, err := l.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id, Peers: true, Trackers: true})
		if err != nil {
			return false, err
		}
		if last = d; d.Error != "" {
			t.Fatalf("%s: torrent has error %q", what, d.Error)
		}
		return ok(d), nil
	})
	return last
}

func seeding(d rpc.TorrentDetail) bool { return d.State == rpc.StateSeeding }

func announced(d rpc.TorrentDetail) bool { return len(d.Trackers) == 1 && d.Trackers[0].State == "ok" }

// stop ends the daemon in order, and checks that it did. Under the race
// detector this is where a race comes out.
func (l *lorrent) stop(t *testing.T, ctx context.Context) {
	t.Helper()
	if _, err := l.client.DaemonShutdown(ctx, rpc.Empty{}); err != nil {
		t.Errorf("shut down: %v", err)
	}
	if err := l.process.wait(ctx); err != nil {
		t.Error(err)
	}
	l.checkLog(t)
}

// checkLog looks for complaints. The clients here are honest: a daemon that
// throws one out is wrong, even when the transfer recovers.
func (l *lorrent) checkLog(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(l.process.log)
	if err != nil {
		t.Error(err)
	}
	if !bytes.Contains(log, []byte(`"message":"peer left"`)) {
		t.Error("no peer in the log of our daemon")
	}
	for line := range bytes.Lines(log) {
		for _, complaint := range []string{"peer dropped", "peer broke the protocol", "peer banned", "wrong hash", "panic", "DATA RACE"} {
			if bytes.Contains(line, []byte(complaint)) {
				t.Errorf("our daemon complains: %s", line)
			}
		}
	}
}
