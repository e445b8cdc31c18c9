package storage

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
)

// benchDB holds n torrents of 1,000 pieces.
func benchDB(b *testing.B, n int) *DB {
	b.Helper()
	db, err := Open(filepath.Join(b.TempDir(), "bench.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	info := bytes.Repeat([]byte("x"), 20*1000)
	for i := range n {
		if err := db.AddTorrent(sample(i), Metadata{Info: info}, sampleResume(i)); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

// BenchmarkCheckpoint commits the resume data of one torrent of so many pieces:
// the database's part of a checkpoint, until it is durable.
func BenchmarkCheckpoint(b *testing.B) {
	for _, pieces := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("pieces=%d", pieces), func(b *testing.B) {
			db := benchDB(b, 10)
			r := sampleResume(1)
			r.Bitfield = make([]byte, (pieces+7)/8)
			for i := 0; b.Loop(); i++ {
				r.DownloadedBytes++
				if err := db.SaveResume(sample(i%10).InfoHash, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckpoints commits the same from 16 torrents at once, which share
// commits.
func BenchmarkCheckpoints(b *testing.B) {
	db := benchDB(b, 16)
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if err := db.SaveResume(sample(i%16).InfoHash, sampleResume(i)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkEncodeResume is the record without the commit.
func BenchmarkEncodeResume(b *testing.B) {
	r := sampleResume(1)
	r.Bitfield = make([]byte, 100_000/8)
	hash := sample(1).InfoHash
	b.SetBytes(int64(len(r.Bitfield)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeResume(hash, encodeResume(hash, &r)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTorrents is the scan at the start of the daemon.
func BenchmarkTorrents(b *testing.B) {
	db := benchDB(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		if list, problems := db.Torrents(); len(list) != 500 || len(problems) > 0 {
			b.Fatal(len(list), problems)
		}
	}
}
