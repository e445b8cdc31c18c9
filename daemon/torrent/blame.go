package torrent

import (
	"net/netip"

	"lorrent/daemon/torrent/hashtree"
)

// maxSuspected bounds the bad pieces that are remembered.
const maxSuspected = 64

// blame finds the one among several contributors who spoilt a piece. It keeps
// what each of them sent of a bad piece; once the piece is right, whoever sent
// a block that differs is the liar.
type blame struct {
	pieces map[int][]sentBlock
}

type sentBlock struct {
	from netip.AddrPort
	sum  hashtree.Hash
	at   int // block number
}

// suspect remembers who sent what of a bad piece.
func (b *blame) suspect(piece int, from []netip.AddrPort, sums []hashtree.Hash) {
	if b.pieces == nil {
		b.pieces = make(map[int][]sentBlock)
	}
	if _, known := b.pieces[piece]; !known && len(b.pieces) >= maxSuspected {
		return
	}
	if len(b.pieces[piece]) > 8*len(sums) {
		return
	}
	for i, sum := range sums {
		if from[i].IsValid() {
			b.pieces[piece] = append(b.pieces[piece], sentBlock{from: from[i], sum: sum, at: i})
		}
	}
}

func (b *blame) remembers(piece int) bool { return len(b.pieces[piece]) > 0 }

// settle names those who sent other blocks than the right ones.
func (b *blame) settle(piece int, right []hashtree.Hash) (liars []netip.AddrPort) {
	named := make(map[netip.AddrPort]bool)
	for _, s := range b.pieces[piece] {
		if s.at < len(right) && s.sum != right[s.at] && !named[s.from] {
			named[s.from] = true
			liars = append(liars, s.from)
		}
	}
	delete(b.pieces, piece)
	return liars
}
