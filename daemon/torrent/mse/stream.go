package mse

import (
	"crypto/rc4"
	"net"
	"sync"
)

// chunk is how much is encrypted before it is written, in bytes.
const chunk = 32 << 10

// stream is a connection under RC4. Deadlines and Close are those of the
// connection below.
type stream struct {
	net.Conn
	in, out *rc4.Cipher

	reading sync.Mutex // held while in moves on
	writing sync.Mutex // guards what follows, and out
	buf     []byte     // encrypted, of the write under way
	broken  error      // a write failed: the two ends have lost step
}

// Read decrypts what it reads where it lies.
func (s *stream) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	n, err := s.Conn.Read(p)
	s.in.XORKeyStream(p[:n], p[:n])
	return n, err
}

// Write leaves p as it is.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.WriteVector([][]byte{p})
	return int(n), err
}

// WriteVector writes the buffers one after the other, in as few packets as if
// they were one.
func (s *stream) WriteVector(vector [][]byte) (written int64, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, p := range vector {
		for len(p) > 0 {
			n := min(len(p), chunk-len(s.buf))
			at := len(s.buf)
			s.buf = append(s.buf, p[:n]...)
			s.out.XORKeyStream(s.buf[at:], s.buf[at:])
			p = p[n:]
			if len(s.buf) == chunk {
				if err := s.flush(&written); err != nil {
					return written, err
				}
			}
		}
	}
	err = s.flush(&written)
	return written, err
}

// flush writes buf and counts it. After a failure nobody knows what has gone
// out, so nothing follows.
func (s *stream) flush(written *int64) error {
	if s.broken == nil && len(s.buf) > 0 {
		var n int
		n, s.broken = s.Conn.Write(s.buf)
		*written += int64(n)
	}
	s.buf = s.buf[:0]
	return s.broken
}
