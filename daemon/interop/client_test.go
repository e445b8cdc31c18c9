package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// job is what a foreign client is started with: it shall check what is in
// data, download the rest, and seed.
type job struct {
	namespace *namespace
	home      string // for its own files
	torrent   string // .torrent file, alone in its folder
	data      string // where the payload is, or is to be
	done      string // appears when a download is complete
}

// client is a foreign program.
type client struct {
	name, program, debian string // debian is the package
	start                 func(*testing.T, job) *process
}

var (
	transmission = client{"transmission", "transmission-daemon", "transmission-daemon", startTransmission}
	qbittorrent  = client{"qbittorrent", "qbittorrent-nox", "qbittorrent-nox", startQBittorrent}
	aria2        = client{"aria2", "aria2c", "aria2", startAria2}
	rtorrent     = client{"rtorrent", "rtorrent", "rtorrent", startRTorrent}
)

func newJob(t *testing.T, n *namespace, torrent []byte, data string) job {
	t.Helper()
	dir := scratch(t)
	j := job{namespace: n, home: filepath.Join(dir, "home"), torrent: filepath.Join(dir, "torrent", "case.torrent"), data: data, done: filepath.Join(dir, "done")}
	for _, folder := range []string{j.home, filepath.Dir(j.torrent)} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(j.torrent, torrent, 0o644); err != nil {
		t.Fatal(err)
	}
	return j
}

// doneScript is a program for the client to run when a download is complete.
func (j job) doneScript(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(j.done), "done.sh")
	if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n: > %s\n", j.done), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (j job) isDone() bool {
	_, err := os.Stat(j.done)
	return err == nil
}
