package peerwire

import "encoding/binary"

// MaxExpected is how many blocks may be expected behind one. With their headers they
// are as many buffers as a readv of package unix takes without an allocation.
const MaxExpected = 3

const wholeBlock = BlockSize

// Block is a block that is expected, and where it goes.
type Block struct {
	Index, Begin uint32
	Data         []byte // as long as the block
}

// blockHeader is a Piece message up to its block.
type blockHeader [PieceHeaderLen]byte

// announces reports whether b follows.
func (h *blockHeader) announces(b Block) bool {
	return binary.BigEndian.Uint32(h[:]) == uint32(9+len(b.Data)) && ID(h[4]) == Piece &&
		binary.BigEndian.Uint32(h[5:]) == b.Index && binary.BigEndian.Uint32(h[9:]) == b.Begin
}

// Expectation knows which blocks should come next.
type Expectation interface {
	// Claim returns up to MaxExpected of them, in their order. Their places are
	// the reader's.
	Claim() []Block
	// Keep takes back the places of all but the first n, whose messages have
	// begun. Those stay until they are taken.
	Keep(n int)
}

// ahead is what was read of the blocks behind the one that was asked for.
type ahead struct {
	blocks []Block // begun: the next messages
	part   int     // bytes in place of the last of them, or wholeBlock
	full   bool    // the last read filled all its room: more is likely waiting

	// one read
	dst      []byte
	from     Expectation // nil when nothing is expected
	expected []Block
	headers  [MaxExpected]blockHeader
	room     [2 + 2*MaxExpected][]byte
	size     int // of the room
}

// nextAhead is the message of the first block that was begun.
func (r *Reader) nextAhead() Message {
	a := &r.ahead
	b := a.blocks[0]
	a.blocks = a.blocks[1:]
	r.block, r.placed = len(b.Data), len(b.Data)
	if len(a.blocks) == 0 {
		r.placed = min(a.part, r.block)
	}
	return Message{ID: Piece, Index: b.Index, Begin: b.Begin, Length: uint32(len(b.Data))}
}

func (r *Reader) first() []byte {
	r.ahead.size = len(r.ahead.dst)
	return r.ahead.dst
}

// buffers are the end of a block, the headers and places of those that are expected
// then, and the buffer, which is empty.
func (r *Reader) buffers() [][]byte {
	a := &r.ahead
	if a.from != nil && a.full {
		a.expected = a.from.Claim()
		a.expected = a.expected[:min(len(a.expected), MaxExpected)]
	}
	tail := r.buf
	if len(a.expected) == MaxExpected { // of one more block behind them, the less is copied the better
		tail = tail[:PieceHeaderLen]
	}
	v := append(a.room[:0], a.dst)
	a.size = len(a.dst) + len(tail)
	for i, b := range a.expected {
		v = append(v, a.headers[i][:], b.Data)
		a.size += PieceHeaderLen + len(b.Data)
	}
	return append(v, tail)
}

// nothing gives the places back: others may fill them while this peer is waited for.
func (r *Reader) nothing() {
	if r.ahead.from != nil {
		r.ahead.from.Keep(0)
	}
	r.ahead.expected = nil
}

// sort finds out what n bytes are that were read behind a block, as if they were the
// expected blocks and then more.
func (r *Reader) sort(n int) {
	a := &r.ahead
	begun := r.begun(n)
	a.blocks = a.expected[:begun]
	if a.from != nil {
		a.from.Keep(begun)
	}
	a.dst, a.from, a.expected = nil, nil, nil
	clear(a.room[:])
}

// begun counts the expected blocks among n bytes, and puts what else they are into
// the buffer.
func (r *Reader) begun(n int) int {
	a := &r.ahead
	a.part = wholeBlock
	for i, b := range a.expected {
		if n < PieceHeaderLen || !a.headers[i].announces(b) {
			r.gather(a.expected[i:], a.headers[i:], n)
			return i
		}
		n -= PieceHeaderLen
		if n < len(b.Data) {
			a.part = n
			return i + 1
		}
		n -= len(b.Data)
	}
	r.end = n
	return len(a.expected)
}

// gather puts n bytes that were read as if they were the expected blocks, and are
// something else, in one row for the reader.
func (r *Reader) gather(expected []Block, headers []blockHeader, n int) {
	if r.wide == nil {
		r.wide = make([]byte, MaxExpected*(PieceHeaderLen+BlockSize)+readBuffer)
	}
	end := 0
	take := func(b []byte) { end += copy(r.wide[end:n], b) }
	for i, b := range expected {
		take(headers[i][:])
		take(b.Data)
	}
	take(r.buf)
	r.buf, r.start, r.end = r.wide, 0, n
}
