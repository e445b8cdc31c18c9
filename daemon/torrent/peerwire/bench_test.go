package peerwire

import (
	"io"
	"testing"
)

// BenchmarkReadRequests reads requests, as a seed does: many messages come with
// one read.
func BenchmarkReadRequests(b *testing.B) {
	here, there := dialTCP(b)
	defer here.Close()
	var wire []byte
	for i := range uint32(256) {
		wire = AppendBlock(wire, Request, 1, i*BlockSize, BlockSize)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := there.Write(wire); err != nil {
				return
			}
		}
	}()
	r := NewReader(here, 1)
	b.ReportAllocs()
	for b.Loop() {
		if m, err := r.Next(); err != nil || m.ID != Request {
			b.Fatal(m, err)
		}
	}
	here.Close()
	there.Close()
	<-done
}

// BenchmarkAppendRequests writes them, as a leecher does.
func BenchmarkAppendRequests(b *testing.B) {
	buf := make([]byte, 0, 256*17)
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for i := range uint32(256) {
			buf = AppendBlock(buf, Request, 1, i*BlockSize, BlockSize)
		}
		io.Discard.Write(buf)
	}
}
