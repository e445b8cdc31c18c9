// Package mse is Message Stream Encryption, also called protocol encryption:
// a handshake in front of BitTorrent's own that hides from the network what
// is spoken, and RC4 afterwards unless both ends are content without it. It
// obscures; it does not authenticate, and it protects nobody from an attacker
// who knows the info hash.
//
// Both ends send a Diffie-Hellman public key and random padding. Then the
// initiator names the torrent in a way that only who has it can resolve, says
// which methods it provides and may add the first bytes of its stream; the
// acceptor selects a method.
//
// Rules: neither end reads a byte that is not the handshake's, so that after
// a handshake that ends in Plaintext the connection is as it was. Nothing is
// allocated for a length that was not checked. Deadlines are the caller's: it
// sets one on the connection before the call.
//
// Specification: Message Stream Encryption, version 1.0, of the Azureus wiki.
package mse

import (
	"crypto/rc4"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"net"
)

// Method is a way to go on after the handshake, or a set of them.
type Method uint32

// The methods there are.
const (
	Plaintext Method = 1
	RC4       Method = 2
)

// MaxInitial bounds what an initiator may send along with its handshake, in
// bytes: BitTorrent's handshake and what may directly follow it.
const MaxInitial = 16 << 10

const (
	maxPadding = 512
	discarded  = 1024 // of each key stream
)

// verification is what each end encrypts to show that it has the key.
var verification [8]byte

// ErrUnknown says that an initiator asked for a torrent that we do not have.
var ErrUnknown = errors.New("encrypted handshake for an unknown torrent")

// Name is how an initiator refers to a torrent: what Accept looks up.
func Name(infoHash [20]byte) [20]byte { return digest("req2", infoHash[:]) }

func digest(label string, parts ...[]byte) (sum [20]byte) {
	h := sha1.New()
	io.WriteString(h, label)
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}

// side is one end during the handshake.
type side struct {
	conn    net.Conn
	random  io.Reader
	secret  [keyLen]byte // shared, once exchange is over
	in, out *rc4.Cipher
}

// newCipher is the key stream of one direction.
func (s *side) newCipher(label string, infoHash [20]byte) *rc4.Cipher {
	key := digest(label, s.secret[:], infoHash[:])
	c, err := rc4.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	var b [discarded]byte
	c.XORKeyStream(b[:], b[:])
	return c
}

// padding is up to maxPadding random bytes.
func (s *side) padding() ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(s.random, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, (int(n[0])<<8|int(n[1]))%(maxPadding+1))
	_, err := io.ReadFull(s.random, b)
	return b, err
}

// blank is padding inside the encrypted part, where zeros will do.
func (s *side) blank() ([]byte, error) {
	b, err := s.padding()
	clear(b)
	return b, err
}

// read fills b with what the other end sent.
func (s *side) read(b []byte, what string) error {
	_, err := io.ReadFull(s.conn, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// decrypt fills b with what the other end encrypted.
func (s *side) decrypt(b []byte, what string) error {
	err := s.read(b, what)
	s.in.XORKeyStream(b, b)
	return err
}

// encrypt sends head as it is and, in the same packet, the rest encrypted.
func (s *side) encrypt(head, rest []byte) error {
	s.out.XORKeyStream(rest, rest)
	if _, err := s.conn.Write(append(head, rest...)); err != nil {
		return fmt.Errorf("write encrypted handshake: %w", err)
	}
	return nil
}

// skip passes over padding of the encrypted part.
func (s *side) skip(length uint16) error {
	if length > maxPadding {
		return fmt.Errorf("encrypted handshake with %d bytes of padding", length)
	}
	return s.decrypt(make([]byte, length), "padding")
}

// seek reads up to the end of pattern, which padding may precede. It reads
// only as many bytes as the longest match so far lacks, so it can neither miss
// the pattern nor read beyond it.
func (s *side) seek(pattern []byte, what string) error {
	seen := make([]byte, 0, maxPadding+len(pattern))
	for matched := 0; matched < len(pattern); matched = overlap(seen, pattern) {
		from := len(seen)
		to := from + len(pattern) - matched
		if to > cap(seen) {
			return fmt.Errorf("%s is not within %d bytes", what, cap(seen))
		}
		seen = seen[:to]
		if err := s.read(seen[from:], what); err != nil {
			return err
		}
	}
	return nil
}

// overlap is the length of the longest beginning of pattern that seen ends
// with.
func overlap(seen, pattern []byte) int {
	for n := min(len(seen), len(pattern)); n > 0; n-- {
		if string(seen[len(seen)-n:]) == string(pattern[:n]) {
			return n
		}
	}
	return 0
}

// finish is the connection that the handshake leaves.
func (s *side) finish(m Method) net.Conn {
	if m == Plaintext {
		return s.conn
	}
	return &stream{Conn: s.conn, in: s.in, out: s.out}
}
