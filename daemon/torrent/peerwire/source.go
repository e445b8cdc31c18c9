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
	// ReadVector reads into what f names, and returns the bytes read in all. It
	// waits until something is there.
	ReadVector(f filler) (int, error)
}

// filler names what is to be filled.
type filler interface {
	first() []byte     // alone, where no more can be filled at once
	buffers() [][]byte // first, and then the others: asked for before each try
	nothing()          // was there: the others may be used otherwise until the next try
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

func (s plainSource) ReadVector(f filler) (int, error) { return s.Read(f.first()) }

// vectorSource calls readv on the socket. It belongs to one goroutine.
type vectorSource struct {
	net.Conn
	raw syscall.RawConn
	try func(fd uintptr) bool // tryOnce, bound once so that a read allocates nothing

	// one call's arguments and results
	filler filler
	n      int
	err    error
}

func (s *vectorSource) ReadVector(f filler) (int, error) {
	s.filler = f
	s.n, s.err = 0, nil // a connection that is closed or late fails without a try
	err := s.raw.Read(s.try)
	s.filler = nil
	if err == nil {
		err = s.err
	}
	if s.n == 0 && err == nil {
		err = io.EOF
	}
	return s.n, err
}

// tryOnce reads what is there; false asks to be called again once something is.
func (s *vectorSource) tryOnce(fd uintptr) bool {
	buffers := s.filler.buffers()
	for {
		s.n, s.err = unix.Readv(int(fd), buffers)
		switch s.err {
		case unix.EINTR:
		case unix.EAGAIN:
			s.n = 0
			s.filler.nothing()
			return false
		default:
			s.n = max(s.n, 0)
			return true
		}
	}
}
