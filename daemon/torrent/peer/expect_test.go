package peer

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

// TestBlocksInAnotherOrder asks for blocks, and finds them waiting in an order that
// is nearly the one of the requests, with other messages between and the last one
// cut off. Each must get to its place, and what did not come must be free for others.
func TestBlocksInAnotherOrder(t *testing.T) {
	const blocks, sent = 64, 56
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		order := make([]uint32, blocks)
		for i := range order {
			order[i] = uint32(i)
		}
		for range rnd.IntN(10) {
			i := rnd.IntN(blocks - 3)
			j := i + 1 + rnd.IntN(3)
			order[i], order[j] = order[j], order[i]
		}
		content := make([]byte, blocks*block)
		rand.NewChaCha8([32]byte{byte(rnd.IntN(256))}).Read(content)
		var wire []byte
		haves := 0
		for _, n := range order[:sent] {
			wire = append(wire, pieceMessage(0, n*block, content[n*block:][:block])...)
			if rnd.IntN(20) == 0 {
				wire = peerwire.AppendIndex(wire, peerwire.Have, n)
				haves++
			}
		}
		cut := order[sent]
		wire = append(wire, pieceMessage(0, cut*block, content[cut*block:][:block])[:rnd.IntN(block)]...)

		gate := make(gateFunc)
		here, there := tcpPair(t)
		d := runDesk(t, here, there, func(c *Config) { c.Gate = gate })
		buf := piece.NewPool(0).New(0, len(content))
		var requests []Request
		for n := range uint32(blocks) {
			requests = append(requests, Request{Begin: n * block, Length: block, Piece: buf})
		}
		if err := d.Request(requests); err != nil {
			t.Fatal(err)
		}
		written := make(chan struct{})
		go func() { io.CopyN(io.Discard, there, blocks*17); there.Write(wire); there.Close(); close(written) }()
		pass := <-gate // the reader is at the first block
		<-written
		close(pass)
		stop := rnd.IntN(2 * sent)
		for n := 0; n < stop; n++ {
			select {
			case pass := <-gate:
				close(pass)
			case err := <-d.ended:
				d.ended <- err
				n = stop
			}
		}
		d.Close()
		<-d.ended
		events := d.Take(nil)
		if all := sent + haves; len(events) > all || stop >= all && len(events) < all {
			t.Errorf("%d events of %d", len(events), all)
		}
		arrived := make(map[uint32]bool)
		for _, e := range events {
			if e.ID != peerwire.Piece {
				continue
			}
			arrived[e.Begin/block] = true
			if e.Piece != buf {
				t.Errorf("block %d did not get to its place", e.Begin/block)
			}
		}
		for n := range uint32(blocks) {
			if _, free := buf.Claim(int(n*block), block); free == arrived[n] {
				t.Errorf("block %d may be claimed: %t", n, free)
			}
		}
		for i := range buf.NumExtents() {
			if data := buf.Take(i); data != nil && !bytes.Equal(data, content[i*piece.ExtentSize:][:len(data)]) {
				t.Errorf("extent %d differs", i)
			}
		}
	}
}
