package picker

import (
	"math/rand/v2"
	"testing"

	"lorrent/daemon/torrent/bitfield"
)

const (
	benchPieces = 100_000
	benchPeers  = 500
)

// benchSwarm has 100,000 pieces of 16 blocks and 500 leechers with about half
// of them each; peer 0 is a seed.
func benchSwarm() *Picker {
	rnd := rand.New(rand.NewPCG(1, 2))
	const length = 16 * BlockSize
	p := New(Config{
		NumPieces: benchPieces, PieceLength: length, TotalLength: benchPieces * length,
		MaxPartialBytes: 1 << 30, Rand: rnd,
	})
	for i := range randomFirst { // past the random first pieces
		p.PieceVerified(i)
	}
	p.addSeeds(0)
	for id := PeerID(1); id <= benchPeers; id++ {
		p.AddPeer(id)
		p.PeerBitfield(id, half(rnd))
	}
	return p
}

func half(rnd *rand.Rand) *bitfield.Bitfield {
	bf := bitfield.New(benchPieces)
	for i := range benchPieces {
		if rnd.IntN(2) == 0 {
			bf.Set(i)
		}
	}
	return bf
}

// benchDownload picks 16 blocks, receives them and verifies what is complete:
// one operation is all the picker does for one piece.
func benchDownload(b *testing.B, first, peers int, m Mode) {
	p := benchSwarm()
	dst := make([]Block, 0, 16)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := PeerID(first + i%peers)
		dst = p.Pick(id, 16, m, dst[:0])
		for _, block := range dst {
			if _, complete := p.Received(id, block); complete {
				p.PieceVerified(int(block.Piece))
			}
		}
		if i++; p.Left() < p.totalLength/100 {
			b.StopTimer()
			p = benchSwarm()
			b.StartTimer()
		}
	}
}

func BenchmarkDownloadPieceSeed(b *testing.B)     { benchDownload(b, 0, 1, Mode{}) }
func BenchmarkDownloadPieceLeechers(b *testing.B) { benchDownload(b, 1, benchPeers, Mode{}) }
func BenchmarkDownloadPieceSnubbed(b *testing.B) {
	benchDownload(b, 1, benchPeers, Mode{Snubbed: true})
}

// BenchmarkPick16 picks 16 blocks and releases them again, with a piece begun by
// each of the other peers.
func BenchmarkPick16(b *testing.B) {
	for _, who := range []struct {
		name string
		id   PeerID
	}{{"seed", 0}, {"leecher", 1}} {
		b.Run(who.name, func(b *testing.B) {
			p := benchSwarm()
			fast := Mode{Rate: 1 << 20}
			for id := PeerID(2); id <= benchPeers; id++ {
				p.Pick(id, 4, fast, nil)
			}
			dst := make([]Block, 0, 16)
			b.ReportAllocs()
			for b.Loop() {
				dst = p.Pick(who.id, 16, fast, dst[:0])
				p.ReleaseAll(who.id)
			}
		})
	}
}

// BenchmarkPickRareSupply is the worst case for a leecher: we have all of what
// it has but a few common pieces, which probing does not find.
func BenchmarkPickRareSupply(b *testing.B) {
	p := benchSwarm()
	const id = benchPeers + 1
	p.AddPeer(id)
	bf := bitfield.New(benchPieces)
	for i := range benchPieces / 2 {
		bf.Set(2 * i)
		if i%10_000 != 0 {
			p.PieceVerified(2 * i)
		}
	}
	p.PeerBitfield(id, bf)
	dst := make([]Block, 0, 16)
	for b.Loop() {
		dst = p.Pick(id, 16, Mode{Rate: 1 << 20}, dst[:0])
		p.ReleaseAll(id)
	}
	if len(dst) != 16 {
		b.Fatalf("picked %d blocks", len(dst))
	}
}

func BenchmarkPeerHave(b *testing.B) {
	p := benchSwarm()
	rnd := rand.New(rand.NewPCG(3, 4))
	p.rarities[Normal].rebuild()
	b.ReportAllocs()
	for b.Loop() {
		p.PeerHave(PeerID(1+rnd.IntN(benchPeers)), rnd.IntN(benchPieces))
	}
}

func BenchmarkInteresting(b *testing.B) {
	p := benchSwarm()
	i := 0
	for b.Loop() {
		p.Interesting(PeerID(i % benchPeers))
		i++
	}
}

func BenchmarkSeedJoinLeave(b *testing.B) {
	p := benchSwarm()
	full := bitfield.New(benchPieces)
	full.SetAll()
	b.ReportAllocs()
	for b.Loop() {
		p.AddPeer(1000)
		p.PeerBitfield(1000, full)
		p.Pick(1000, 1, Mode{}, nil)
		p.RemovePeer(1000)
	}
}

func BenchmarkLeecherJoinLeave(b *testing.B) {
	p := benchSwarm()
	bf := half(rand.New(rand.NewPCG(5, 6)))
	for b.Loop() {
		p.AddPeer(1000)
		p.PeerBitfield(1000, bf)
		p.Pick(1000, 1, Mode{}, nil) // sorts
		p.RemovePeer(1000)
		p.Pick(0, 1, Mode{}, nil) // sorts again
		p.ReleaseAll(0)
	}
}

// BenchmarkReceived is one block out of a pipeline of 1,024.
func BenchmarkReceived(b *testing.B) {
	p := benchSwarm()
	queue := p.Pick(0, 1024, Mode{}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, complete := p.Received(0, queue[0]); complete {
			p.PieceFailed(int(queue[0].Piece)) // so that it never runs out
		}
		queue = p.Pick(0, 1, Mode{}, queue[1:])
	}
}
