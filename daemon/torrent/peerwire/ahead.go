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

// ahead is what was read of the blocks behind the one that was asked for.
type ahead struct {
	blocks []Block // begun: the next messages
	part   int     // bytes in place of the last of them, or wholeBlock
	full   bool    // the last read filled all the room there was: more is likely waiting

	// scratch of one read
	headers [MaxExpected]blockHeader
	buffers [2 + 2*MaxExpected][]byte
}

// More reports whether the last read took all it could, and no block was begun
// beyond the current one: expecting some is then worth the trouble.
func (r *Reader) More() bool { return r.ahead.full && len(r.ahead.blocks) == 0 }

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

// ReadAhead puts what is there of the current block into dst, and of the first
// MaxExpected that are expected to follow it into their places, all with one system
// call. It does not wait; ReadBlock takes the current block then as ever. It returns
// how many of the others have been begun: they are the next messages, each to be taken
// with its Data, and until then expected stays as it is.
func (r *Reader) ReadAhead(dst []byte, expected []Block) (begun int, err error) {
	dst = r.missing(dst)
	n := r.unload(dst)
	r.placed += n
	if dst = dst[n:]; len(dst) == 0 {
		return 0, nil
	}
	expected = expected[:min(len(expected), MaxExpected)]
	n, err = r.readVector(dst, expected, false)
	r.placed += min(n, len(dst))
	if n < len(dst) {
		return 0, unexpected(err)
	}
	return r.sort(expected, n-len(dst)), nil
}

// readVector reads into dst, the expected blocks with their headers, and the buffer,
// which is empty.
func (r *Reader) readVector(dst []byte, expected []Block, wait bool) (int, error) {
	a := &r.ahead
	r.buf, r.start, r.end = r.small, 0, 0
	v, room := append(a.buffers[:0], dst), len(dst)+len(r.buf)
	for i, b := range expected {
		v = append(v, a.headers[i][:], b.Data)
		room += PieceHeaderLen + len(b.Data)
	}
	n, err := r.src.ReadVector(append(v, r.buf), wait)
	clear(a.buffers[:])
	a.full = n == room
	return n, err
}

// sort finds out what n bytes are that were read behind a block, as if they were the
// expected blocks and then more. It returns how many of those they are.
func (r *Reader) sort(expected []Block, n int) (begun int) {
	a := &r.ahead
	for i, b := range expected {
		if n < PieceHeaderLen || !a.headers[i].announces(b) {
			r.gather(expected[i:], a.headers[i:], n)
			a.blocks, a.part = expected[:i], wholeBlock
			return i
		}
		n -= PieceHeaderLen
		if a.part = min(n, len(b.Data)); a.part < len(b.Data) {
			a.blocks = expected[:i+1]
			return i + 1
		}
		n -= len(b.Data)
	}
	a.blocks, a.part = expected, wholeBlock
	r.end = n
	return len(expected)
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
