package mse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// stranger is an end that knows the protocol and says what a test wants.
type stranger struct {
	side
	private *big.Int
	packet  []byte // its public key
}

func newStranger(t testing.TB) *stranger {
	t.Helper()
	s := &stranger{side: side{random: script(1, "", 0)}}
	var err error
	if s.private, s.packet, err = s.greeting(); err != nil {
		t.Fatal(err)
	}
	return s
}

// meet computes the keys from the other end's fixed one.
func (s *stranger) meet(t testing.TB, out, in string) {
	t.Helper()
	_, theirs, err := (&side{random: script(101, "", 0)}).newKey()
	if err == nil {
		err = s.agree(s.private, theirs)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.out, s.in = s.newCipher(out, someHash), s.newCipher(in, someHash)
}

// mark is the beginning of a request.
func (s *stranger) mark() []byte {
	m, n := digest("req1", s.secret[:]), s.disguise(Name(someHash))
	return append(m[:], n[:]...)
}

func (s *stranger) sealed(b []byte) []byte {
	b = bytes.Clone(b)
	s.out.XORKeyStream(b, b)
	return b
}

func fields(provide Method, padding, initial int) []byte {
	b := binary.BigEndian.AppendUint32(verification[:8:8], uint32(provide))
	b = binary.BigEndian.AppendUint16(b, uint16(padding))
	b = append(b, make([]byte, padding)...)
	b = binary.BigEndian.AppendUint16(b, uint16(initial))
	return append(b, make([]byte, initial)...)
}

func publicKey(y *big.Int) []byte { return y.FillBytes(make([]byte, keyLen)) }

// What an acceptor has to endure.
func TestHostileInitiators(t *testing.T) {
	key := func(y *big.Int) func(*stranger) []byte {
		return func(*stranger) []byte { return append(publicKey(y), make([]byte, 2000)...) }
	}
	request := func(b []byte) func(*stranger) []byte {
		return func(s *stranger) []byte { return append(append(bytes.Clone(s.packet), s.mark()...), s.sealed(b)...) }
	}
	for _, c := range []struct {
		name string
		say  func(*stranger) []byte
		want string // of the error
	}{
		{"nothing", func(*stranger) []byte { return nil }, "read public key: unexpected EOF"},
		{"half a key", func(s *stranger) []byte { return s.packet[:50] }, "read public key: unexpected EOF"},
		{"only a key", func(s *stranger) []byte { return s.packet }, "mark of the encrypted handshake: unexpected EOF"},
		{"key 0", key(big.NewInt(0)), "degenerate"},
		{"key 1", key(big.NewInt(1)), "degenerate"},
		{"key -1", key(new(big.Int).Sub(modulus(), big.NewInt(1))), "degenerate"},
		{"key of the modulus", key(modulus()), "degenerate"},
		{"largest key", func(*stranger) []byte { return bytes.Repeat([]byte{0xff}, 2000) }, "degenerate"},
		{"garbage", func(*stranger) []byte { return bytes.Repeat([]byte("garbage!"), 1000) }, "is not within 532 bytes"},
		{"padding without end", func(s *stranger) []byte { return append(s.packet, make([]byte, 1<<20)...) }, "is not within 532 bytes"},
		{"one byte of padding too many", func(s *stranger) []byte {
			return append(append(s.packet, make([]byte, maxPadding+1)...), s.mark()...)
		}, "is not within 532 bytes"},
		{"name cut", func(s *stranger) []byte { return append(s.packet, s.mark()[:39]...) }, "name of the torrent: unexpected EOF"},
		{"unknown torrent", func(s *stranger) []byte {
			m := s.mark()
			m[39] ^= 1
			return append(s.packet, m...)
		}, ErrUnknown.Error()},
		{"wrong verification", request(append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, fields(3, 0, 0)[8:]...)), "does not verify"},
		{"key of another torrent", func(s *stranger) []byte {
			s.out = s.newCipher("keyA", [20]byte{})
			return request(fields(3, 0, 0))(s)
		}, "does not verify"},
		{"fields cut", request(fields(3, 0, 0)[:13]), "provided methods: unexpected EOF"},
		{"no method", request(fields(0, 0, 0)), "provides encryption methods 0x0"},
		{"unknown method", request(fields(4, 0, 0)), "provides encryption methods 0x4"},
		{"too much padding inside", request(fields(3, maxPadding+1, 0)), "513 bytes of padding"},
		{"most padding inside", request(fields(3, 0xffff, 0)), "65535 bytes of padding"},
		{"padding inside cut", request(fields(3, 100, 0)[:50]), "read padding: unexpected EOF"},
		{"length cut", request(fields(3, 0, 0)[:15]), "length of the initial payload: unexpected EOF"},
		{"too much to send along", request(fields(3, 0, MaxInitial+1)), "16385 bytes of initial payload"},
		{"initial payload cut", request(fields(3, 0, 100)[:50]), "read initial payload: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStranger(t)
			st.meet(t, "keyA", "keyB")
			s := side{conn: &replay{said: bytes.NewReader(c.say(st))}, random: script(101, "", 0)}
			if a, err := s.accept(nil, Plaintext|RC4, only(someHash)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// What an initiator may meet.
func TestHostileAcceptors(t *testing.T) {
	answer := func(m Method, padding, really int) func(*stranger) []byte {
		return func(s *stranger) []byte {
			b := binary.BigEndian.AppendUint32(verification[:8:8], uint32(m))
			b = binary.BigEndian.AppendUint16(b, uint16(padding))
			return append(s.packet, s.sealed(append(b, make([]byte, really)...))...)
		}
	}
	for _, c := range []struct {
		name    string
		provide Method
		say     func(*stranger) []byte
		want    string
	}{
		{"silence", 3, func(*stranger) []byte { return nil }, "read public key: unexpected EOF"},
		{"plaintext", 3, func(*stranger) []byte { return []byte("\x13BitTorrent protocol" + strings.Repeat("x", 48)) }, "read public key: unexpected EOF"},
		{"degenerate key", 3, func(*stranger) []byte { return make([]byte, keyLen) }, "degenerate"},
		{"padding without end", 3, func(s *stranger) []byte { return append(s.packet, make([]byte, 1<<20)...) }, "is not within 520 bytes"},
		{"wrong verification", 3, func(s *stranger) []byte { return append(s.packet, s.sealed(bytes.Repeat([]byte{1}, 600))...) }, "is not within 520 bytes"},
		{"nothing selected", 3, answer(0, 0, 0), "selected encryption method 0x0"},
		{"both selected", 3, answer(3, 0, 0), "selected encryption method 0x3"},
		{"selected what was not provided", RC4, answer(Plaintext, 0, 0), "selected encryption method 0x1 of 0x2"},
		{"selected the unknown", 3, answer(4, 0, 0), "selected encryption method 0x4"},
		{"too much padding", 3, answer(RC4, 513, 513), "513 bytes of padding"},
		{"padding cut", 3, answer(RC4, 512, 511), "read padding: unexpected EOF"},
		{"answer cut", 3, func(s *stranger) []byte { b := answer(RC4, 0, 0)(s); return b[:len(b)-1] }, "selected method: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStranger(t)
			st.meet(t, "keyB", "keyA")
			s := side{conn: &replay{said: bytes.NewReader(c.say(st))}, random: script(101, "", 0)}
			if m, err := s.initiate(someHash, c.provide, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("selected %d, %v", m, err)
			}
		})
	}
}

// A peer that sends its bytes one at a time is waited for until the deadline
// that the caller has set, at either end.
func TestSlowEnds(t *testing.T) {
	ends := map[string]func(net.Conn) error{
		"acceptor":  func(c net.Conn) error { _, err := Accept(c, nil, RC4, only(someHash)); return err },
		"initiator": func(c net.Conn) error { _, _, err := Initiate(c, someHash, RC4, nil); return err },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := dialTCP(t)
			slow := make(chan struct{})
			go func() {
				defer close(slow)
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if _, err := there.Write([]byte{7}); err != nil {
						return
					}
				}
			}()
			here.SetDeadline(time.Now().Add(100 * time.Millisecond))
			if err := end(here); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			here.Close()
			<-slow
		})
	}
}

