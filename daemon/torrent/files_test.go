package torrent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/metainfo"
)

// Sizes of the files of a torrent in pieces of 32 KiB. In the order of the torrent
// they are named by what is in them; 1 shares a piece with each neighbour.
var choiceSizes = []int{100_000, 200_000, 0, 300_000}

// choice is a seed and an engine without the torrent yet.
type choice struct {
	seed, n *node
	torrent []byte
	info    *metainfo.Info
	h       metainfo.Hash
}

func newChoice(t testing.TB) *choice {
	t.Helper()
	seedDir := t.TempDir()
	c := &choice{torrent: makePayload(t, filepath.Join(seedDir, "data"), "payload", 32<<10, nil, choiceSizes...)}
	m, err := metainfo.Parse(c.torrent)
	if err != nil {
		t.Fatal(err)
	}
	c.info = m.Info
	c.seed = startNode(t, seedDir, nil)
	c.h = add(t, c.seed, c.torrent)
	c.seed.waitFor(t, c.h, "seed finds its data", seeding)
	c.n = startNode(t, t.TempDir(), nil)
	return c
}

// link names the torrent, its seed and some files.
func (c *choice) link(so string) string { return linkTo(c.h, nil, c.seed.address()) + "&so=" + so }

// file is what a node has at a file's place, and whether it is what the seed has.
func (c *choice) file(t testing.TB, n *node, i int) (size int64, same bool) {
	t.Helper()
	name := filepath.Join(c.info.Files[i].Path...)
	got, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		return -1, false
	}
	want, err := os.ReadFile(filepath.Join(c.seed.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(got)), string(got) == string(want)
}

// has checks which files are there in full.
func (c *choice) has(t testing.TB, n *node, files ...int) {
	t.Helper()
	for _, i := range files {
		if size, same := c.file(t, n, i); !same {
			t.Errorf("file %d has %d bytes, not those of the seed", i, size)
		}
	}
}

func completions(n *node) (list []event.TorrentCompleted) {
	events, _, _ := n.events.Since(ctx, 0)
	for _, e := range events {
		if done, ok := e.Data.(event.TorrentCompleted); ok {
			list = append(list, done)
		}
	}
	return list
}

