package mse

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
)

// Initiate shakes hands on a connection that we opened, for the torrent with
// this info hash. It provides these methods and sends initial, at most
// MaxInitial bytes, along as the beginning of our stream. The connection it
// returns is conn itself after Plaintext. After an error conn is of no more
// use.
func Initiate(conn net.Conn, infoHash [20]byte, provide Method, initial []byte) (net.Conn, Method, error) {
	s := side{conn: conn, random: rand.Reader}
	selected, err := s.initiate(infoHash, provide, initial)
	if err != nil {
		return nil, 0, err
	}
	return s.finish(selected), selected, nil
}

func (s *side) initiate(infoHash [20]byte, provide Method, initial []byte) (Method, error) {
	if provide == 0 || len(initial) > MaxInitial {
		panic("mse: Initiate with no method, or with too much to send along")
	}
	private, packet, err := s.greeting()
	if err != nil {
		return 0, err
	}
	if _, err := s.conn.Write(packet); err != nil {
		return 0, fmt.Errorf("write public key: %w", err)
	}
	var theirs [keyLen]byte
	if err := s.read(theirs[:], "public key"); err != nil {
		return 0, err
	}
	if err := s.agree(private, theirs[:]); err != nil {
		return 0, err
	}
	s.out, s.in = s.newCipher("keyA", infoHash), s.newCipher("keyB", infoHash)
	if err := s.request(infoHash, provide, initial); err != nil {
		return 0, err
	}
	return s.answer(provide)
}

// request names the torrent and what we provide.
func (s *side) request(infoHash [20]byte, provide Method, initial []byte) error {
	mark, name := digest("req1", s.secret[:]), s.disguise(Name(infoHash))
	pad, err := s.blank()
	if err != nil {
		return err
	}
	b := append([]byte(nil), verification[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(provide))
	b = binary.BigEndian.AppendUint16(b, uint16(len(pad)))
	b = append(b, pad...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(initial)))
	b = append(b, initial...)
	return s.encrypt(append(mark[:], name[:]...), b)
}

// disguise hides a name from those who do not have the secret, and uncovers
// it.
func (s *side) disguise(name [20]byte) [20]byte {
	for i, b := range digest("req3", s.secret[:]) {
		name[i] ^= b
	}
	return name
}

// answer reads which method the acceptor selected.
func (s *side) answer(provide Method) (Method, error) {
	mark := verification
	s.in.XORKeyStream(mark[:], mark[:])
	if err := s.seek(mark[:], "answer to the encrypted handshake"); err != nil {
		return 0, err
	}
	var b [6]byte
	if err := s.decrypt(b[:], "selected method"); err != nil {
		return 0, err
	}
	selected := Method(binary.BigEndian.Uint32(b[:]))
	if selected&provide != selected || bits.OnesCount32(uint32(selected)) != 1 {
		return 0, fmt.Errorf("peer selected encryption method %#x of %#x", uint32(selected), uint32(provide))
	}
	return selected, s.skip(binary.BigEndian.Uint16(b[4:]))
}
