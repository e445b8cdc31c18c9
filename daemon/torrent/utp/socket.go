package utp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a Socket, where Config does not say otherwise.
const (
	defaultConns    = 4096
	defaultBacklog  = 128
	defaultBuffer   = 4 << 20
	defaultBudget   = 64 << 20
	maxHalfOpen     = 256 // connections from strangers who have not shown yet that they are there
	idAttempts      = 16
	resetsPerSecond = 50
)

// Config is what a Socket needs to know.
type Config struct {
	// Conn is the UDP socket. The Socket reads from it while it runs, and sets
	// its read deadline; the caller may write to it, and closes it after Run.
	Conn net.PacketConn

	// Other is given what is not uTP, on the goroutine that reads: it must not
	// wait, nor keep b. Nil drops it.
	Other func(b []byte, from netip.AddrPort)

	// Deny, when set, is asked whether to ignore a stranger's SYN.
	Deny func(from netip.AddrPort) bool

	MaxConns      int // connections in both directions, closing ones included; 0: 4096
	Backlog       int // connections waiting for Accept, beyond which new ones are reset; 0: 128
	ReceiveBuffer int // most bytes one connection keeps for its reader; 0: 4 MiB
	// ReceiveBudget is how many bytes the receive buffers of all connections
	// may have together, beyond the 256 KiB each starts with; 0: 64 MiB.
	ReceiveBudget int
}

// Stats counts what a Socket has done since it was made.
type Stats struct {
	Conns, HalfOpen       int
	PacketsIn, PacketsOut uint64
	Retransmitted         uint64 // packets sent again, on connections that have ended
	Invalid               uint64 // packets of no connection, forged or broken
}

// Socket carries uTP connections over one UDP socket. It is a net.Listener.
// Its methods are safe for concurrent use.
type Socket struct {
	// immutable after New
	cfg     Config
	link    *link
	start   time.Time
	chunks  *chunkPool
	backlog chan *conn
	closing chan struct{}
	wakeup  chan struct{} // one token: the writer has something to do

	started   atomic.Bool
	closeOnce sync.Once
	budget    atomic.Int64 // bytes of receive buffer still to be granted

	packetsIn, packetsOut, retransmitted, invalid atomic.Uint64

	table struct {
		sync.Mutex
		conns    map[connKey]*conn
		halfOpen map[*conn]struct{} // incoming, not established
		over     bool               // Run has ended: nothing is added any more
	}
	todo struct {
		sync.Mutex
		conns  []*conn
		resets []stray
	}
}

// connKey finds a connection: the peer, and the id in its packets to us.
type connKey struct {
	addr netip.AddrPort
	id   uint16
}

// stray is a packet of no connection, to be answered with a reset.
type stray struct {
	addr    netip.AddrPort
	id, seq uint16
}

// New prepares a Socket; Run brings it to life.
func New(cfg Config) (*Socket, error) {
	if cfg.Conn == nil {
		return nil, errors.New("open uTP socket: no packet connection")
	}
	for _, d := range []struct {
		value    *int
		standard int
	}{
		{&cfg.MaxConns, defaultConns}, {&cfg.Backlog, defaultBacklog},
		{&cfg.ReceiveBuffer, defaultBuffer}, {&cfg.ReceiveBudget, defaultBudget},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	s := &Socket{
		cfg: cfg, link: newLink(cfg.Conn), start: time.Now(), chunks: new(chunkPool),
		backlog: make(chan *conn, cfg.Backlog), closing: make(chan struct{}), wakeup: make(chan struct{}, 1),
	}
	s.budget.Store(int64(cfg.ReceiveBudget))
	s.table.conns = make(map[connKey]*conn)
	s.table.halfOpen = make(map[*conn]struct{})
	return s, nil
}

// now is the streams' clock. It does not start at zero, which means never.
func (s *Socket) now() time.Duration { return time.Since(s.start) + time.Second }

// Run reads and writes until ctx is done or Close is called, which is no
// error, or until the UDP socket fails. Connections that are left are reset.
func (s *Socket) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("run uTP socket: it has run already")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, 2)
	go func() { results <- s.readLoop(ctx) }()
	go func() { results <- newWriter(s).run(ctx) }()

	var err error
	ended := 0
	select {
	case <-ctx.Done():
	case <-s.closing:
	case err = <-results:
		ended = 1
	}
	cancel()
	// The past interrupts a read that waits; the caller may read afterwards.
	_ = s.cfg.Conn.SetReadDeadline(time.Unix(1, 0))
	for ; ended < 2; ended++ {
		err = errors.Join(err, <-results)
	}
	_ = s.cfg.Conn.SetReadDeadline(time.Time{})
	_ = s.Close()
	if err != nil {
		return fmt.Errorf("run uTP socket: %w", err)
	}
	return nil
}