func files(t testing.TB, n *node, h metainfo.Hash) []FileStatus {
	t.Helper()
	d, err := n.Get(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	return d.Files
}

func priorities(t testing.TB, n *node, h metainfo.Hash) string {
	t.Helper()
	var list []string
	for _, f := range files(t, n, h) {
		list = append(list, f.Priority)
	}
	return strings.Join(list, " ")
}

func setFiles(t testing.TB, n *node, h metainfo.Hash, change FileChange) Status {
	t.Helper()
	st, err := n.SetFiles(ctx, h, change)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A magnet link chooses a file; it alone is downloaded, the torrent is finished
// then, also after a restart; what is chosen later is fetched without being added
// again.
func TestChosenByLink(t *testing.T) {
	t.Parallel()
	c := newChoice(t)
	addMagnet(t, c.n, c.link("3"), AddOptions{})
	st := c.n.waitFor(t, c.h, "download of what was chosen", seeding)
	c.has(t, c.n, 3)
	for _, i := range []int{0, 2} {
		if size, _ := c.file(t, c.n, i); size >= 0 {
			t.Errorf("file %d, which is not wanted, is there", i)
		}
	}
	first := 300_000 / c.info.PieceLength * c.info.PieceLength // the piece in which 3 begins
	if st.WantedBytes != c.info.NumBytes-first || st.WantedVerifiedBytes != st.WantedBytes || st.VerifiedBytes != st.WantedBytes ||
		st.DownloadedBytes != st.WantedBytes || st.TotalBytes != 600_000 || st.ETASeconds != 0 || st.CompletedAt.IsZero() {
		t.Errorf("%+v", st)
	}
	done := completions(c.n)
	if len(done) != 1 || done[0].TotalBytes != st.WantedBytes {
		t.Errorf("completed: %+v", done)
	}
	if got := files(t, c.n, c.h); len(got) != 4 || got[0] != (FileStatus{0, "payload/folder/a.bin", 100_000, 0, "skip"}) || got[3].Priority != "normal" || got[3].VerifiedBytes != 300_000 {
		t.Errorf("files %+v", got)
	}

	c.n = c.n.restart(t)
	if st := c.n.waitFor(t, c.h, "seeding after a restart", seeding); st.WantedBytes != done[0].TotalBytes {
		t.Errorf("%+v", st)
	}
	if got := priorities(t, c.n, c.h); got != "skip skip skip normal" {
		t.Errorf("priorities after a restart: %s", got)
	}

	if st := setFiles(t, c.n, c.h, FileChange{High: "0"}); st.State == Seeding || !st.CompletedAt.IsZero() {
		t.Errorf("more is wanted: %+v", st)
	}
	c.n.waitFor(t, c.h, "download of another file", seeding)
	c.has(t, c.n, 0, 3)
	if size, _ := c.file(t, c.n, 2); size >= 0 {
		t.Error("the empty file, which is not wanted, is there")
	}
	setFiles(t, c.n, c.h, FileChange{Only: AllFiles})
	st = c.n.waitFor(t, c.h, "download of the rest", seeding)
	c.has(t, c.n, 0, 1, 2, 3)
	if st.VerifiedBytes != st.TotalBytes || st.WantedBytes != st.TotalBytes || st.DownloadedBytes != st.TotalBytes || st.WastedBytes != 0 {
		t.Errorf("%+v", st)
	}
	if got := priorities(t, c.n, c.h); got != "high normal normal normal" {
		t.Errorf("priorities: %s", got)
	}
	if err := c.n.Recheck(ctx, c.h); err != nil {
		t.Fatal(err)
	}
	c.n.waitFor(t, c.h, "recheck", func(st Status) bool { return seeding(st) && st.VerifiedBytes == st.TotalBytes })
}

// What is not wanted any more is not asked for either; what is there of it is
// kept, and counts again when it is.
func TestChosenAnew(t *testing.T) {
	t.Parallel()
	c := newChoice(t)
	if _, _, err := c.n.Add(ctx, c.torrent, AddOptions{Paused: true, Files: "0,3"}); err != nil {
		t.Fatal(err)
	}
	if got := priorities(t, c.n, c.h); got != "normal skip skip normal" {
		t.Errorf("priorities: %s", got)
	}
	setFiles(t, c.n, c.h, FileChange{Only: "0-2", Low: "1"})
	c.n = c.n.restart(t)
	if got := priorities(t, c.n, c.h); got != "normal low normal skip" {
		t.Errorf("priorities after a restart: %s", got)
	}
	if err := c.n.Start(ctx, c.h); err != nil {
		t.Fatal(err)
	}
	c.n.learns(t, c.h, c.seed.address())
	c.n.waitFor(t, c.h, "download", seeding)
	c.has(t, c.n, 0, 1, 2)
	before := setFiles(t, c.n, c.h, FileChange{Only: "0"})
	if before.State != Seeding || before.WantedBytes != 4*32<<10 || before.WantedVerifiedBytes != before.WantedBytes || before.VerifiedBytes <= before.WantedBytes {
		t.Errorf("%+v", before)
	}
	c.has(t, c.n, 0, 1, 2)
	after := setFiles(t, c.n, c.h, FileChange{Normal: "1"})
	if after.State != Seeding || after.VerifiedBytes != before.VerifiedBytes || after.WantedBytes != before.VerifiedBytes {
		t.Errorf("%+v", after)
	}
}

func TestChoicesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	c := newChoice(t)
	for files, want := range map[string]string{
		"4": "there is no file 4", "0-4": "there is no file 4", "x": `files "x"`, "3-1": "3 is after 1", ",": `files ""`,
	} {
		if _, _, err := c.n.Add(ctx, c.torrent, AddOptions{Files: files}); !errors.Is(err, ErrFiles) || !strings.Contains(err.Error(), want) {
			t.Errorf("add with files %q: %v", files, err)
		}
	}
	if _, _, err := c.n.AddMagnet(ctx, c.link("1,x"), AddOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("link: %v", err)
	}
	if _, err := c.n.SetFiles(ctx, c.h, FileChange{Only: "1"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no torrent: %v", err)
	}
	addMagnet(t, c.n, linkTo(c.h, nil), AddOptions{})
	if _, err := c.n.SetFiles(ctx, c.h, FileChange{Only: "1"}); !errors.Is(err, ErrNoMetadata) {
		t.Errorf("a torrent of which nothing is known: %v", err)
	}
	for _, bad := range []struct {
		change FileChange
		want   string
	}{
		{FileChange{Skip: AllFiles}, "no file of the torrent is wanted"},
		{FileChange{Only: "4"}, "only: there is no file 4, the torrent has 0 to 3"},
		{FileChange{Skip: "1-2", High: "2"}, "file 2: both skip and high"},
		{FileChange{Low: "1,"}, "low: files"},
	} {
		if _, err := c.seed.SetFiles(ctx, c.h, bad.change); !errors.Is(err, ErrFiles) || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%+v: %v", bad.change, err)
		}
	}
	if got := priorities(t, c.seed, c.h); got != "normal normal normal normal" {
		t.Errorf("priorities: %s", got)
	}
}

// A link may name files that the torrent turns out not to have, before and after a
// restart: the others are downloaded, and without any the torrent fails until some
// are chosen.
func TestChosenBeforeItIsKnown(t *testing.T) {
	t.Parallel()
	for _, so := range []string{"3,99", "77"} {
		c := newChoice(t)
		link := linkTo(c.h, nil) + "&so=" + so // nobody to ask
		addMagnet(t, c.n, link, AddOptions{})
		c.n.waitFor(t, c.h, "search for the metadata", inMetadata)
		c.n = c.n.restart(t)
		c.n.waitFor(t, c.h, "search for the metadata", inMetadata)
		c.n.learns(t, c.h, c.seed.address())
		if so == "77" {
			if st := c.n.waitFor(t, c.h, "failure", failed); !strings.Contains(st.Error, "no file of the torrent is wanted: it has files 0 to 3") {
				t.Errorf("error %q", st.Error)
			}
			c.n = c.n.restart(t)
			c.n.waitFor(t, c.h, "failure after a restart", failed)
			setFiles(t, c.n, c.h, FileChange{Normal: "3"})
			c.n.learns(t, c.h, c.seed.address())
		}
		c.n.waitFor(t, c.h, "download", seeding)
		c.has(t, c.n, 3)
		if got := priorities(t, c.n, c.h); got != "skip skip skip normal" {
			t.Errorf("priorities: %s", got)
		}
	}
}
