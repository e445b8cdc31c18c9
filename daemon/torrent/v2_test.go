package torrent

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/daemon/torrent/metainfo"
)

// makeFormat writes files of the given sizes below dir/payload and returns their
// torrent in one of the formats.
func makeFormat(t testing.TB, dir string, format metainfo.Format, piece int64, trackers [][]string, sizes ...int) ([]byte, *metainfo.Info) {
	t.Helper()
	root := filepath.Join(dir, "payload")
	writeFiles(t, root, 2, sizes)
	b, err := metainfo.Build(root, metainfo.BuildOptions{Format: format, PieceLength: piece, Trackers: trackers})
	if err != nil {
		t.Fatal(err)
	}
	m, err := metainfo.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return b, m.Info
}

func sum(sizes []int) (total int64) {
	for _, n := range sizes {
		total += int64(n)
	}
	return total
}

// onlyFiles checks that no padding was written.
func onlyFiles(t testing.TB, root string) {
	t.Helper()
	if err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if strings.Contains(p, ".pad") {
			t.Errorf("%s is there", p)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

var v2Cases = []struct {
	name   string
	format metainfo.Format
	piece  int64
	sizes  []int
}{
	{"v2, a single file", metainfo.V2, 32 << 10, []int{3<<20 + 12345}},
	{"v2, files", metainfo.V2, 64 << 10, []int{1, 0, 40_000, 5 << 20, 77_777, 16384, 65536}},
	{"v2, pieces of a block", metainfo.V2, 16 << 10, []int{100_000, 5, 16384, 16385}},
	{"hybrid, a single file", metainfo.Hybrid, 16 << 10, []int{1<<20 + 1}},
	{"hybrid, files", metainfo.Hybrid, 128 << 10, []int{1, 0, 40_000, 5 << 20, 77_777, 16384, 131072}},
}

// A torrent goes from one engine to another, both restart, and a recheck finds
// all of it, and damage.
func TestV2BetweenEngines(t *testing.T) {
	http, _ := startTracker(t)
	for _, c := range v2Cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seedDir := t.TempDir()
			torrent, info := makeFormat(t, filepath.Join(seedDir, "data"), c.format, c.piece, http, c.sizes...)
			seed := startNode(t, seedDir, nil)
			h := add(t, seed, torrent)
			if h != info.Hash {
				t.Errorf("added as %v, its hash is %v", h, info.Hash)
			}
			seed.waitFor(t, h, "seed finds its data", seeding)
			leech := startNode(t, t.TempDir(), nil)
			add(t, leech, torrent)
			st := leech.waitFor(t, h, "download", seeding)
			if want, got := treeSum(t, filepath.Join(seed.dir, "payload")), treeSum(t, filepath.Join(leech.dir, "payload")); want != got {
				t.Error("content differs")
			}
			onlyFiles(t, leech.dir)
			if n := sum(c.sizes); st.TotalBytes != n || st.VerifiedBytes != n || st.DownloadedBytes < n || st.DownloadedBytes > n+n/20+16384 {
				t.Errorf("%d bytes: %+v", n, st)
			}
			if st.NumFiles != len(c.sizes) || st.HashV2 != info.V2 || (st.HashV1 == info.Hash) != (c.format == metainfo.Hybrid) {
				t.Errorf("%+v", st)
			}
			seed.stop(t)
			leech = leech.restart(t)
			if st := leech.waitFor(t, h, "seeding after a restart", seeding); st.VerifiedBytes != sum(c.sizes) {
				t.Errorf("after a restart: %+v", st)
			}
			checkRecheck(t, leech, h, info)
		})
	}
}

// checkRecheck spoils a byte of the largest file and lets the engine find it.
func checkRecheck(t *testing.T, n *node, h metainfo.Hash, info *metainfo.Info) {
	t.Helper()
	var largest metainfo.File
	for _, f := range info.Files {
		if !f.Pad && f.Length > largest.Length {
			largest = f
		}
	}
	path := filepath.Join(n.dir, filepath.Join(largest.Path...))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.Recheck(ctx, h); err != nil {
		t.Fatal(err)
	}
	last := info.PayloadSize(int((largest.Offset + largest.Length - 1) / info.PieceLength))
	n.waitFor(t, h, "damage found", func(st Status) bool {
		return st.State == Downloading && st.VerifiedBytes == st.TotalBytes-last
	})
}

