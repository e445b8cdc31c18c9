package torrent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

const maxHandshakes = 128 // incoming ones under way, over each transport

// listen opens the peer port: TCP and UDP on the same number, IPv4 and IPv6
// when the host is empty.
func (e *Engine) listen() error {
	l, conn, err := openPort(e.out.Sockets(), e.out.Listen(e.cfg.Listen))
	if err != nil {
		return fmt.Errorf("listen for peers on %q: %w", e.cfg.Listen, err)
	}
	deny := func(a netip.AddrPort) bool { return e.blocked(a.Addr()) || e.cfg.denyUTP != nil && e.cfg.denyUTP(a) }
	if e.cfg.Transport == OnlyTCP {
		deny = func(netip.AddrPort) bool { return true }
	}
	if e.udp, err = newDatagrams(conn, deny, e.blocked); err != nil {
		l.Close()
		return err
	}
	e.port = l.Addr().(*net.TCPAddr).Port
	switch e.cfg.Transport {
	case OnlyUTP:
		l.Close() // nobody shall believe that it is connected
		e.listeners = []net.Listener{e.udp.utp}
	case OnlyTCP:
		e.listeners = []net.Listener{l}
	default:
		e.listeners = []net.Listener{l, e.udp.utp}
	}
	return nil
}

// Close releases the listening port of an engine that was never run.
func (e *Engine) Close() {
	for _, l := range e.listeners {
		l.Close()
	}
	e.udp.close()
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
	conn       net.Conn
	rest       []byte // came from conn with the handshakes, and follows them
	encryption string
	transport  string
	addr       netip.AddrPort
	theirs     peerwire.Handshake
	source     string
	dialed     bool
	web        *webSeed // nil for a peer
	v2         bool     // BitTorrent v2 is spoken
}

// hear reads the other side's handshake.
func (in *incoming) hear() (err error) {
	rest := bytes.NewReader(in.rest)
	in.theirs, err = peerwire.ReadHandshake(io.MultiReader(rest, in.conn))
	in.rest = in.rest[len(in.rest)-rest.Len():]
	return err
}

// welcome reads a stranger's handshake, answers it if we have the torrent, and
// hands the connection to it.
func (e *Engine) welcome(ctx context.Context, conn net.Conn) {
	if e.blocked(addrOf(conn).Addr()) {
		conn.Close()
		return
	}
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
	in, named, err := e.unveil(conn)
	if err != nil {
		return in, nil, err
	}
	in.addr, in.transport, in.source = addrOf(conn), transportOf(conn), sourceIncoming
	if err := in.hear(); err != nil {
		return in, nil, err
	}
	h := in.theirs.InfoHash
	if in.encryption != unencrypted && h != named {
		return in, nil, fmt.Errorf("encrypted handshake for torrent %x, then one for %x", named, h)
	}
	t, ok := e.find(h)
	if !ok || !t.wantsToRun() {
		return in, nil, fmt.Errorf("%w: %x", ErrNotFound, h)
	}
	h, in.v2 = t.id.Load().answerTo(in.theirs)
	if _, err := in.conn.Write(e.handshake(h).Bytes()); err != nil {
		return in, nil, err
	}
	if in.theirs.PeerID == e.peerID {
		return in, nil, errSelf // the answer tells our other half not to try again
	}
	conn.SetDeadline(time.Time{})
	e.reachedBy(conn)
	return in, t, nil
}

// handshake is ours for a torrent.
func (e *Engine) handshake(h metainfo.Hash) peerwire.Handshake {
	hs := peerwire.NewHandshake(h, e.peerID)
	if e.offersDHT(h) {
		hs.OfferDHT()
	}
	if t, ok := e.find(h); ok && t.id.Load().isV2() {
		hs = hs.WithV2()
	}
	return hs
}

var (
	errSelf = errors.New("connection to ourselves")
	errMute = errors.New("no handshake from the peer")
)

// dial connects to a peer and shakes hands, encrypted or not, whatever is
// allowed and works first. plain says that plaintext did last time.
func (e *Engine) dial(ctx context.Context, transport string, addr netip.AddrPort, infoHash [20]byte, plain bool) (in incoming, err error) {
	for _, encrypt := range e.cfg.Encryption.attempts(plain) {
		in, err = e.dialOnce(ctx, transport, addr, infoHash, encrypt)
		if !errors.Is(err, errMute) || ctx.Err() != nil {
			break
		}
	}
	return in, err
}

func (e *Engine) dialOnce(ctx context.Context, transport string, addr netip.AddrPort, infoHash [20]byte, encrypt bool) (in incoming, err error) {
	conn, err := e.connect(ctx, transport, addr)
	if err != nil {
		return in, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in, err = e.introduce(conn, infoHash, encrypt)
	if err != nil {
		conn.Close()
		return in, err
	}
	in.addr, in.transport, in.dialed = addr, transport, true
	return in, nil
}

func (e *Engine) introduce(conn net.Conn, infoHash [20]byte, encrypt bool) (in incoming, err error) {
	conn.SetDeadline(time.Now().Add(e.cfg.handshakeTimeout))
	in, err = e.present(conn, e.handshake(infoHash), encrypt)
	if err == nil {
		err = in.hear()
	}
	if err != nil {
		return in, fmt.Errorf("%w: %w", errMute, err)
	}
	ok := false
	if in.v2, ok = e.agreed(infoHash, in.theirs.InfoHash); !ok {
		return in, fmt.Errorf("peer answered for torrent %x", in.theirs.InfoHash)
	}
	if in.theirs.PeerID == e.peerID {
		return in, errSelf
	}
	conn.SetDeadline(time.Time{})
	return in, nil
}
