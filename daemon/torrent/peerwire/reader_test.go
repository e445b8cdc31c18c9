package peerwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Both kinds of source: a socket, read with readv, and everything else.
var transports = []struct {
	name string
	dial func(testing.TB) (here, there net.Conn)
}{
	{"pipe", func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() }},
	{"TCP", dialTCP},
}

func dialTCP(t testing.TB) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return here, there
}

// send writes the parts one after the other and closes the connection.
func send(t testing.TB, conn net.Conn, parts ...[]byte) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close()
		for _, p := range parts {
			if _, err := conn.Write(p); err != nil {
				return // the reader has seen enough
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
}

// readerOf reads the bytes from a pipe that then ends.
func readerOf(t testing.TB, wire []byte, bitfieldLen int) *Reader {
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	send(t, there, wire)
	return NewReader(here, bitfieldLen)
}

func message(length uint32, id ID, payload int) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	return append(append(b, byte(id)), make([]byte, payload)...)
}

func TestReaderRefusesLengths(t *testing.T) {
	fixed := map[ID]uint32{
		Choke: 1, Unchoke: 1, Interested: 1, NotInterested: 1, HaveAll: 1, HaveNone: 1,
		Have: 5, Suggest: 5, AllowedFast: 5, Request: 13, Cancel: 13, Reject: 13, Port: 3, Bitfield: 4,
		HashRequest: 49, HashReject: 49,
	}
	type test struct {
		id     ID
		length uint32
	}
	var cases []test
	for id, want := range fixed {
		for _, length := range []uint32{want - 1, want + 1, 1 << 14, 1 << 31, 0xffffffff} {
			if length > 0 {
				cases = append(cases, test{id, length})
			}
		}
	}
	for _, length := range []uint32{1, 8, 9, 9 + BlockSize + 1, 1 << 31, 0xffffffff} {
		cases = append(cases, test{Piece, length})
	}
	for _, length := range []uint32{1, MaxExtended + 1, 0xffffffff} {
		cases = append(cases, test{Extended, length})
	}
	for _, length := range []uint32{1, 48, 50, 49 + 33, maxHashes + 32, 0xffffffff} {
		cases = append(cases, test{Hashes, length})
	}
	for _, id := range []ID{10, 18, 24, 99, 254, 255} {
		cases = append(cases, test{id, readBuffer + 1}, test{id, 0xffffffff})
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("type %d of %d bytes", c.id, c.length), func(t *testing.T) {
			// Only the header is sent: the length must be refused unread.
			_, err := readerOf(t, message(c.length, c.id, 0), 3).Next()
			var violation *Error
			if !errors.As(err, &violation) {
				t.Errorf("%v, not a violation", err)
			}
		})
	}
}

func TestReaderSkipsWhatItDoesNotKnow(t *testing.T) {
	var wire []byte
	for _, id := range []ID{10, 18, 24, 99, 254, 255} {
		wire = append(wire, message(1, id, 0)...)
		wire = append(wire, message(readBuffer, id, readBuffer-1)...)
	}
	wire = AppendIndex(wire, Have, 77)
	r := readerOf(t, wire, 3)
	for range 12 {
		if m, err := r.Next(); err != nil || m.Bytes != nil {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	if m, err := r.Next(); err != nil || m.ID != Have || m.Index != 77 {
		t.Errorf("after unknown messages: %+v, %v", m, err)
	}
}

func TestReaderSeesTruncation(t *testing.T) {
	for _, c := range golden {
		wire := unhex(t, c.wire)
		for cut := range wire {
			t.Run(fmt.Sprintf("%s after %d bytes", c.name, cut), func(t *testing.T) {
				r := readerOf(t, wire[:cut], 2)
				m, err := r.Next()
				if err == nil && m.ID == Piece {
					err = r.ReadBlock(make([]byte, m.Length), nil)
				}
				want := io.ErrUnexpectedEOF
				if cut == 0 {
					want = io.EOF
				}
				if err != want {
					t.Errorf("%+v, %v, not %v", m, err, want)
				}
			})
		}
	}
}

// stream is a random conversation that ends with the connection.
func stream(rnd *rand.Rand, n int) (wire []byte, messages []Message, blocks [][]byte) {
	for range n {
		switch rnd.IntN(5) {
		case 0:
			wire = AppendKeepAlive(wire)
			messages = append(messages, Message{ID: KeepAlive})
		case 1:
			index := rnd.Uint32()
			wire = AppendIndex(wire, Have, index)
			messages = append(messages, Message{ID: Have, Index: index})
		case 2:
			b := make([]byte, rnd.IntN(3*readBuffer))
			wire = AppendExtended(wire, 7, b)
			messages = append(messages, Message{ID: Extended, Extension: 7, Bytes: b})
		default:
			b := make([]byte, 1+rnd.IntN(BlockSize))
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			m := Message{ID: Piece, Index: rnd.Uint32(), Begin: rnd.Uint32(), Length: uint32(len(b))}
			wire = append(AppendPieceHeader(wire, m.Index, m.Begin, m.Length), b...)
			messages, blocks = append(messages, m), append(blocks, b)
		}
	}
	return wire, messages, blocks
}

func TestReaderAcrossBorders(t *testing.T) {
	for _, tr := range transports {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("%s %d", tr.name, seed), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 0))
				wire, messages, blocks := stream(rnd, 60)
				var parts [][]byte
				for rest := wire; len(rest) > 0; {
					n := min(len(rest), 1+rnd.IntN(1<<(1+rnd.IntN(16))))
					parts, rest = append(parts, rest[:n]), rest[n:]
				}
				here, there := tr.dial(t)
				defer here.Close()
				send(t, there, parts...)
				r := NewReader(here, 1)
				for i, want := range messages {
					got, err := r.Next()
					if err != nil {
						t.Fatalf("message %d: %v", i, err)
					}
					if got.ID != want.ID || got.Index != want.Index || got.Begin != want.Begin || got.Length != want.Length || !bytes.Equal(got.Bytes, want.Bytes) {
						t.Fatalf("message %d differs: %+v", i, got)
					}
					if got.ID != Piece {
						continue
					}
					block := blocks[0]
					blocks = blocks[1:]
					if rnd.IntN(4) == 0 {
						if err := r.SkipBlock(); err != nil {
							t.Fatalf("skip block of message %d: %v", i, err)
						}
						continue
					}
					dst := make([]byte, len(block))
					if err := r.ReadBlock(dst, nil); err != nil || !bytes.Equal(dst, block) {
						t.Fatalf("block of message %d differs, %v", i, err)
					}
				}
				if _, err := r.Next(); err != io.EOF {
					t.Errorf("after the last message: %v", err)
				}
			})
		}
	}
}

