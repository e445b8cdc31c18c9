package torrent

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// chooser is a scripted seed that an engine asks for files.
type chooser struct {
	*torrenttest.Peer
	cfg   torrenttest.SeedConfig
	asked map[[2]uint32]bool // and neither answered nor taken back: piece, begin
}

// until serves requests until the condition holds after a message. What want
// does not name may not be asked for.
func (p *chooser) until(t *testing.T, what string, want func(piece uint32) bool, serve, ok func(m torrenttest.Message) bool) {
	t.Helper()
	p.ExpectThat(t, what, func(m torrenttest.Message) bool {
		at := [2]uint32{m.Index, m.Begin}
		switch m.ID {
		case peerwire.Request:
			if !want(m.Index) {
				t.Errorf("until %s: piece %d is asked for", what, m.Index)
			}
			p.asked[at] = true
			if serve(m) {
				delete(p.asked, at)
				p.Say(p.cfg.Block(m.Message))
			}
		case peerwire.Cancel:
			if p.asked[at] { // otherwise it has crossed the block
				delete(p.asked, at)
				p.Say(peerwire.AppendBlock(nil, peerwire.Reject, m.Index, m.Begin, m.Length))
			}
		}
		return ok(m)
	})
}

func says(only byte) func(torrenttest.Message) bool {
	return func(m torrenttest.Message) bool {
		return m.ID == peerwire.Extended && m.Extension == 9 && bytes.Equal(m.Bytes, []byte{only})
	}
}

// What is no longer wanted in the middle of a download is taken back from those
// who were asked, and what is not wanted is never asked for. Peers hear when
// nothing is wanted, and when something is again.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	c := newChoice(t)
	var data []byte
	for i := range c.info.Files {
		b, err := os.ReadFile(filepath.Join(c.seed.dir, filepath.Join(c.info.Files[i].Path...)))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, b...)
	}
	if _, _, err := c.n.Add(ctx, c.torrent, AddOptions{Files: "0,3"}); err != nil {
		t.Fatal(err)
	}
	c.n.waitFor(t, c.h, "preparation", func(s Status) bool { return s.State == Downloading })
	o := torrenttest.Options{InfoHash: c.h, Pieces: c.info.NumPieces()}
	p := &chooser{Peer: torrenttest.Dial(t, c.n.Stats().ListenAddress, o), asked: make(map[[2]uint32]bool),
		cfg: torrenttest.SeedConfig{Options: o, Data: data, PieceLength: c.info.PieceLength}}
	most := make([]byte, (o.Pieces+7)/8) // not piece 0: a seed would be left once nothing is wanted
	for i := 1; i < o.Pieces; i++ {
		most[i/8] |= 0x80 >> (i % 8)
	}
	p.Say(peerwire.AppendBitfield(nil, most), extended("d1:md11:upload_onlyi9ee1:v5:wantse"), peerwire.AppendMessage(nil, peerwire.Unchoke))

	of1 := func(piece uint32) bool { return piece >= 3 && piece <= 9 }
	of3 := func(piece uint32) bool { return piece >= 10 } // alone: 9 is also of file 1
	p.until(t, "a request for file 3", func(piece uint32) bool { return piece <= 3 || piece >= 9 },
		func(m torrenttest.Message) bool { return !of3(m.Index) },
		func(m torrenttest.Message) bool { return m.ID == peerwire.Request && of3(m.Index) })
	setFiles(t, c.n, c.h, FileChange{Only: "1"})
	// What was on its way when the choice changed may still be asked for.
	p.until(t, "the requests are taken back", func(uint32) bool { return true }, func(torrenttest.Message) bool { return false },
		func(m torrenttest.Message) bool {
			for at := range p.asked {
				if !of1(at[0]) {
					return false
				}
			}
			return m.ID == peerwire.Cancel
		})
	for at := range p.asked {
		p.Say(p.cfg.Block(peerwire.Message{Index: at[0], Begin: at[1], Length: min(peerwire.BlockSize, uint32(c.info.PieceSize(int(at[0])))-at[1])}))
		delete(p.asked, at)
	}
	all := func(torrenttest.Message) bool { return true }
	p.until(t, "nothing more is wanted", of1, all, says(1))
	st := c.n.waitFor(t, c.h, "what is wanted now", seeding)
	if len(completions(c.n)) != 1 {
		t.Errorf("%d completions, %+v", len(completions(c.n)), st)
	}
	c.has(t, c.n, 1)
	c.n.do(t, c.h, func(s *session) {
		if r := s.tell.request(s.e, &s.record); r.Left != st.TotalBytes-st.VerifiedBytes || r.Left == 0 {
			t.Errorf("trackers are told that %d bytes are left", r.Left)
		}
		if s.everything() {
			t.Error("it counts as a seed")
		}
	})
	setFiles(t, c.n, c.h, FileChange{High: "0"})
	p.until(t, "more is wanted", func(piece uint32) bool { return of1(piece) || piece <= 3 }, all, says(0))
	p.Say(have(0))
	for { // until it is a seed that we want nothing of
		m, err := p.Next()
		if err != nil {
			break
		}
		if m.ID == peerwire.Request {
			p.Say(p.cfg.Block(m.Message))
		}
	}
	c.n.waitFor(t, c.h, "what is wanted now", seeding)
	c.has(t, c.n, 0, 1)
	if n := len(completions(c.n)); n != 2 {
		t.Errorf("%d completions", n)
	}
}

