package torrent

import (
	"crypto/sha1"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/anacrolix/torrent/bencode"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

type part struct {
	name string
	n    int
	pad  bool
}

// padded is a v1 torrent of parts in pieces of 32 KiB, and its bytes.
func padded(t testing.TB, parts []part) (torrent, data []byte) {
	t.Helper()
	var files []any
	for _, p := range parts {
		f := map[string]any{"length": p.n, "path": []string{p.name}}
		b := make([]byte, p.n)
		if p.pad {
			f["attr"], f["path"] = "p", []string{".pad", p.name}
		} else {
			for i := range b {
				b[i] = byte(i*i>>5 + len(data) + 1)
			}
		}
		files = append(files, f)
		data = append(data, b...)
	}
	var pieces []byte
	for at := 0; at < len(data); at += 32 << 10 {
		sum := sha1.Sum(data[at:min(at+32<<10, len(data))])
		pieces = append(pieces, sum[:]...)
	}
	info := map[string]any{"name": "padded", "piece length": 32 << 10, "files": files, "pieces": pieces}
	return bencode.MustMarshal(map[string]any{"info": info}), data
}

var paddedParts = []part{
	{"a", 40_000, false}, {"25536", 25_536, true}, // to the end of a piece
	{"b", 32 << 10, false}, {"65536", 64 << 10, true}, // two pieces of nothing else
	{"c", 100, false}, {"50", 50, true}, {"d", 5000, false}, // inside a block
	{"27618", 27_618, true}, {"empty", 0, false}, {"e", 1, false}, {"9", 9, true}, // at the very end
}

// Padding is neither asked of anybody nor written, in a v1 torrent either; a
// piece of nothing else does not keep a torrent from being complete.
func TestPadding(t *testing.T) {
	t.Parallel()
	torrent, data := padded(t, paddedParts)
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, t.TempDir(), nil)
	s := &scene{node: n, info: m.Info, data: data}
	s.h = add(t, n, torrent)
	cfg := s.seedConfig()
	var wanted, strange atomic.Int64
	cfg.Answer = func(_ *torrenttest.Peer, r peerwire.Message) bool {
		wanted.Add(int64(r.Length))
		if int64(r.Begin)+int64(r.Length) > m.Info.PayloadSize(int(r.Index)) {
			strange.Add(1)
		}
		return false
	}
	s.meet(t, torrenttest.StartSeed(t, cfg))
	st := s.waitFor(t, s.h, "download", seeding)
	if strange.Load() > 0 || wanted.Load() != m.Info.NumBytes || st.TotalBytes != m.Info.NumBytes || st.VerifiedBytes != st.TotalBytes {
		t.Errorf("%d bytes asked for, %d requests for padding: %+v", wanted.Load(), strange.Load(), st)
	}
	if st.NumFiles != 6 {
		t.Errorf("%d files", st.NumFiles)
	}
	at := 0
	for _, p := range paddedParts {
		got, err := os.ReadFile(filepath.Join(n.dir, "padded", p.name))
		switch {
		case p.pad && err == nil:
			t.Errorf("padding %s was written", p.name)
		case !p.pad && (err != nil || string(got) != string(data[at:at+p.n])):
			t.Errorf("file %s: %d bytes, %v", p.name, len(got), err)
		}
		at += p.n
	}
	if _, err := os.Stat(filepath.Join(n.dir, "padded", ".pad")); err == nil {
		t.Error("the folder of the padding is there")
	}
	// Who asks for padding gets zeros.
	p := s.dial(t)
	unchoked(t, p)
	p.Say(request(1, 16384, 16384))
	if m := p.Expect(t, peerwire.Piece); string(m.Block) != string(data[32<<10+16384:][:16384]) {
		t.Error("wrong bytes of a piece with padding")
	}
	p.Say(request(3, 0, 16384))
	if m := p.Expect(t, peerwire.Piece); string(m.Block) != string(make([]byte, 16384)) {
		t.Error("wrong bytes of a piece of padding")
	}
	p.Close()
	// A restart believes it, and a recheck finds it.
	n = n.restart(t)
	n.waitFor(t, s.h, "seeding after a restart", seeding)
	if err := n.Recheck(ctx, s.h); err != nil {
		t.Fatal(err)
	}
	n.waitFor(t, s.h, "seeding after a recheck", func(st Status) bool { return seeding(st) && st.VerifiedBytes == st.TotalBytes })
}

// A piece of padding whose hash is not that of zeros can never be complete.
func TestWrongPadding(t *testing.T) {
	t.Parallel()
	torrent, data := padded(t, paddedParts)
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(torrent), string(m.Info.PieceHash(3))+string(m.Info.PieceHash(4)), strings.Repeat("x", 20)+string(m.Info.PieceHash(4)), 1)
	_ = data
	n := startNode(t, t.TempDir(), nil)
	h := add(t, n, []byte(wrong))
	if st := n.waitFor(t, h, "failure", failed); !strings.Contains(st.Error, "piece 3 is all padding, and its hash is not that of zeros") && !strings.Contains(st.Error, "piece 4 is all padding") {
		t.Errorf("error %q", st.Error)
	}
}
