package peerwire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	someHash = [20]byte([]byte("aaaaaaaaaaaaaaaaaaaa"))
	someID   = [20]byte([]byte("-LR0100-bbbbbbbbbbbb"))
)

func TestGoldenHandshake(t *testing.T) {
	want := "\x13BitTorrent protocol" + "\x00\x00\x00\x00\x00\x10\x00\x04" + string(someHash[:]) + string(someID[:])
	h := NewHandshake(someHash, someID)
	if got := string(h.Bytes()); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if len(want) != HandshakeLen {
		t.Errorf("HandshakeLen is %d, not %d", HandshakeLen, len(want))
	}
	if got := h.WithV2().Bytes(); got[27] != 0x14 || !h.WithV2().V2() || h.V2() {
		t.Errorf("with v2: %q", got)
	}
	read, err := ReadHandshake(iotest.OneByteReader(strings.NewReader(want)))
	if err != nil || read != h {
		t.Errorf("read back %+v, %v", read, err)
	}
}

func TestHandshakeBits(t *testing.T) {
	cases := []struct {
		name                    string
		reserved                string
		extended, fast, dht, v2 bool
	}{
		{"nothing", "0000000000000000", false, false, false, false},
		{"extension protocol", "0000000000100000", true, false, false, false},
		{"fast extension", "0000000000000004", false, true, false, false},
		{"DHT", "0000000000000001", false, false, true, false},
		{"v2", "0000000000000010", false, false, false, true},
		{"all and more", "ffffffffffffffff", true, true, true, true},
		{"everything else", "ffffffffffefffea", false, false, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := Handshake{Reserved: [8]byte(unhex(t, c.reserved))}
			if h.Extended() != c.extended || h.Fast() != c.fast || h.DHT() != c.dht || h.V2() != c.v2 {
				t.Errorf("extended %v, fast %v, DHT %v, v2 %v", h.Extended(), h.Fast(), h.DHT(), h.V2())
			}
		})
	}
}

func TestReadHandshakeRefuses(t *testing.T) {
	good := NewHandshake(someHash, someID).Bytes()
	cases := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"other length", append([]byte{18}, good[1:]...), ErrProtocol},
		{"other name", bytes.Replace(good, []byte("protocol"), []byte("protocoX"), 1), ErrProtocol},
		{"HTTP", []byte("GET /announce HTTP/1.1\r\n\r\n"), ErrProtocol},
		{"name cut", good[:12], io.ErrUnexpectedEOF},
		{"reserved cut", good[:24], io.ErrUnexpectedEOF},
		{"info hash cut", good[:40], io.ErrUnexpectedEOF},
		{"peer ID cut", good[:67], io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ReadHandshake(bytes.NewReader(c.in)); !errors.Is(err, c.want) {
				t.Errorf("%v, not %v", err, c.want)
			}
		})
	}
}

// A stranger is turned away by its first twenty bytes: the rest may never come.
func TestReadHandshakeDoesNotWaitForStrangers(t *testing.T) {
	stalled := io.MultiReader(strings.NewReader("\x13bittorrent protocol"), iotest.ErrReader(errors.New("was waited for")))
	if _, err := ReadHandshake(stalled); !errors.Is(err, ErrProtocol) {
		t.Errorf("%v, not %v", err, ErrProtocol)
	}
}
