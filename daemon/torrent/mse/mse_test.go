package mse

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

var someHash = [20]byte([]byte("aaaaaaaaaaaaaaaaaaaa"))

// only finds one torrent.
func only(infoHash [20]byte) func([20]byte) ([20]byte, bool) {
	return func(name [20]byte) ([20]byte, bool) { return infoHash, name == Name(infoHash) }
}

// dialTCP is a connection whose ends have buffers, as the handshake expects.
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
	for _, c := range []net.Conn{here, there} {
		c.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { c.Close() })
	}
	return here, there
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The packets of one handshake, computed by another implementation from the
// specification: private keys 0102…14 and 6566…78, the paddings "padA!",
// "padB", three and two zeros.
const (
	wireA = "96e112dab29e8c5272accb9b17b26887ce54a144a4e3b697c7d159b7a817e556b0918db2b4c658e02a87f7e5fb14b18a553e084cbf3dad2d30f16596ccb982d4" +
		"06258c61b30c5c1dae2ddc60bdbd48d79896312aad63238c39e1a633821eb693" + "7061644121"
	wireB = "d32ae8cedd0de9ca4fe67e35626bb8c7cdb0966727d899f6a62fdb2b68817f9ddc4b684e3eb34030b8dba4e028b7cff3264020340cb4eab61923cdc4e4216ba8" +
		"73368d83f0a38e497f1f6b4e3d2012eb91a3ee6056f966f9eae732089b6fa46e" + "70616442"
	wireRequest = "78fffb0f23055a793ff7609f359e04e383ec3505" + "7603ea72ace33c7b9f6e9205d8fd24b6454afa0a" +
		"60f1eb2ee2af8cd23869cab1fbeab98d2ab272039d1ec247d3a02d7afa763cb825da"
	wirePlaintext = "079f467c0b562177902268109fa7c743"
	wireRC4       = "079f467c0b562177902268139fa7c743"
	wireAfterA    = "454e52497376f98d3f2d07c3358218955820"     // "from the initiator"
	wireAfterB    = "43c1b77ce5808b4c525222bfce1c75a10b"       // "from the acceptor"
	wireName      = "4d44ff5dc5bdcca34e457bfe7f00b6246ae5bfe2" // of someHash
)

// script is the randomness behind the golden packets.
func script(first byte, greeting string, blank int) io.Reader {
	var b bytes.Buffer
	for i := range byte(privateLen) {
		b.WriteByte(first + i)
	}
	b.Write([]byte{0, byte(len(greeting))})
	b.WriteString(greeting)
	b.Write([]byte{0, byte(blank)})
	b.Write(bytes.Repeat([]byte("x"), blank))
	return &b
}

// replay is a connection on which everything has been said already.
type replay struct {
	net.Conn
	said  io.Reader
	wrote bytes.Buffer
}

func (r *replay) Read(p []byte) (int, error)  { return r.said.Read(p) }
func (r *replay) Write(p []byte) (int, error) { return r.wrote.Write(p) }

