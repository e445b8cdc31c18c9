package torrent

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
	"lorrent/daemon/torrent/torrenttest"
	"lorrent/storage/disk"
)

// largePiece is a piece of four extents, the last one short.
const largePiece = 3*piece.ExtentSize + 40<<10

// largeScene is a torrent of large pieces whose payload is elsewhere.
func largeScene(t testing.TB, length int) (torrent []byte, info *metainfo.Info, data []byte) {
	t.Helper()
	dir := t.TempDir()
	torrent = makePayload(t, dir, "payload", 8<<20, nil, length)
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(filepath.Join(dir, "payload"))
	if err != nil {
		t.Fatal(err)
	}
	return torrent, m.Info, data
}

// A piece reaches the disk in the order its parts arrive, and its hash is right
// whatever that order is.
func TestArrival(t *testing.T) {
	t.Parallel()
	_, info, data := largeScene(t, largePiece)
	cases := []struct {
		name      string
		short     bool
		order     []int   // of the extents' arrival
		ready     [][]int // after each but the last
		spoil     int     // a byte, or -1
		suspected bool
	}{
		{"in order", false, []int{0, 1, 2, 3}, [][]int{{0}, {1}, {2}}, -1, false},
		{"behind a gap", false, []int{2, 0, 1, 3}, [][]int{nil, {0}, {1, 2}}, -1, false},
		{"behind a gap, short of memory", true, []int{2, 3, 0, 1}, [][]int{{2}, {3}, {0}}, -1, false},
		{"backwards, short of memory", true, []int{3, 2, 1, 0}, [][]int{{3}, {2}, {1}}, -1, true},
		{"spoilt", false, []int{0, 1, 2, 3}, [][]int{{0}, {1}, {2}}, piece.ExtentSize + 5, false},
		{"spoilt, short of memory", true, []int{3, 1, 2, 0}, [][]int{{3}, {1}, {2}}, 3 * piece.ExtentSize, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d, err := openDisk(info, dir, disk.Sparse)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Allocate(); err != nil {
				t.Fatal(err)
			}
			sent := slices.Clone(data)
			if c.spoil >= 0 {
				sent[c.spoil] ^= 1
			}
			pool, content := piece.NewPool(0), &content{info: info, disk: d}
			a := &arrival{Buffer: pool.New(0, len(data)), written: make([]bool, 4)}
			for n, extent := range c.order {
				begin := extent * piece.ExtentSize
				fillExtent(t, a.Buffer, sent, begin, begin+a.ExtentSize(extent))
				if n == 3 {
					break
				}
				ready, size := a.ready(c.short)
				if !slices.Equal(ready, c.ready[n]) {
					t.Fatalf("after extent %d: %v is ready, not %v", extent, ready, c.ready[n])
				}
				before := pool.InUse()
				if err := a.put(content, ready); err != nil {
					t.Fatal(err)
				}
				if freed := before - pool.InUse(); freed != size {
					t.Errorf("%d bytes were ready, %d given back", size, freed)
				}
			}
			ready, _ := a.ready(true)
			right, blocks, err := a.finish(content, ready, c.suspected)
			if err != nil || right != (c.spoil < 0) {
				t.Errorf("right %v, %v", right, err)
			}
			if want := hashtree.Leaves(sent); (!right || c.suspected) && !slices.Equal(blocks, want) {
				t.Errorf("%d block hashes, want %d", len(blocks), len(want))
			}
			if got, err := os.ReadFile(filepath.Join(dir, "payload")); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("another content is on the disk, %v", err)
			}
			a.Release()
			if pool.InUse() != 0 {
				t.Errorf("%d bytes are kept", pool.InUse())
			}
		})
	}
}

func fillExtent(t *testing.T, b *piece.Buffer, data []byte, begin, end int) {
	t.Helper()
	for ; begin < end; begin += peerwire.BlockSize {
		dst, ok := b.Claim(begin, min(peerwire.BlockSize, end-begin))
		if !ok {
			t.Fatalf("block at %d refused", begin)
		}
		copy(dst, data[begin:])
		b.Deliver(begin, 1)
	}
}

// Large pieces from an honest seed and a liar, with less memory than one piece.
func TestLargePieces(t *testing.T) {
	t.Parallel()
	torrent, info, data := largeScene(t, 2*(8<<20)+largePiece)
	n := startNode(t, t.TempDir(), func(c *Config) { c.BufferBytes = 4 << 20 })
	h := add(t, n, torrent)
	there := &scene{node: n, h: h, info: info, data: data}
	liar := there.seedConfig()
	liar.Answer = liar.Corrupt(func(r peerwire.Message) bool { return r.Begin%(1<<20) == 0 })
	there.meet(t, torrenttest.StartSeed(t, liar), torrenttest.StartSeed(t, there.seedConfig()))
	n.waitFor(t, h, "download", seeding)
	there.sameContent(t)
}

// What arrives of a large piece while the disk is full waits for it.
func TestFullDiskUnderALargePiece(t *testing.T) {
	t.Parallel()
	small, here := smallDisk(t, 12)
	if !here {
		return
	}
	torrent, info, data := largeScene(t, 8<<20)
	n := startNode(t, t.TempDir(), func(c *Config) { c.DownloadDir, c.writeRetry = small, 300*time.Millisecond })
	free := occupy(t, small, 3<<20)
	h := add(t, n, torrent)
	there := &scene{node: n, h: h, info: info, data: data}
	there.meet(t, torrenttest.StartSeed(t, there.seedConfig()))
	n.waitFor(t, h, "full disk", full)
	free()
	n.waitFor(t, h, "download", seeding)
	if got, err := os.ReadFile(filepath.Join(small, "payload")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("content differs, %v", err)
	}
}
