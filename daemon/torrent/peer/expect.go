package peer

import (
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

// expected are the blocks that should follow the one that is read, in the order in
// which they were asked for. Their places are claimed, so that one system call can
// fill several. It belongs to the reader.
type expected struct {
	pipe     *pipeline
	requests []Request
	blocks   []peerwire.Block // the same, and their places
	room     struct {
		requests [peerwire.MaxExpected]Request
		blocks   [peerwire.MaxExpected]peerwire.Block
	}
}

// Claim expects what was asked for behind the block that has just begun.
func (x *expected) Claim() []peerwire.Block {
	x.requests, x.blocks = x.pipe.following(x.room.requests[:0], peerwire.MaxExpected), x.room.blocks[:0]
	for _, r := range x.requests {
		dst, ok := r.Piece.Claim(int(r.Begin), int(r.Length))
		if !ok {
			break
		}
		x.blocks = append(x.blocks, peerwire.Block{Index: r.Index, Begin: r.Begin, Data: dst})
	}
	return x.blocks
}

// Keep gives up all claims but the first n.
func (x *expected) Keep(n int) {
	for i := n; i < len(x.blocks); i++ {
		x.requests[i].Piece.Abandon(int(x.blocks[i].Begin))
	}
	clear(x.requests[n:])
	clear(x.blocks[n:])
	x.requests, x.blocks = x.requests[:n], x.blocks[:n]
}

// place is where a block of a piece goes: where the reader has begun to put it, or
// where nobody has. It is false when the block is not wanted.
func (x *expected) place(buf *piece.Buffer, begin, length uint32) (dst []byte, ok bool) {
	switch {
	case buf == nil:
		return nil, false
	case len(x.blocks) == 0:
		return buf.Claim(int(begin), int(length))
	case x.requests[0].Piece != buf: // asked for twice, for two lives of a piece
		x.requests[0].Piece.Abandon(int(begin))
	default:
		dst, ok = x.blocks[0].Data, true
	}
	x.requests, x.blocks = x.requests[1:], x.blocks[1:]
	return dst, ok
}
