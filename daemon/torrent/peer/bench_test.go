package peer

import (
	"fmt"
	"io"
	"testing"
	"time"

	"lorrent/daemon/torrent/piece"
)

// BenchmarkPipeline asks for a block and takes one off, with so many under way:
// what the bookkeeping of one block costs.
func BenchmarkPipeline(b *testing.B) {
	for _, depth := range []int{32, 500, 8000} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			p := &pipeline{}
			ask := func(i int) {
				p.mu.Lock()
				p.asked.push(asked{Request: Request{Index: uint32(i), Length: block}, at: begin})
				p.mu.Unlock()
			}
			for i := range depth {
				ask(i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				ask(i + depth)
				if _, _, err := p.arrived(uint32(i), 0, block, begin); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkReceive takes pieces of 256 KiB from a socket into their buffers:
// one operation is a block.
func BenchmarkReceive(b *testing.B) {
	const blocks = 16
	here, there := tcpPair(b)
	d := runDesk(b, here, there, nil)
	wire := make([][]byte, blocks)
	for i := range wire {
		wire[i] = pieceMessage(0, uint32(i)*block, make([]byte, block))
	}
	go io.Copy(io.Discard, there) // the requests; ends with the connection
	pool := piece.NewPool(1 << 20)
	b.SetBytes(block)
	b.ReportAllocs()
	var events []Event
	for i := 0; b.Loop(); i++ {
		if i%blocks != 0 {
			continue
		}
		buf := pool.New(0, blocks*block)
		var requests []Request
		for n := range blocks {
			requests = append(requests, Request{Begin: uint32(n) * block, Length: block, Piece: buf})
		}
		if err := d.Request(requests); err != nil {
			b.Fatal(err)
		}
		for _, w := range wire {
			if _, err := there.Write(w); err != nil {
				b.Fatal(err)
			}
		}
		for arrived := 0; arrived < blocks; {
			<-d.ready
			events = d.Take(events[:0])
			arrived += len(events)
		}
		buf.Release()
	}
}

// BenchmarkServe sends blocks to a socket, from a disk that costs nothing: one
// operation is a block.
func BenchmarkServe(b *testing.B) {
	here, there := tcpPair(b)
	d := runDesk(b, here, there, func(c *Config) {
		c.ReadBlock = func([]byte, uint32, uint32) error { return nil }
	})
	const batch = 64
	got := make([]byte, batch*len(pieceMessage(0, 0, make([]byte, block))))
	b.SetBytes(block)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%batch != 0 {
			continue
		}
		for n := range uint32(batch) {
			if !d.QueueUpload(n/16, n%16*block, block) {
				b.Fatal("the queue is full")
			}
		}
		if _, err := io.ReadFull(there, got); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWindow counts an arrival.
func BenchmarkWindow(b *testing.B) {
	var w window
	now := begin
	w.asked(now)
	for b.Loop() {
		now = now.Add(time.Microsecond)
		w.received(block, now, time.Millisecond)
	}
}
