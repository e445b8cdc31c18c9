package torrent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

const (
	dialTimeout   = 10 * time.Second
	maxHandshakes = 128 // incoming ones under way
)

// listen opens the peer port. The same port serves IPv4 and IPv6 when the
// host is empty.
func (e *Engine) listen() error {
	l, err := net.Listen("tcp", e.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for peers on %q: %w", e.cfg.Listen, err)
	}
	e.listeners = append(e.listeners, l)
	e.port = l.Addr().(*net.TCPAddr).Port
	return nil
}

// Close releases the listening port of an engine that was never run.
func (e *Engine) Close() {
	for _, l := range e.listeners {
		l.Close()
	}
}

// accept takes connections until the listener is closed. Errors that pass,
// such as too many open files, are waited out.
func (e *Engine) accept(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	pending := newSemaphore(maxHandshakes)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		if !pending.acquire(ctx.Done()) {
			return ctx.Err()
		}
		conn, err := l.Accept()
		switch {
		case err == nil:
			wg.Go(func() {
				defer pending.release()
				e.welcome(ctx, conn)
			})
			continue
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return err
		}
		pending.release()
		if !transient(err) {
			return err
		}
		e.log.Warn().Err(err).Msg("cannot accept peers for a moment")
		pause.Reset(time.Second)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// transient reports whether accepting may work again later.
func transient(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// incoming is a connection whose handshakes are done.
type incoming struct {
	conn   net.Conn
	addr   netip.AddrPort
	theirs peerwire.Handshake
	source string
	dialed bool
}

// welcome reads a stranger's handshake, answers it if we have the torrent, and
// hands the connection to it.
func (e *Engine) welcome(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	in, t, err := e.greet(conn)
	if !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = t.post(func(s *session) { s.connected(in) })
	}
	if err != nil {
		e.log.Debug().Err(err).Stringer("peer", conn.RemoteAddr()).Msg("incoming connection refused")
		conn.Close()
	}
}

func (e *Engine) greet(conn net.Conn) (in incoming, t *torrent, err error) {
	conn.SetDeadline(time.Now().Add(e.cfg.handshakeTimeout))
	theirs, err := peerwire.ReadHandshake(conn)
	if err != nil {
		return in, nil, err
	}
	t, ok := e.find(theirs.InfoHash)
	if !ok || !t.wantsToRun() {
		return in, nil, fmt.Errorf("%w: %x", ErrNotFound, theirs.InfoHash)
	}
	ours := peerwire.NewHandshake(theirs.InfoHash, e.peerID)
	if _, err := conn.Write(ours.Bytes()); err != nil {
		return in, nil, err
	}
	if theirs.PeerID == e.peerID {
		return in, nil, errSelf // the answer tells our other half not to try again
	}
	conn.SetDeadline(time.Time{})
	return incoming{conn: conn, addr: addrOf(conn), theirs: theirs, source: "incoming"}, t, nil
}

var errSelf = errors.New("connection to ourselves")

func addrOf(conn net.Conn) netip.AddrPort {
	a, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// dial connects to a peer and shakes hands.
func (e *Engine) dial(ctx context.Context, addr netip.AddrPort, infoHash [20]byte) (in incoming, err error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return in, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	theirs, err := e.introduce(conn, infoHash)
	if err != nil {
		conn.Close()
		return in, err
	}
	return incoming{conn: conn, addr: addr, theirs: theirs, dialed: true}, nil
}

func (e *Engine) introduce(conn net.Conn, infoHash [20]byte) (peerwire.Handshake, error) {
	conn.SetDeadline(time.Now().Add(e.cfg.handshakeTimeout))
	if _, err := conn.Write(peerwire.NewHandshake(infoHash, e.peerID).Bytes()); err != nil {
		return peerwire.Handshake{}, err
	}
	theirs, err := peerwire.ReadHandshake(conn)
	if err != nil {
		return theirs, err
	}
	if theirs.InfoHash != infoHash {
		return theirs, fmt.Errorf("peer answered for torrent %x", theirs.InfoHash)
	}
	if theirs.PeerID == e.peerID {
		return theirs, errSelf
	}
	conn.SetDeadline(time.Time{})
	return theirs, nil
}