// Close makes Run return, and Accept and Dial fail. It does not wait, and does
// not close the UDP socket.
func (s *Socket) Close() error {
	s.closeOnce.Do(func() { close(s.closing) })
	return nil
}

// Addr is the address of the UDP socket.
func (s *Socket) Addr() net.Addr { return s.cfg.Conn.LocalAddr() }

// Accept waits for a connection from a peer that has proved to be at its
// address. It returns net.ErrClosed once the Socket is closed.
func (s *Socket) Accept() (net.Conn, error) {
	select {
	case c := <-s.backlog:
		return c, nil
	case <-s.closing:
		return nil, &net.OpError{Op: "accept", Net: "utp", Source: s.Addr(), Err: net.ErrClosed}
	}
}

// Dial connects to a peer. It gives up after about a minute, or with ctx.
func (s *Socket) Dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{
			Op: "dial", Net: "utp", Source: s.Addr(), Addr: net.UDPAddrFromAddrPort(addr), Err: err,
		}
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !addr.IsValid() || addr.Port() == 0 {
		return fail(errors.New("no such address"))
	}
	c, err := s.addOutgoing(addr)
	if err != nil {
		return fail(err)
	}
	s.wake(c)
	select {
	case <-c.settled:
	case <-ctx.Done():
		c.Close()
		return fail(context.Cause(ctx))
	case <-s.closing:
		c.Close()
		return fail(net.ErrClosed)
	}
	c.mu.Lock()
	established, err := c.stream.established(), c.stream.err
	c.mu.Unlock()
	if !established && err != nil {
		return fail(err)
	}
	return c, nil
}

var errTooMany = errors.New("too many connections")

// addOutgoing makes a connection with an id that is free.
func (s *Socket) addOutgoing(addr netip.AddrPort) (*conn, error) {
	mtu := newPathMTU(addr.Addr(), routeMTU(addr))
	s.table.Lock()
	defer s.table.Unlock()
	switch {
	case s.table.over || isClosed(s.closing):
		return nil, net.ErrClosed
	case len(s.table.conns) >= s.cfg.MaxConns:
		return nil, errTooMany
	}
	for range idAttempts {
		key := connKey{addr, uint16(rand.Uint32())}
		if s.table.conns[key] != nil {
			continue
		}
		c := s.newConn(key, false)
		c.stream = dialStream(s.streamConfig(c, key.id, mtu))
		s.table.conns[key] = c
		return c, nil
	}
	return nil, errTooMany
}

func (s *Socket) streamConfig(c *conn, id uint16, mtu pathMTU) streamConfig {
	return streamConfig{
		pool: s.chunks, now: s.now(), id: id, seq: uint16(rand.Uint32()),
		buffer: s.cfg.ReceiveBuffer, mtu: mtu,
		reserve: func(bytes int) bool {
			if s.budget.Add(-int64(bytes)) < 0 {
				s.budget.Add(int64(bytes))
				return false
			}
			c.granted.Add(int64(bytes))
			return true
		},
	}
}

// forget takes a connection that has ended out of the table.
func (s *Socket) forget(c *conn) {
	s.table.Lock()
	if s.table.conns[c.key] == c {
		delete(s.table.conns, c.key)
		s.retransmitted.Add(c.stream.send.retransmitted)
	}
	delete(s.table.halfOpen, c)
	s.table.Unlock()
	s.budget.Add(c.granted.Swap(0))
}

// wake puts a connection on the writer's list.
func (s *Socket) wake(c *conn) {
	if c.queued.Swap(true) {
		return
	}
	s.todo.Lock()
	s.todo.conns = append(s.todo.conns, c)
	s.todo.Unlock()
	signal(s.wakeup)
}

// Stats returns the Socket's counters.
func (s *Socket) Stats() Stats {
	s.table.Lock()
	defer s.table.Unlock()
	return Stats{
		Conns: len(s.table.conns), HalfOpen: len(s.table.halfOpen),
		PacketsIn: s.packetsIn.Load(), PacketsOut: s.packetsOut.Load(),
		Retransmitted: s.retransmitted.Load(), Invalid: s.invalid.Load(),
	}
}