// A connection that ends between two blocks must not pass the bytes of the
// last read off as a block.
func TestReadVectorAfterTheEnd(t *testing.T) {
	cases := []struct {
		name string
		end  func(net.Conn)
		want error
	}{
		{"deadline passed", func(c net.Conn) { c.SetReadDeadline(time.Now().Add(-time.Second)) }, os.ErrDeadlineExceeded},
		{"closed", func(c net.Conn) { c.Close() }, net.ErrClosed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			here, there := dialTCP(t)
			defer here.Close()
			send(t, there, make([]byte, 100))
			src := newSource(here)
			buf := make([]byte, 100)
			if _, err := io.ReadFull(src, buf[:1]); err != nil {
				t.Fatal(err)
			}
			if n, err := src.ReadVector(fixed{buf[:1], buf[1:]}); n == 0 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			c.end(here)
			if n, err := src.ReadVector(fixed{buf, buf}); n != 0 || !errors.Is(err, c.want) {
				t.Errorf("read %d bytes, %v", n, err)
			}
		})
	}
}

func TestBuffered(t *testing.T) {
	have := AppendIndex(nil, Have, 1)
	piece := append(AppendPieceHeader(nil, 0, 0, 100), make([]byte, 100)...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	cases := []struct {
		name string
		wire []byte // one write, of which the first message is taken
		want bool
	}{
		{"nothing more", have, false},
		{"a whole message more", join(have, have), true},
		{"part of a length", join(have, have[:3]), false},
		{"part of a message", join(have, have[:8]), false},
		{"a keep-alive more", join(have, AppendKeepAlive(nil)), true},
		{"a block's header", join(have, piece[:13]), true},
		{"part of a block's header", join(have, piece[:12]), false},
		{"a message longer than the buffer", join(have, message(MaxExtended, Extended, 100)), false},
		{"a length of 2^32-1", join(have, message(0xffffffff, Extended, 100)), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := readerOf(t, c.wire, 1)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			if got := r.Buffered(); got != c.want {
				t.Errorf("%v, not %v", got, c.want)
			}
		})
	}
}

func BenchmarkReadBlocks(b *testing.B) {
	for _, tr := range transports {
		b.Run(tr.name, func(b *testing.B) {
			here, there := tr.dial(b)
			defer here.Close()
			wire := append(AppendPieceHeader(nil, 1, 2, BlockSize), make([]byte, BlockSize)...)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					if _, err := there.Write(wire); err != nil {
						return
					}
				}
			}()
			r, dst := NewReader(here, 1), make([]byte, BlockSize)
			b.SetBytes(BlockSize)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
				if err := r.ReadBlock(dst, nil); err != nil {
					b.Fatal(err)
				}
			}
			here.Close()
			there.Close()
			<-done
		})
	}
}

// What came with the handshakes comes first, however much it is and wherever
// it is cut.
func TestUnread(t *testing.T) {
	block := bytes.Repeat([]byte("block"), BlockSize)[:BlockSize]
	wire := append(AppendPieceHeader(AppendIndex(nil, Have, 7), 1, 2, BlockSize), block...)
	wire = AppendIndex(wire, Have, 8)
	for _, cut := range []int{0, 1, 8, 9, 20, readBuffer, readBuffer + 1, len(wire) - 1, len(wire)} {
		for _, transport := range transports {
			t.Run(fmt.Sprintf("%s, %d bytes", transport.name, cut), func(t *testing.T) {
				here, there := transport.dial(t)
				defer here.Close()
				send(t, there, wire[cut:])
				r := NewReader(here, 1)
				r.Unread(wire[:cut])
				if m, err := r.Next(); err != nil || m.ID != Have || m.Index != 7 {
					t.Fatalf("%+v, %v", m, err)
				}
				dst := make([]byte, BlockSize)
				if m, err := r.Next(); err != nil || m.ID != Piece {
					t.Fatalf("%+v, %v", m, err)
				}
				if err := r.ReadBlock(dst, nil); err != nil || !bytes.Equal(dst, block) {
					t.Fatalf("another block, %v", err)
				}
				if m, err := r.Next(); err != nil || m.ID != Have || m.Index != 8 {
					t.Fatalf("%+v, %v", m, err)
				}
				if _, err := r.Next(); err != io.EOF {
					t.Error(err)
				}
			})
		}
	}
}

// fixed are buffers that are there at all times.
type fixed [][]byte

func (f fixed) first() []byte     { return f[0] }
func (f fixed) buffers() [][]byte { return f }
func (f fixed) nothing()          {}
