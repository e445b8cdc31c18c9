package peerwire

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// source is a connection that can fill many buffers with one call.
type source interface {
	io.Reader
	// ReadVector reads into the first buffer and, once that is full, on into
	// the next. It returns the bytes read in all. Without wait that is 0, and
	// no error, when nothing is there.
	ReadVector(buffers [][]byte, wait bool) (int, error)
}

// newSource uses readv(2) where the connection has a descriptor.
func newSource(conn net.Conn) source {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			s := &vectorSource{Conn: conn, raw: raw}
			s.try = s.tryOnce
			return s
		}
	}
	return plainSource{conn}
}

// plainSource reads one buffer at a time: for connections that are more than
// a socket.
type plainSource struct{ net.Conn }

// ReadVector waits in any case: there is no looking into such a connection.
func (s plainSource) ReadVector(buffers [][]byte, _ bool) (int, error) { return s.Read(buffers[0]) }

// vectorSource calls readv on the socket. It belongs to one goroutine.
type vectorSource struct {
	net.Conn
	raw syscall.RawConn
	try func(fd uintptr) bool // tryOnce, bound once so that a read allocates nothing

	// one call's arguments and results
	buffers [][]byte
	wait    bool
	n       int
	err     error
}

func (s *vectorSource) ReadVector(buffers [][]byte, wait bool) (int, error) {
	s.buffers, s.wait = buffers, wait
	s.n, s.err = 0, nil // a connection that is closed or late fails without a try
	err := s.raw.Read(s.try)
	s.buffers = nil
	if err == nil {
		err = s.err
	}
	switch {
	case err == unix.EAGAIN:
		err = nil
	case err == nil && s.n == 0:
		err = io.EOF
	}
	return s.n, err
}

// tryOnce reads what is there; false asks to be called again once something is.
func (s *vectorSource) tryOnce(fd uintptr) bool {
	for {
		s.n, s.err = unix.Readv(int(fd), s.buffers)
		switch s.err {
		case unix.EINTR:
		case unix.EAGAIN:
			s.n = 0
			return !s.wait
		default:
			s.n = max(s.n, 0)
			return true
		}
	}
}
