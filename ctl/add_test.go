package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lorrent/rpc"
)

func TestAddSources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fresh, known, bad, empty := write("new", "new"), write("iso", "iso"), write("bad", "bad"), write("empty", "")
	const third, fourth = "0000000000000000000000000000000000000003", "0000000000000000000000000000000000000004"
	for _, test := range []struct {
		name   string
		args   []string
		stdin  string
		code   int
		stdout string
		stderr string // must be contained
	}{
		{"file", []string{fresh}, "", exitOK, "added\t" + third + "\tnew\n", ""},
		{"known file", []string{known}, "", exitOK, "known\t" + hashISO + "\tdebian.iso\n", ""},
		{"ids only", []string{"-q", fresh, "http://u"}, "", exitOK, third + "\n" + fourth + "\n", ""},
		{"standard input", []string{"-"}, "piped", exitOK, "added\t" + third + "\tpiped\n", ""},
		{"empty standard input", []string{"-"}, "", exitUsage, "", "standard input is empty"},
		{"standard input twice", []string{"-", "-"}, "piped", exitUsage, "added\t" + third + "\tpiped\n", "only once"},
		{"goes on after a bad one", []string{bad, fresh}, "", exitRPC, "added\t" + third + "\tnew\n", "add " + bad + ": parse metainfo: no info dict\n"},
		{"no such file", []string{filepath.Join(dir, "nothing")}, "", exitUsage, "", "no such file"},
		{"folder", []string{dir}, "", exitUsage, "", "is a directory"},
		{"empty file", []string{empty}, "", exitUsage, "", "is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			r := invocation{stdin: test.stdin, env: d.env()}.run(t, append([]string{"add"}, test.args...)...)
			r.want(t, test.code, test.stdout)
			if !strings.Contains(r.stderr, test.stderr) || test.stderr == "" && r.stderr != "" {
				t.Errorf("stderr %q, want %q in it", r.stderr, test.stderr)
			}
		})
	}
}

