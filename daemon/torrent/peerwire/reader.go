package peerwire

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"lorrent/daemon/torrent/hashtree"
)

// MaxExtended bounds an extension message. The largest honest ones are a
// 16 KiB metadata piece with its header and a peer exchange of a few hundred
// addresses.
const MaxExtended = 64 * 1024

// readBuffer holds headers and small messages. It is kept small on purpose:
// what lies in it of a block has to be copied once more.
const readBuffer = 4 * 1024

// Message is one decoded message. Bytes is the payload of a bitfield, a hash
// message or an extension message (without its extension number, which is in Extension) and
// is valid until the next call of Next.
type Message struct {
	ID        ID
	Extension uint8
	Index     uint32
	Begin     uint32
	Length    uint32 // of the block named or carried
	Bytes     []byte
}

// Error is a violation of the protocol by the sender.
type Error struct{ Text string }

func (e *Error) Error() string { return "protocol violation: " + e.Text }

func violation(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...)}
}

// Reader decodes one peer's stream. Every length is checked before it is
// waited for or allocated. After a Piece message the block must be taken with
// ReadBlock or thrown away with SkipBlock before the next call of Next.
type Reader struct {
	src         source
	small, wide []byte // room: of readBuffer bytes, and for what did not go where it was expected
	buf         []byte // one of them, or what Unread was given
	start, end  int    // buf[start:end] is read but not consumed
	maxBitfield int
	block       int // bytes of the current block, which is still to be taken
	placed      int // of them, in their place already
	large       []byte
	ahead       ahead
}

// UnknownBitfield is the bitfieldLen of a torrent whose number of pieces is not
// known yet: any bitfield of at most limit bytes is taken.
func UnknownBitfield(limit int) int { return -limit }

// NewReader reads from conn. A bitfield must be exactly bitfieldLen bytes.
func NewReader(conn net.Conn, bitfieldLen int) *Reader {
	return newReader(newSource(conn), bitfieldLen)
}

func newReader(src source, bitfieldLen int) *Reader {
	room := make([]byte, readBuffer)
	return &Reader{src: src, small: room, buf: room, maxBitfield: bitfieldLen}
}

// Unread puts b in front of what the connection gives: bytes that came with
// the handshakes and follow them. It is called before anything is read.
func (r *Reader) Unread(b []byte) {
	if len(b) > len(r.buf) {
		r.buf = make([]byte, len(b))
	}
	r.start, r.end = 0, copy(r.buf, b)
}

// Buffered reports whether Next would return without reading from the
// connection.
func (r *Reader) Buffered() bool {
	have := r.end - r.start
	switch {
	case r.block > 0:
		return false
	case len(r.ahead.blocks) > 0:
		return true
	case have < 4:
		return false
	}
	length := int(binary.BigEndian.Uint32(r.buf[r.start:]))
	if have >= 5 && ID(r.buf[r.start+4]) == Piece {
		return have >= PieceHeaderLen
	}
	return have >= 4+length
}

// Idle reports whether nothing was waiting in the connection behind what has been
// read. It is false where that cannot be known: above another layer than a socket.
func (r *Reader) Idle() bool { return !r.ahead.full }

// Next returns the next message.
func (r *Reader) Next() (Message, error) {
	if r.block > 0 {
		panic("peerwire: Next called before the block was taken")
	}
	if len(r.ahead.blocks) > 0 {
		return r.nextAhead(), nil
	}
	if err := r.fill(4); err != nil {
		if r.end > r.start {
			err = unexpected(err)
		}
		return Message{}, err
	}
	length := binary.BigEndian.Uint32(r.buf[r.start:])
	if length == 0 {
		r.start += 4
		return Message{ID: KeepAlive}, nil
	}
	if err := r.fill(5); err != nil {
		return Message{}, unexpected(err)
	}
	id := ID(r.buf[r.start+4])
	if err := r.checkLength(id, length); err != nil {
		return Message{}, err
	}
	r.start += 5
	return r.decode(id, int(length)-1)
}