// After a write that failed halfway nothing is sent: the other end could not
// decrypt it.
func TestStreamAfterFailure(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	s := side{}
	conn := &stream{Conn: here, in: s.newCipher("keyA", someHash), out: s.newCipher("keyB", someHash)}
	defer conn.Close()
	half := make(chan struct{})
	go func() {
		defer close(half)
		there.Read(make([]byte, 5))
		conn.SetWriteDeadline(time.Now())
	}()
	n, err := conn.Write(make([]byte, 10))
	<-half
	if n != 5 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	conn.SetWriteDeadline(time.Time{})
	if n, err := conn.Write(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// What is written arrives, whatever the sizes, and the buffers stay as they
// were.
func TestStreamVectors(t *testing.T) {
	here, there := dialTCP(t)
	s := side{}
	out := &stream{Conn: here, in: s.newCipher("keyA", someHash), out: s.newCipher("keyB", someHash)}
	in := &stream{Conn: there, in: s.newCipher("keyB", someHash), out: s.newCipher("keyA", someHash)}
	var vector [][]byte
	for i, size := range []int{13, 0, 16 << 10, 13, chunk - 1, 1, chunk, 3*chunk + 1, 0} {
		vector = append(vector, bytes.Repeat([]byte{byte(i + 1)}, size))
	}
	want := bytes.Join(vector, nil)
	sent := make(chan error, 1)
	go func() {
		n, err := out.WriteVector(vector)
		if err == nil && n != int64(len(want)) {
			err = io.ErrShortWrite
		}
		here.Close()
		sent <- err
	}()
	got, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(bytes.Join(vector, nil), want) {
		t.Error("the caller's buffers have changed")
	}
}