func TestAddTooLarge(t *testing.T) {
	d := newFakeDaemon(t)
	r := invocation{stdin: strings.Repeat("x", maxMetainfo+1), env: d.env()}.run(t, "add", "-")
	if r.code != exitUsage || len(d.called("Torrent.Add")) != 0 || !strings.Contains(r.stderr, "larger than the 32 MiB") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestAddRelativeDir(t *testing.T) {
	d := newFakeDaemon(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	d.ctl("add", "http://u", "--dir", "sub")
	want, _ := json.Marshal(rpc.TorrentAddArgs{URL: "http://u", Dir: filepath.Join(here, "sub")})
	if got := d.called("Torrent.Add"); !slices.Equal(got, []string{string(want)}) {
		t.Errorf("have %s, want %s", got, want)
	}
	r := invocation{}.run(t, "add", "http://u", "--dir", "sub", "--rpc", "10.0.0.1:7000")
	if r.code != exitUsage || !strings.Contains(r.stderr, "must be absolute") {
		t.Errorf("relative folder of another machine: exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestAddWaitPiped(t *testing.T) {
	d := newFakeDaemon(t)
	rounds := 0
	d.override["Torrent.Get"] = func(params json.RawMessage) (any, *rpc.Error) {
		rounds++
		detail := rpc.TorrentDetail{Torrent: d.torrents[3]}
		detail.VerifiedBytes, detail.Peers, detail.DownloadRate, detail.ETASeconds = int64(rounds)*25, 2, 2048, 61
		if rounds == 4 {
			detail.State = rpc.StateSeeding
		}
		return detail, nil
	}
	r := d.ctl("add", "http://u/evil\x1b[2J", "--wait", "--interval", "40ms")
	r.want(t, exitOK, "added\t0000000000000000000000000000000000000003\thttp://u/evil\uFFFD[2J\n")
	want := " 25.0%  2.0 KiB/s  2 peers  ETA 1m01s  downloading  http://u/evil\uFFFD[2J\n" +
		" 50.0%  2.0 KiB/s  2 peers  ETA 1m01s  downloading  http://u/evil\uFFFD[2J\n" +
		" 75.0%  2.0 KiB/s  2 peers  ETA 1m01s  downloading  http://u/evil\uFFFD[2J\n" +
		"100.0%  2.0 KiB/s  2 peers  ETA 1m01s  seeding  http://u/evil\uFFFD[2J\n"
	if r.stderr != want {
		t.Errorf("stderr:\n%swant:\n%s", r.stderr, want)
	}
}

// TestAddWaitMagnet shows the stage before anything is known.
func TestAddWaitMagnet(t *testing.T) {
	d := newFakeDaemon(t)
	rounds := 0
	d.override["Torrent.Get"] = func(json.RawMessage) (any, *rpc.Error) {
		rounds++
		detail := rpc.TorrentDetail{Torrent: d.torrents[3]}
		detail.State, detail.Name, detail.TotalBytes, detail.VerifiedBytes, detail.Peers, detail.ETASeconds = rpc.StateMetadata, "linked", 0, 0, 1, -1
		if rounds > 1 {
			detail.State, detail.Name, detail.TotalBytes, detail.VerifiedBytes = rpc.StateSeeding, "real", 100, 100
		}
		return detail, nil
	}
	r := d.ctl("add", "magnet:?xt=urn:btih:0000000000000000000000000000000000000009", "--wait", "--interval", "40ms")
	want := "     -  0 B/s  1 peer  ETA -  metadata  linked\n100.0%  0 B/s  1 peer  ETA -  seeding  real\n"
	if r.code != exitOK || r.stderr != want {
		t.Errorf("exit code %d, stderr:\n%swant:\n%s", r.code, r.stderr, want)
	}
}

// TestAddWaitLastLine checks that the end is told however rare the lines are.
func TestAddWaitLastLine(t *testing.T) {
	d := newFakeDaemon(t)
	go func() {
		d.await("Torrent.Get", 1)
		d.update(func() { d.torrents[3].State, d.torrents[3].VerifiedBytes = rpc.StateSeeding, 100 })
	}()
	r := d.ctl("add", "http://u", "--wait", "--interval", "1h")
	want := "  0.0%  0 B/s  0 peers  ETA -  downloading  http://u\n100.0%  0 B/s  0 peers  ETA -  seeding  http://u\n"
	if r.code != exitOK || r.stderr != want {
		t.Errorf("exit code %d, stderr:\n%swant:\n%s", r.code, r.stderr, want)
	}
}

func TestAddWaitEnds(t *testing.T) {
	for _, test := range []struct {
		name    string
		state   string
		problem string
		code    int
		message string
	}{
		{"complete", rpc.StateSeeding, "", exitOK, ""},
		{"error", rpc.StateError, "disk full", exitRPC, "torrent http://u: disk full"},
		{"stopped by somebody", rpc.StateStopped, "", exitRPC, "torrent http://u is stopped and incomplete"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			d.override["Torrent.Get"] = func(json.RawMessage) (any, *rpc.Error) {
				detail := rpc.TorrentDetail{Torrent: d.torrents[3]}
				detail.State, detail.Error = test.state, test.problem
				return detail, nil
			}
			r := d.ctl("add", "http://u", "--wait", "--json")
			if r.code != test.code || r.stderr != "" {
				t.Errorf("exit code %d, want %d, stderr %q", r.code, test.code, r.stderr)
			}
			if test.code == exitOK {
				var added rpc.Torrent
				r.decode(t, &added)
				if added.State != test.state {
					t.Errorf("the torrent is shown as before the wait: %+v", added)
				}
				return
			}
			var failed errorObject
			r.decode(t, &failed)
			if failed.Error.Message != test.message {
				t.Errorf("message %q, want %q", failed.Error.Message, test.message)
			}
		})
	}
}

func TestAddWaitRemoved(t *testing.T) {
	d := newFakeDaemon(t)
	d.fail("Torrent.Get", rpc.CodeNotFound, rpc.KindNotFound, "no torrent")
	if r := d.ctl("add", "http://u", "--wait"); r.code != exitNotFound || !strings.Contains(r.stderr, "wait for http://u: no torrent") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestAddWaitSeveral(t *testing.T) {
	d := newFakeDaemon(t)
	go func() {
		d.await("Torrent.Get", 2)
		d.update(func() {
			for i := range d.torrents[3:] {
				d.torrents[3+i].State, d.torrents[3+i].VerifiedBytes = rpc.StateSeeding, 100
			}
		})
	}()
	r := d.ctl("add", "http://u/1", "http://u/2", "--wait", "--interval", "10ms")
	if r.code != exitOK || !strings.Contains(r.stderr, "  0.0%  0 B/s  0 peers  ETA -  0 of 2 complete\n") ||
		!strings.HasSuffix(r.stderr, "100.0%  0 B/s  0 peers  ETA -  2 of 2 complete\n") {
		t.Errorf("exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}