func TestGoldenInitiator(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         Method
	}{{"plaintext", wirePlaintext, Plaintext}, {"RC4", wireRC4, RC4}} {
		t.Run(c.name, func(t *testing.T) {
			conn := &replay{said: bytes.NewReader(unhex(t, wireB+c.answer+wireAfterB))}
			s := side{conn: conn, random: script(1, "padA!", 3)}
			m, err := s.initiate(someHash, Plaintext|RC4, []byte("initial payload"))
			if err != nil || m != c.want {
				t.Fatalf("selected %d, %v", m, err)
			}
			after := s.finish(m)
			after.Write([]byte("from the initiator"))
			heard, _ := io.ReadAll(after)
			wantHeard, wantSaid := "from the acceptor", wireAfterA
			if c.want == Plaintext {
				wantHeard, wantSaid = string(unhex(t, wireAfterB)), hex.EncodeToString([]byte("from the initiator"))
			}
			if want := wireA + wireRequest + wantSaid; hex.EncodeToString(conn.wrote.Bytes()) != want {
				t.Errorf("wrote\n%x, not\n%s", conn.wrote.Bytes(), want)
			}
			if string(heard) != wantHeard {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

func TestGoldenAcceptor(t *testing.T) {
	if n := Name(someHash); hex.EncodeToString(n[:]) != wireName {
		t.Errorf("name is %x", n)
	}
	for _, c := range []struct {
		name, answer string
		allow        Method
	}{{"plaintext", wirePlaintext, Plaintext | RC4}, {"RC4", wireRC4, RC4}} {
		t.Run(c.name, func(t *testing.T) {
			said := unhex(t, wireA+wireRequest+wireAfterA)
			conn := &replay{said: bytes.NewReader(said[20:])}
			s := side{conn: conn, random: script(101, "padB", 2)}
			a, err := s.accept(said[:20], c.allow, only(someHash))
			if err != nil || a.InfoHash != someHash || string(a.Initial) != "initial payload" {
				t.Fatalf("%+v, %v", a, err)
			}
			a.Conn.Write([]byte("from the acceptor"))
			heard, _ := io.ReadAll(a.Conn)
			wantHeard, wantSaid := "from the initiator", wireAfterB
			if a.Method == Plaintext {
				wantHeard, wantSaid = string(unhex(t, wireAfterA)), hex.EncodeToString([]byte("from the acceptor"))
			}
			if want := wireB + c.answer + wantSaid; hex.EncodeToString(conn.wrote.Bytes()) != want {
				t.Errorf("wrote\n%x, not\n%s", conn.wrote.Bytes(), want)
			}
			if string(heard) != wantHeard {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

// Both ends against each other, with a real connection and real randomness.
func TestBothEnds(t *testing.T) {
	const any = Plaintext | RC4
	for _, c := range []struct {
		provide, allow, want Method // none: they do not agree
	}{
		{any, any, Plaintext}, {any, Plaintext, Plaintext}, {any, RC4, RC4},
		{Plaintext, any, Plaintext}, {Plaintext, Plaintext, Plaintext}, {Plaintext, RC4, 0},
		{RC4, any, RC4}, {RC4, Plaintext, 0}, {RC4, RC4, RC4},
		{any | 0xfffffff0, any, Plaintext}, {RC4 | 4, RC4, RC4}, {4, any, 0},
	} {
		for _, initial := range []int{0, 68, MaxInitial} {
			t.Run(fmt.Sprintf("provide %d, allow %d, %d initial bytes", c.provide, c.allow, initial), func(t *testing.T) {
				t.Parallel()
				bothEnds(t, c.provide, c.allow, c.want, initial)
			})
		}
	}
}

func bothEnds(t *testing.T, provide, allow, want Method, initial int) {
	here, there := dialTCP(t)
	payload := bytes.Repeat([]byte("initial"), initial)[:initial]
	accepted := make(chan error, 1)
	go func() {
		a, err := Accept(there, nil, allow, only(someHash))
		if err == nil && (a.Method != want || a.InfoHash != someHash || !bytes.Equal(a.Initial, payload)) {
			err = fmt.Errorf("accepted method %d with %d initial bytes", a.Method, len(a.Initial))
		}
		if err == nil && (a.Conn == there) != (want == Plaintext) {
			err = errors.New("the connection is not the bare one, or should not be")
		}
		if err == nil {
			_, err = io.CopyN(a.Conn, a.Conn, 100_000) // an echo
		}
		there.Close()
		accepted <- err
	}()
	conn, m, err := Initiate(here, someHash, provide, payload)
	if want == 0 {
		if aerr := <-accepted; err == nil || aerr == nil || !strings.Contains(aerr.Error(), "methods") {
			t.Errorf("initiator: %v, acceptor: %v", err, aerr)
		}
		return
	}
	if err != nil || m != want {
		t.Fatalf("method %d, %v", m, err)
	}
	if (conn == here) != (want == Plaintext) {
		t.Error("the connection is not the bare one, or should not be")
	}
	text := bytes.Repeat([]byte("0123456789"), 10_000)
	go conn.Write(text)
	if echo, err := io.ReadAll(conn); err != nil || !bytes.Equal(echo, text) {
		t.Errorf("echo of %d bytes, %v", len(echo), err)
	}
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}

// Neither end may read a byte too many, however the network cuts the stream,
// and whatever the padding looks like.
func TestSeek(t *testing.T) {
	const pattern = "abcabd"
	for _, c := range []struct {
		name, padding string
		found         bool
	}{
		{"no padding", "", true},
		{"longest padding", strings.Repeat("x", maxPadding), true},
		{"padding that begins like it", "abcabcabcab", true},
		{"padding of its first byte", strings.Repeat("a", maxPadding), true},
		{"too much padding", strings.Repeat("x", maxPadding+1), false},
		{"too much padding, alike", strings.Repeat("abcab", 200), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := strings.NewReader(c.padding + pattern + "rest")
			s := side{conn: &replay{said: r}}
			if err := s.seek([]byte(pattern), "pattern"); (err == nil) != c.found {
				t.Fatal(err)
			}
			if rest, _ := io.ReadAll(r); c.found && string(rest) != "rest" {
				t.Errorf("left %q", rest)
			}
			if at, _ := r.Seek(0, io.SeekCurrent); !c.found && r.Len() == 0 && at < maxPadding {
				t.Error("ended before the padding did")
			}
		})
	}
}
