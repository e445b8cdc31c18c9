// Package kiss speaks KISS to radio modems: the framing of Chepponis and Karn
// ("The KISS TNC: A simple Host-to-TNC communications protocol", 1987) and the
// commands of the MeshCore KISS modem firmware, which carries its own through
// KISS's SetHardware command (MeshCore's docs/kiss_modem_protocol.md).
//
// A frame is C0, a type byte, its body, C0; inside, C0 is sent as DB DC and DB
// as DB DD. There is no checksum and no length, so a reader takes what lies
// between two C0 for a frame, and everything above must expect noise that
// happens to parse. Integers are little-endian.
package kiss

import (
	"bufio"
	"io"
)

const (
	frameEnd           = 0xC0
	frameEscape        = 0xDB
	escapedFrameEnd    = 0xDC
	escapedFrameEscape = 0xDD
)

// MaxFrame is the longest frame a board sends or takes, type byte included
// and escapes undone.
const MaxFrame = 512

// AppendFrame appends the frame of a type byte and a body to dst. It begins
// with a delimiter as well, so that noise before it ends a frame of its own.
func AppendFrame(dst []byte, kind byte, body ...byte) []byte {
	dst = append(dst, frameEnd)
	dst = appendEscaped(dst, kind)
	for _, b := range body {
		dst = appendEscaped(dst, b)
	}
	return append(dst, frameEnd)
}

func appendEscaped(dst []byte, b byte) []byte {
	switch b {
	case frameEnd:
		return append(dst, frameEscape, escapedFrameEnd)
	case frameEscape:
		return append(dst, frameEscape, escapedFrameEscape)
	default:
		return append(dst, b)
	}
}

// Decoder takes frames out of a stream of bytes. It allocates once, whatever
// the stream holds.
type Decoder struct {
	r       *bufio.Reader
	frame   []byte // capacity MaxFrame
	synced  bool   // a delimiter has been seen
	skipped uint64
}

// NewDecoder reads frames from r. What precedes the first delimiter is
// skipped: a stream may be joined in the middle of a frame.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: bufio.NewReaderSize(r, 2*MaxFrame), frame: make([]byte, 0, MaxFrame)}
}

// Skipped counts the frames dropped so far because they were longer than
// MaxFrame or had an escape that means nothing. It must not be called at the
// same time as Next.
func (d *Decoder) Skipped() uint64 { return d.skipped }

// Next returns the next frame, type byte first, never empty. It is valid
// until the following call. Broken frames are skipped, so an error is always
// one of the reader's, and a frame cut short by it is lost.
func (d *Decoder) Next() ([]byte, error) {
	for !d.synced {
		b, err := d.r.ReadByte()
		if err != nil {
			return nil, err
		}
		d.synced = b == frameEnd
	}
	for {
		whole, err := d.read()
		if err != nil {
			return nil, err
		}
		if !whole {
			d.skipped++
			continue
		}
		if len(d.frame) > 0 {
			return d.frame, nil
		}
	}
}

// read fills d.frame up to the next delimiter, which also begins the frame
// after. It reports whether what it read was sound; of an unsound frame the
// rest is consumed but not kept.
func (d *Decoder) read() (whole bool, err error) {
	d.frame = d.frame[:0]
	whole = true
	escaped := false
	for {
		b, err := d.r.ReadByte()
		if err != nil {
			return false, err
		}
		switch {
		case b == frameEnd:
			return whole && !escaped, nil
		case !whole:
			continue
		case escaped && b == escapedFrameEnd:
			b = frameEnd
		case escaped && b == escapedFrameEscape:
			b = frameEscape
		case escaped:
			whole = false
			continue
		case b == frameEscape:
			escaped = true
			continue
		}
		escaped = false
		if len(d.frame) == MaxFrame {
			whole = false
			continue
		}
		d.frame = append(d.frame, b)
	}
}
