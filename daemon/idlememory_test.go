package main

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lorrent/rpc"
)

// A torrent that is complete and that nobody wants costs a few kilobytes after a
// start, however long its list of hashes is. It would be 44 kB if the start left
// the info dictionaries in memory. The bound is far from what is measured (about
// 5 kB with 5,000 torrents), since the lists that are asked for count, too.
func TestIdleTorrentsAreSmall(t *testing.T) {
	const torrents, pieces, length, limit = 500, 1000, 1 << 10, 24 << 10
	p := newProcess(t)
	p.program = []string{release(t, "lorrentd")}
	p.start(t)
	base := resident(t, p)
	sum := sha1.Sum(make([]byte, length))
	for n := range torrents {
		name := fmt.Sprintf("idle-%04d", n)
		path := filepath.Join(p.dir, "downloads", name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, pieces*length); err != nil {
			t.Fatal(err)
		}
		metainfo := fmt.Appendf(nil, "d4:infod6:lengthi%de4:name%d:%s12:piece lengthi%de6:pieces%d:%see",
			pieces*length, len(name), name, length, pieces*len(sum), bytes.Repeat(sum[:], pieces))
		if _, err := p.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: metainfo}); err != nil {
			t.Fatal(err)
		}
	}
	seeding := func() (bool, error) {
		s, err := p.DaemonStatus(t.Context(), rpc.Empty{})
		return s.States[rpc.StateSeeding] == torrents, err
	}
	eventually(t, p, "all torrents seed", seeding)
	p.shutDown(t)
	p.start(t)
	eventually(t, p, "all torrents seed again", seeding)
	var each int
	defer func() { t.Logf("%d bytes for each of %d torrents", each, torrents) }()
	eventually(t, p, fmt.Sprintf("less than %d bytes for a torrent", limit), func() (bool, error) {
		each = (resident(t, p) - base) / torrents
		return each < limit, nil
	})
}

// resident is the daemon's resident memory in bytes.
func resident(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "\nVmRSS:")
	kib, err := strconv.Atoi(strings.Fields(line + " -")[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