// To want less can be all that is needed.
func TestFinishedByWantingLess(t *testing.T) {
	t.Parallel()
	c := newChoice(t)
	if _, _, err := c.n.Add(ctx, c.torrent, AddOptions{Files: "0"}); err != nil {
		t.Fatal(err)
	}
	c.n.learns(t, c.h, c.seed.address())
	c.n.waitFor(t, c.h, "download", seeding)
	c.seed.stop(t)
	if st := setFiles(t, c.n, c.h, FileChange{Only: AllFiles}); st.State == Seeding || !st.CompletedAt.IsZero() {
		t.Errorf("%+v", st)
	}
	c.n.waitFor(t, c.h, "preparation", func(s Status) bool { return s.State == Downloading })
	if st := setFiles(t, c.n, c.h, FileChange{Skip: "1-3"}); st.State != Seeding || st.ETASeconds != 0 || st.CompletedAt.IsZero() {
		t.Errorf("%+v", st)
	}
	c.n.waitFor(t, c.h, "seeding", seeding)
	setFiles(t, c.n, c.h, FileChange{Normal: "2"}) // the empty one
	c.n.eventually(t, "the empty file", func() bool { _, same := c.file(t, c.n, 2); return same })
	c.n.waitFor(t, c.h, "seeding", seeding)
}

// Padding counts as a file when files are named, and never as a file that is
// wanted; web seeds are asked for what is wanted alone.
func TestChosenInEveryFormat(t *testing.T) {
	t.Parallel()
	for format, name := range map[metainfo.Format]string{metainfo.V1: "v1", metainfo.V2: "v2", metainfo.Hybrid: "hybrid"} {
		t.Run(name, func(t *testing.T) {
			source := t.TempDir()
			torrent, info := makeFormat(t, source, format, 64<<10, nil, 100_000, 70_000, 200_000)
			server := webServer(t, source, nil)
			torrent = withWebSeeds(torrent, urlList(server.URL))
			n := startNode(t, t.TempDir(), nil)
			last := len(info.Files) - 1
			for info.Files[last].Pad {
				last--
			}
			st, _, err := n.Add(ctx, torrent, AddOptions{Files: strconv.Itoa(last)})
			if err != nil {
				t.Fatal(err)
			}
			h := st.InfoHash
			st = n.waitFor(t, h, "download", seeding)
			if st.DownloadedBytes != st.WantedBytes || st.WantedBytes >= 300_000 || format != metainfo.V1 && st.WantedBytes != 200_000 {
				t.Errorf("%+v", st)
			}
			got := files(t, n, h)
			if len(got) != 3 || got[0].Priority != "skip" || got[2].Priority != "normal" || got[2].Index != last || got[2].VerifiedBytes != 200_000 {
				t.Errorf("%+v", got)
			}
			if _, err := os.Stat(filepath.Join(n.dir, "payload", "folder", "a.bin")); err == nil {
				t.Error("a file that is not wanted is there")
			}
			if last > 2 { // there is padding
				if _, err := n.SetFiles(ctx, h, FileChange{Only: "1"}); err == nil || !strings.Contains(err.Error(), "no file") {
					t.Errorf("nothing but padding is wanted: %v", err)
				}
			}
			setFiles(t, n, h, FileChange{Only: "0-" + strconv.Itoa(last)})
			n.waitFor(t, h, "all of it", func(st Status) bool { return seeding(st) && st.VerifiedBytes == st.TotalBytes })
			if treeSum(t, filepath.Join(source, "payload")) != treeSum(t, filepath.Join(n.dir, "payload")) {
				t.Error("content differs")
			}
		})
	}
}
