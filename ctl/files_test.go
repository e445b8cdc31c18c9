package main

import (
	"slices"
	"strings"
	"testing"

	"lorrent/rpc"
)

const fileRows = "0\t50.0%\t2.0 KiB\thigh\ta/\uFFFDb\n2\t100.0%\t0 B\tskip\tempty\n"

func TestFiles(t *testing.T) {
	const header = "#\tDONE\tSIZE\tPRIORITY\tFILE\n"
	for _, test := range []struct{ args, want, call string }{
		{"files 89abff", header + fileRows, ""},
		{"files 89abff --no-header", fileRows, ""},
		{"files 89abff --only 1,3-5 --high 3", header + fileRows, `{"id":"89abff","only":"1,3-5","high":"3"}`},
		{"files 89abff --skip 2 --low 0 --normal all", header + fileRows, `{"id":"89abff","skip":"2","low":"0","normal":"all"}`},
	} {
		d := newFakeDaemon(t)
		d.ctl(strings.Fields(test.args)...).want(t, exitOK, test.want)
		if got := strings.Join(d.called("Torrent.SetFiles"), " "); got != test.call {
			t.Errorf("%s called with %s, want %s", test.args, got, test.call)
		}
	}
	var detail rpc.TorrentDetail
	newFakeDaemon(t).ctl("files", "89abff", "--only", "0", "--json").decode(t, &detail)
	if detail.InfoHash != hashBook || len(detail.Files) != 2 || detail.Files[1] != (rpc.File{Index: 2, Path: "empty", Priority: "skip"}) {
		t.Errorf("%+v", detail)
	}
}

func TestAddFiles(t *testing.T) {
	d := newFakeDaemon(t)
	if r := d.ctl("add", "http://u", "--files", "0,2,4-8"); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	if got := d.called("Torrent.Add"); !slices.Equal(got, []string{`{"url":"http://u","files":"0,2,4-8"}`}) {
		t.Errorf("called with %s", got)
	}
}

// Progress is that of what is wanted.
func TestWantedProgress(t *testing.T) {
	d := newFakeDaemon(t)
	d.torrents[0].WantedBytes, d.torrents[0].WantedVerifiedBytes = 1<<29, 1<<28+1<<27
	d.ctl("ls", "--no-header", "--state", "active").want(t, exitOK, hashISO+"\tdownloading\t75.0%\t1.0 GiB\t3.0 MiB/s\t1.0 KiB/s\t12\t2m51s\tdebian.iso\n")
	if r := d.ctl("show", "89abc"); !strings.Contains(r.stdout, "done\t75.0%, 384 MiB of 512 MiB\nin all\t512 MiB of 1.0 GiB\n") {
		t.Error(r.stdout)
	}
	if s := sum([]*rpc.Torrent{&d.torrents[0], &d.torrents[1]}); s.total != 1<<29+1000 || s.verified != 1<<28+1<<27+1000 {
		t.Errorf("%+v", s)
	}
	half, done := d.torrents[0], d.torrents[0]
	half.State, done.State = rpc.StateStopped, rpc.StateStopped
	done.WantedVerifiedBytes = done.WantedBytes
	if complete(&half) || !complete(&done) {
		t.Error("what is complete is not what is wanted")
	}
}