// v2Link is a magnet link by one or both of the hashes.
func v2Link(info *metainfo.Info, v1, v2 bool, trackers [][]string, peers ...netip.AddrPort) string {
	link := "magnet:?dn=linked"
	if v1 {
		link += "&xt=urn:btih:" + info.Hash.String()
	}
	if v2 {
		link += "&xt=urn:btmh:1220" + info.V2.String()
	}
	for _, tier := range trackers {
		for _, u := range tier {
			link += "&tr=" + url.QueryEscape(u)
		}
	}
	for _, p := range peers {
		link += "&x.pe=" + p.String()
	}
	return link
}

// By every kind of link, metadata and piece layers are found, and what came is
// served to the next.
func TestV2Magnets(t *testing.T) {
	http, _ := startTracker(t)
	for _, c := range []struct {
		name   string
		format metainfo.Format
		v1, v2 bool
		layers bool // are known afterwards without reading all of it
	}{
		{"v2", metainfo.V2, false, true, true},
		{"hybrid by both hashes", metainfo.Hybrid, true, true, true},
		{"hybrid by its v2 hash", metainfo.Hybrid, false, true, true},
		{"hybrid by its v1 hash", metainfo.Hybrid, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seedDir := t.TempDir()
			sizes := []int{1, 0, 600*16384 + 1, 40_000, 16384}
			torrent, info := makeFormat(t, filepath.Join(seedDir, "data"), c.format, 16<<10, http, sizes...)
			seed := startNode(t, seedDir, nil)
			seed.waitFor(t, add(t, seed, torrent), "seed finds its data", seeding)

			first := startNode(t, t.TempDir(), nil)
			h := addMagnet(t, first, v2Link(info, c.v1, c.v2, nil, seed.address()), AddOptions{})
			st := first.waitFor(t, h, "download", seeding)
			if st.HashV2 != info.V2 || (st.HashV1 == info.Hash) != (c.format == metainfo.Hybrid) || st.TotalBytes != sum(sizes) {
				t.Errorf("%+v", st)
			}
			// Either hash finds it, and names the same torrent when added again.
			for _, by := range []string{info.Hash.String(), info.V2.String(), info.V2.Short().String(), info.V2.String()[:45]} {
				if got, err := first.Resolve(by); err != nil || got != h {
					t.Errorf("resolve %s: %v, %v", by, got, err)
				}
			}
			if st, dup, err := first.Add(ctx, torrent, AddOptions{}); err != nil || !dup || st.InfoHash != h {
				t.Errorf("added again: %v, %v, %v", st.InfoHash, dup, err)
			}
			if c.v2 {
				if st, dup, err := first.AddMagnet(ctx, v2Link(info, false, true, nil), AddOptions{}); err != nil || !dup || st.InfoHash != h {
					t.Errorf("linked again: %v, %v, %v", st.InfoHash, dup, err)
				}
			}
			// Layers are stored, at once or once the files are complete.
			first.waitFor(t, h, "piece layers", func(Status) bool {
				layers, err := first.store.Layers(h)
				return err == nil && string(layers) == string(info.Layers())
			})
			seed.stop(t)
			first = first.restart(t)
			first.waitFor(t, h, "seeding after a restart", seeding)

			// What came by a link is given to the next by a link.
			next := startNode(t, t.TempDir(), nil)
			h2 := addMagnet(t, next, v2Link(info, false, true, nil, first.address()), AddOptions{})
			next.waitFor(t, h2, "second download", seeding)
			if want, got := treeSum(t, filepath.Join(seed.dir, "payload")), treeSum(t, filepath.Join(next.dir, "payload")); want != got {
				t.Error("content differs")
			}
			onlyFiles(t, next.dir)
		})
	}
}