// checkLength knows how long each type may be.
func (r *Reader) checkLength(id ID, length uint32) error {
	var want uint32
	switch id {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
		want = 1
	case Have, Suggest, AllowedFast:
		want = 5
	case Request, Cancel, Reject:
		want = 13
	case Port:
		want = 3
	case HashRequest, HashReject:
		want = hashRequestLen
	case Hashes:
		if length < hashRequestLen || length > maxHashes || (length-hashRequestLen)%hashtree.Size != 0 {
			return violation("hashes message of %d bytes", length)
		}
		return nil
	case Bitfield:
		if r.maxBitfield < 0 && length > uint32(1-r.maxBitfield) {
			return violation("bitfield of %d bytes", length-1)
		} else if r.maxBitfield < 0 {
			return nil
		}
		want = uint32(1 + r.maxBitfield)
	case Piece:
		if length < 10 || length > 9+BlockSize {
			return violation("piece message of %d bytes", length)
		}
		return nil
	case Extended:
		if length < 2 || length > MaxExtended {
			return violation("extension message of %d bytes", length)
		}
		return nil
	default:
		if length > readBuffer {
			return violation("message of unknown type %d and %d bytes", id, length)
		}
		return nil
	}
	if length != want {
		return violation("message of type %d has %d bytes, not %d", id, length, want)
	}
	return nil
}

// decode reads n bytes of payload.
func (r *Reader) decode(id ID, n int) (Message, error) {
	m := Message{ID: id}
	if id == Piece {
		if err := r.fill(8); err != nil {
			return m, unexpected(err)
		}
		m.Index = binary.BigEndian.Uint32(r.buf[r.start:])
		m.Begin = binary.BigEndian.Uint32(r.buf[r.start+4:])
		r.start += 8
		r.block = n - 8
		m.Length = uint32(r.block)
		return m, nil
	}
	p, err := r.payload(n)
	if err != nil {
		return m, unexpected(err)
	}
	switch id {
	case Have, Suggest, AllowedFast:
		m.Index = binary.BigEndian.Uint32(p)
	case Port:
		m.Index = uint32(binary.BigEndian.Uint16(p))
	case Request, Cancel, Reject:
		m.Index = binary.BigEndian.Uint32(p)
		m.Begin = binary.BigEndian.Uint32(p[4:])
		m.Length = binary.BigEndian.Uint32(p[8:])
	case Extended:
		m.Extension, m.Bytes = p[0], p[1:]
	case Bitfield, HashRequest, Hashes, HashReject:
		m.Bytes = p
	}
	return m, nil
}

// payload returns the next n bytes, from the buffer when they fit into it.
func (r *Reader) payload(n int) ([]byte, error) {
	if n <= len(r.buf) {
		if err := r.fill(n); err != nil {
			return nil, err
		}
		p := r.buf[r.start : r.start+n]
		r.start += n
		return p, nil
	}
	if cap(r.large) < n {
		r.large = make([]byte, n)
	}
	p := r.large[:n]
	return p, r.readInto(p, nil)
}

// ReadBlock puts the block of the current Piece message into dst, which must
// have exactly its length. Blocks that x, unless it is nil, expects behind it are the
// next messages if some of them has come with it, each to be taken with its Data.
func (r *Reader) ReadBlock(dst []byte, x Expectation) error {
	if len(dst) != r.block {
		panic("peerwire: ReadBlock with a destination of the wrong length")
	}
	dst = dst[r.placed:]
	r.block, r.placed = 0, 0
	return unexpected(r.readInto(dst, x))
}

// SkipBlock throws the block of the current Piece message away.
func (r *Reader) SkipBlock() error {
	left := r.block - r.placed
	r.block, r.placed = 0, 0
	for left > 0 {
		n := min(left, len(r.buf))
		if _, err := r.payload(n); err != nil {
			return unexpected(err)
		}
		left -= n
	}
	return nil
}

// fill makes at least n bytes available in the buffer.
func (r *Reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start+n > len(r.buf) || r.start == r.end {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for r.end-r.start < n {
		m, err := r.src.Read(r.buf[r.end:])
		r.end += m
		if err != nil && r.end-r.start < n {
			return err
		}
	}
	return nil
}

// readInto fills dst: first from the buffer, then straight from the
// connection. The same system call that brings the end of dst also brings what is
// there of the expected blocks, and refills the buffer.
func (r *Reader) readInto(dst []byte, x Expectation) error {
	n := copy(dst, r.buf[r.start:r.end])
	r.start += n
	for dst = dst[n:]; len(dst) > 0; dst = dst[n:] {
		r.buf, r.start, r.end = r.small, 0, 0
		r.ahead.dst, r.ahead.from = dst, x
		var err error
		n, err = r.src.ReadVector(r)
		r.ahead.full = n == r.ahead.size
		if n >= len(dst) {
			r.sort(n - len(dst))
			return nil
		}
		r.nothing()
		if err != nil {
			return err
		}
	}
	return nil
}

// unexpected turns the end of the stream inside a message into the error it
// is.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
