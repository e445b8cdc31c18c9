package disk

import (
	"fmt"
	"testing"
)

// benchTorrent is of 64 MiB, in so many files, written once: what follows
// takes no new blocks or pages.
func benchTorrent(b *testing.B, files int) *Torrent {
	b.Helper()
	const size = 64 << 20
	var list []File
	for i := range files {
		list = append(list, File{Path: []string{"t", fmt.Sprint(i)}, Length: int64(size / files)})
	}
	t, err := Open(Config{Root: b.TempDir(), Files: list})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { t.Close() })
	if err := t.Allocate(); err != nil {
		b.Fatal(err)
	}
	if err := t.WriteAt([][]byte{make([]byte, size)}, 0); err != nil {
		b.Fatal(err)
	}
	return t
}

// shapes are one file, and files of 32 KiB, so that a piece has many spans and
// descriptors come and go.
var shapes = []struct {
	name  string
	files int
}{{"one file", 1}, {"2048 files", 2048}}

func BenchmarkWritePiece(b *testing.B) {
	for _, shape := range shapes {
		for _, length := range []int{256 << 10, 2 << 20} {
			b.Run(fmt.Sprintf("%s/%d KiB", shape.name, length>>10), func(b *testing.B) {
				t := benchTorrent(b, shape.files)
				piece := [][]byte{make([]byte, length)}
				b.SetBytes(int64(length))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := t.WriteAt(piece, int64(i%(64<<20/length)*length)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkReadBlock reads what a peer asks for from the page cache.
func BenchmarkReadBlock(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			t := benchTorrent(b, shape.files)
			block := make([]byte, 16<<10)
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := t.ReadAt(block, int64(i%4096)*int64(len(block))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSync makes 8 MiB durable: the disk's part of a checkpoint.
func BenchmarkSync(b *testing.B) {
	t := benchTorrent(b, 1)
	pieces := [][]byte{make([]byte, 8<<20)}
	b.SetBytes(8 << 20)
	for i := 0; b.Loop(); i++ {
		if err := t.WriteAt(pieces, int64(i%8)<<23); err != nil {
			b.Fatal(err)
		}
		if err := t.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}
