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
	home      string   // for its own files
	folder    string   // of .torrent files
	torrents  []string // those in it
	data      string   // where the payload is, or is to be
	done      string   // gets a line for each download that is complete
	finds     way      // peers by this besides trackers
	encrypted bool     // to refuse plaintext
	utp       bool     // to do without TCP, where the client can; otherwise without uTP
	measured  bool     // by the benchmark: plaintext, no log that costs time
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

func newJob(t *testing.T, n *namespace, data string, torrents ...[]byte) job {
	t.Helper()
	dir := scratch(t)
	j := job{namespace: n, home: filepath.Join(dir, "home"), data: data, done: filepath.Join(dir, "done")}
	j.folder = filepath.Join(dir, "torrents")
	for _, path := range []string{j.home, j.folder} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i, torrent := range torrents {
		path := filepath.Join(j.folder, fmt.Sprintf("case%d.torrent", i))
		if err := os.WriteFile(path, torrent, 0o644); err != nil {
			t.Fatal(err)
		}
		j.torrents = append(j.torrents, path)
	}
	return j
}

// doneScript is a program for the client to run when a download is complete.
func (j job) doneScript(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(j.done), "done.sh")
	if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\necho >> %s\n", j.done), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (j job) isDone() bool {
	lines, err := os.ReadFile(j.done)
	return err == nil && len(lines) >= len(j.torrents)
}
