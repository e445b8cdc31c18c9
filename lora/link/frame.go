package link

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Delimiter ends every frame. Whoever begins to speak sends one first.
const Delimiter = 0

// checksum is CRC-16/IBM-3740: polynomial 0x1021, from 0xFFFF.
func checksum(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, x := range b {
		crc ^= uint16(x) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// AppendFrame appends a frame and its delimiter to dst. A body longer than
// MaxBody is the caller's mistake, and no receiver will take it.
func AppendFrame(dst []byte, f Frame) []byte {
	plain := make([]byte, 0, maxPlain)
	plain = append(plain, byte(f.Type), f.Sequence)
	plain = append(plain, f.Body...)
	plain = binary.BigEndian.AppendUint16(plain, checksum(plain))
	return append(stuff(dst, plain), Delimiter)
}

// stuff appends plain to dst without zeros (COBS).
func stuff(dst, plain []byte) []byte {
	code := len(dst) // of the block under way
	dst = append(dst, 1)
	for i, b := range plain {
		if b != 0 {
			dst = append(dst, b)
			dst[code]++
		}
		if b == 0 || dst[code] == 0xFF && i+1 < len(plain) {
			code = len(dst)
			dst = append(dst, 1)
		}
	}
	return dst
}

// unstuff undoes stuff, in place. It fails when a block is longer than what is
// there.
func unstuff(b []byte) ([]byte, bool) {
	plain := b[:0]
	for len(b) > 0 {
		code := int(b[0])
		if code == 0 || code > len(b) {
			return nil, false
		}
		plain = append(plain, b[1:code]...)
		b = b[code:]
		if code < 0xFF && len(b) > 0 {
			plain = append(plain, 0)
		}
	}
	return plain, true
}

// Decoder takes frames out of a stream of bytes. It allocates once, whatever
// the stream holds.
type Decoder struct {
	r       *bufio.Reader
	buffer  []byte // capacity maxStuffed
	skipped uint64
}

// NewDecoder reads frames from r.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: bufio.NewReaderSize(r, 4*maxStuffed), buffer: make([]byte, 0, maxStuffed)}
}

// Skipped counts what was dropped so far because it was no sound frame. It
// must not be called at the same time as Next.
func (d *Decoder) Skipped() uint64 { return d.skipped }

// Next returns the next sound frame, whose body is valid until the following
// call. What is unsound is skipped, so an error is always one of the reader's.
func (d *Decoder) Next() (Frame, error) {
	for {
		fits, err := d.fill()
		if err != nil {
			return Frame{}, err
		}
		if fits && len(d.buffer) == 0 {
			continue
		}
		if fits {
			if f, ok := decode(d.buffer); ok {
				return f, nil
			}
		}
		d.skipped++
	}
}

// fill reads up to the next delimiter, and says whether that fitted.
func (d *Decoder) fill() (fits bool, err error) {
	d.buffer, fits = d.buffer[:0], true
	for {
		b, err := d.r.ReadByte()
		switch {
		case err != nil:
			return false, err
		case b == Delimiter:
			return fits, nil
		case len(d.buffer) == maxStuffed:
			fits = false
		default:
			d.buffer = append(d.buffer, b)
		}
	}
}

// decode reads what was between two delimiters.
func decode(stuffed []byte) (Frame, bool) {
	plain, ok := unstuff(stuffed)
	if !ok || len(plain) < minPlain || len(plain) > maxPlain {
		return Frame{}, false
	}
	end := len(plain) - 2
	if checksum(plain[:end]) != binary.BigEndian.Uint16(plain[end:]) {
		return Frame{}, false
	}
	return Frame{Type: Type(plain[0]), Sequence: plain[1], Body: plain[2:end]}, true
}
