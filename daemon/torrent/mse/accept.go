package mse

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
)

// Accepted is a connection after the handshake of its initiator.
type Accepted struct {
	Conn     net.Conn // the one that was given, after Plaintext
	Method   Method
	InfoHash [20]byte
	Initial  []byte // the initiator's stream begins with these bytes, those of Conn follow
}

// Accept shakes hands on a connection that somebody opened to us. head is what
// was read from it already, to see that it is not plaintext; at most 96 bytes.
// find resolves the Name of a torrent. Of the methods provided and allowed,
// Accept selects Plaintext before RC4: it costs nothing. After an error conn is
// of no more use.
func Accept(conn net.Conn, head []byte, allow Method, find func(name [20]byte) (infoHash [20]byte, ok bool)) (Accepted, error) {
	s := side{conn: conn, random: rand.Reader}
	return s.accept(head, allow, find)
}

func (s *side) accept(head []byte, allow Method, find func([20]byte) ([20]byte, bool)) (a Accepted, err error) {
	var theirs [keyLen]byte
	if err := s.read(theirs[copy(theirs[:], head):], "public key"); err != nil {
		return a, err
	}
	private, packet, err := s.greeting()
	if err != nil {
		return a, err
	}
	if err := s.agree(private, theirs[:]); err != nil {
		return a, err
	}
	if _, err := s.conn.Write(packet); err != nil {
		return a, fmt.Errorf("write public key: %w", err)
	}
	if a.InfoHash, err = s.named(find); err != nil {
		return a, err
	}
	s.in, s.out = s.newCipher("keyA", a.InfoHash), s.newCipher("keyB", a.InfoHash)
	provided, err := s.provided()
	if err != nil {
		return a, err
	}
	switch both := provided & allow; {
	case both&Plaintext != 0:
		a.Method = Plaintext
	case both&RC4 != 0:
		a.Method = RC4
	default:
		return a, fmt.Errorf("peer provides encryption methods %#x, allowed are %#x", uint32(provided), uint32(allow))
	}
	if a.Initial, err = s.initial(); err != nil {
		return a, err
	}
	a.Conn = s.finish(a.Method)
	return a, s.selected(a.Method)
}

// named reads which torrent the initiator wants.
func (s *side) named(find func([20]byte) ([20]byte, bool)) (infoHash [20]byte, err error) {
	mark := digest("req1", s.secret[:])
	if err := s.seek(mark[:], "mark of the encrypted handshake"); err != nil {
		return infoHash, err
	}
	var name [20]byte
	if err := s.read(name[:], "name of the torrent"); err != nil {
		return infoHash, err
	}
	infoHash, ok := find(s.disguise(name))
	if !ok {
		return infoHash, ErrUnknown
	}
	return infoHash, nil
}

// provided reads the methods the initiator provides, and its padding.
func (s *side) provided() (Method, error) {
	var b [len(verification) + 6]byte
	if err := s.decrypt(b[:], "provided methods"); err != nil {
		return 0, err
	}
	if [len(verification)]byte(b[:]) != verification {
		return 0, fmt.Errorf("encrypted handshake does not verify: %x", b[:len(verification)])
	}
	rest := b[len(verification):]
	return Method(binary.BigEndian.Uint32(rest)), s.skip(binary.BigEndian.Uint16(rest[4:]))
}

// initial reads what the initiator sent along.
func (s *side) initial() ([]byte, error) {
	var length [2]byte
	if err := s.decrypt(length[:], "length of the initial payload"); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > MaxInitial {
		return nil, fmt.Errorf("encrypted handshake with %d bytes of initial payload", n)
	}
	b := make([]byte, n)
	return b, s.decrypt(b, "initial payload")
}

// selected tells the initiator how to go on.
func (s *side) selected(m Method) error {
	pad, err := s.blank()
	if err != nil {
		return err
	}
	b := append([]byte(nil), verification[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(m))
	b = binary.BigEndian.AppendUint16(b, uint16(len(pad)))
	return s.encrypt(nil, append(b, pad...))
}
