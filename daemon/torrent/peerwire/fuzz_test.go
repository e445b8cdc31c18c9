package peerwire

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// scripted is a connection whose bytes are all there, given out in portions.
type scripted struct {
	net.Conn
	data    []byte
	portion int
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.portion)], s.data)
	s.data = s.data[n:]
	return n, nil
}

func (s *scripted) SetReadDeadline(time.Time) error { return nil }

// FuzzReader feeds a reader anything. It must end without a panic, hold no
// more memory than the largest message, and give out nothing but what came in.
func FuzzReader(f *testing.F) {
	for _, c := range golden {
		f.Add(unhex(f, c.wire), uint16(7), false)
	}
	f.Add(message(0xffffffff, Extended, 10), uint16(1), false)
	f.Add(append(AppendPieceHeader(nil, 1, 2, BlockSize), bytes.Repeat([]byte("x"), BlockSize)...), uint16(5000), true)
	f.Add(AppendIndex(AppendExtended(nil, 3, make([]byte, 3*readBuffer)), Have, 1), uint16(4096), false)
	f.Fuzz(func(t *testing.T, in []byte, portion uint16, skip bool) {
		r := NewReader(&scripted{data: in, portion: int(portion) + 1}, 2)
		out := 0 // bytes of in that are accounted for
		for {
			m, err := r.Next()
			if err != nil {
				break
			}
			r.Buffered()
			switch m.ID {
			case Piece:
				out += PieceHeaderLen
				dst := make([]byte, m.Length)
				if skip {
					err = r.SkipBlock()
				} else if err = r.ReadBlock(dst, nil); err == nil && !bytes.Equal(dst, in[out:out+len(dst)]) {
					t.Fatalf("block at %d differs", out)
				}
				out += len(dst)
			case Extended, Bitfield, HashRequest, Hashes, HashReject:
				head := 5
				if m.ID == Extended {
					head = 6
				}
				if !bytes.Equal(m.Bytes, in[out+head:out+head+len(m.Bytes)]) {
					t.Fatalf("payload at %d differs", out)
				}
				out += head + len(m.Bytes)
			default:
				out += 4 + int(in[out+3]) + int(in[out+2])<<8
			}
			if err != nil {
				break
			}
		}
		if cap(r.large) > MaxExtended {
			t.Errorf("%d bytes held", cap(r.large))
		}
	})
}
