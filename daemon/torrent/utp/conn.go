package utp

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a stream with a lock, and with readers and writers that wait. It is
// a net.Conn.
type conn struct {
	socket   *Socket
	key      connKey
	to       *net.UDPAddr
	incoming bool

	mu        sync.Mutex
	stream    *stream // guarded by mu
	announced bool    // guarded by mu: settled is closed

	readable      chan struct{} // one token: look again
	writable      chan struct{}
	settled       chan struct{} // closed when the handshake is over, well or not
	closed        chan struct{} // closed by Close
	closeOnce     sync.Once
	readDeadline  *deadline
	writeDeadline *deadline

	granted atomic.Int64 // bytes of receive buffer beyond the first, of the Socket's budget
	queued  atomic.Bool  // the writer has it on its list

	// owned by the writer
	at    time.Duration // next look
	index int           // in the schedule, -1 when not there
}

func (s *Socket) newConn(key connKey, incoming bool) *conn {
	return &conn{
		socket: s, key: key, to: net.UDPAddrFromAddrPort(key.addr), incoming: incoming,
		readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
		settled: make(chan struct{}), closed: make(chan struct{}),
		readDeadline: newDeadline(), writeDeadline: newDeadline(), index: -1,
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// notify wakes whoever waits for what has become of the stream. It is called
// with mu held, and reports whether the handshake has just ended.
func (c *conn) notify() (settled bool) {
	if c.stream.readable() {
		signal(c.readable)
	}
	if c.stream.writable() {
		signal(c.writable)
	}
	if !c.announced && (c.stream.established() || c.stream.state == ended) {
		c.announced = true
		close(c.settled)
		return true
	}
	return false
}

// Read reads what has arrived. It returns io.EOF after the peer's last byte.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		passed := c.readDeadline.wait()
		switch {
		case isClosed(c.closed):
			return 0, c.wrap("read", net.ErrClosed)
		case isClosed(passed):
			return 0, c.wrap("read", os.ErrDeadlineExceeded)
		}
		c.mu.Lock()
		n, ok, err := c.stream.read(c.socket.now(), p)
		more, answer := c.stream.readable(), c.stream.recv.ackNow
		c.mu.Unlock()
		if answer {
			c.socket.wake(c)
		}
		if ok {
			if more { // another reader may wait
				signal(c.readable)
			}
			if n == 0 && err == nil {
				return 0, io.EOF
			}
			return n, c.wrap("read", err)
		}
		select {
		case <-c.readable:
		case <-passed:
		case <-c.closed:
		}
	}
}

// Write waits until all of p is on its way or in the send buffer.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		passed := c.writeDeadline.wait()
		switch {
		case isClosed(c.closed):
			return written, c.wrap("write", net.ErrClosed)
		case isClosed(passed):
			return written, c.wrap("write", os.ErrDeadlineExceeded)
		}
		c.mu.Lock()
		n, err := c.stream.write(p[written:])
		c.mu.Unlock()
		if n > 0 {
			written += n
			c.socket.wake(c)
		}
		if err != nil || written == len(p) {
			signal(c.writable) // another writer may wait
			return written, c.wrap("write", err)
		}
		select {
		case <-c.writable:
		case <-passed:
		case <-c.closed:
		}
	}
}

// Close returns at once. What was written is still delivered, for half a
// minute at most; what arrives is thrown away.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closeOnce.Do(func() {
		err = nil
		close(c.closed)
		c.mu.Lock()
		c.stream.close(c.socket.now())
		c.mu.Unlock()
		c.socket.wake(c)
	})
	return c.wrap("close", err)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "utp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *conn) LocalAddr() net.Addr  { return c.socket.Addr() }
func (c *conn) RemoteAddr() net.Addr { return c.to }

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(c.readDeadline, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.writeDeadline, t) }

func (c *conn) setDeadline(d *deadline, t time.Time) error {
	if isClosed(c.closed) {
		return c.wrap("set deadline", net.ErrClosed)
	}
	d.set(t)
	return nil
}
