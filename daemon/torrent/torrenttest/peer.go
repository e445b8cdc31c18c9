// Package torrenttest is the other end of a connection: scripted peers, honest
// and otherwise, for the tests of the engine.
//
// A Peer is one connection that a test speaks on message by message. A Seed
// serves a torrent by itself, and can be told to misbehave. Every wait has a
// deadline. Only tests import this package.
package torrenttest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

// patience is how long an expected message is waited for.
const patience = time.Minute

// Options say who a Peer claims to be.
type Options struct {
	InfoHash [20]byte
	PeerID   [20]byte // random when zero
	Pieces   int      // of the torrent
	Plain    bool     // speaks BEP 3 only: neither fast nor extensions
	DHT      bool     // has a node
	V2       bool     // says that it speaks BitTorrent v2
}

func (o *Options) handshake() peerwire.Handshake {
	if o.PeerID == [20]byte{} {
		o.PeerID = NewID()
	}
	h := peerwire.NewHandshake(o.InfoHash, o.PeerID)
	if o.DHT {
		h.OfferDHT()
	}
	if o.V2 {
		h = h.WithV2()
	}
	if o.Plain {
		h.Reserved = [8]byte{}
	}
	return h
}

// NewID returns a random peer ID of the client "XX 0001".
func NewID() (id [20]byte) {
	rand.Read(id[:])
	copy(id[:], "-XX0001-")
	return id
}

// Peer is one connection to the engine, after the handshake.
type Peer struct {
	net.Conn
	Theirs   peerwire.Handshake
	Unchoked bool // by the engine, as of the last message read
	r        *peerwire.Reader
}

// Message is what the engine said; Block is the payload of a Piece.
type Message struct {
	peerwire.Message
	Block []byte
}

// Connect opens a bare connection: no handshake is sent.
func Connect(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Dial connects to the engine and shakes hands.
func Dial(t testing.TB, addr string, o Options) *Peer {
	t.Helper()
	p, err := Introduce(Connect(t, addr), o)
	if err != nil {
		t.Fatalf("shake hands: %v", err)
	}
	return p
}

// Introduce sends a handshake and reads the answer, on either end.
func Introduce(conn net.Conn, o Options) (*Peer, error) {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(o.handshake().Bytes()); err != nil {
		return nil, err
	}
	theirs, err := peerwire.ReadHandshake(conn)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return &Peer{Conn: conn, Theirs: theirs, r: peerwire.NewReader(conn, (o.Pieces+7)/8)}, nil
}

// Fast reports whether the engine speaks BEP 6.
func (p *Peer) Fast() bool { return p.Theirs.Fast() }

// Say sends bytes, whatever they are. A connection that the engine has closed
// is no failure: the test expects that or notices.
func (p *Peer) Say(parts ...[]byte) {
	p.SetWriteDeadline(time.Now().Add(patience))
	p.Write(bytes.Join(parts, nil))
}

// Next returns the next message that is not a keep-alive.
func (p *Peer) Next() (Message, error) {
	for {
		m, err := p.r.Next()
		if err != nil {
			return Message{}, err
		}
		switch m.ID {
		case peerwire.KeepAlive:
			continue
		case peerwire.Choke, peerwire.Unchoke:
			p.Unchoked = m.ID == peerwire.Unchoke
		case peerwire.Piece:
			block := make([]byte, m.Length)
			return Message{m, block}, p.r.ReadBlock(block, nil)
		}
		m.Bytes = bytes.Clone(m.Bytes)
		return Message{m, nil}, nil
	}
}

// Expect reads until a message of this type comes, and returns it.
func (p *Peer) Expect(t testing.TB, id peerwire.ID) Message {
	t.Helper()
	return p.ExpectThat(t, fmt.Sprintf("message %d", id), func(m Message) bool { return m.ID == id })
}

// ExpectThat reads until the condition holds.
func (p *Peer) ExpectThat(t testing.TB, what string, ok func(Message) bool) Message {
	t.Helper()
	p.SetReadDeadline(time.Now().Add(patience))
	for {
		m, err := p.Next()
		if err != nil {
			t.Fatalf("%s did not come: %v", what, err)
		}
		if ok(m) {
			return m
		}
	}
}

// ExpectClosed reads until the engine closes the connection.
func (p *Peer) ExpectClosed(t testing.TB) {
	t.Helper()
	ExpectClosed(t, p.Conn)
}

// ExpectClosed reads until the other end closes the connection.
func ExpectClosed(t testing.TB, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection was not closed")
	}
}
