package torrent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Transport is what a user thinks of uTP (BEP 29), which yields to other
// traffic and gets through to some peers whom TCP does not reach.
type Transport int

const (
	// PreferTCP accepts both, and calls over uTP where TCP does not get through.
	PreferTCP Transport = iota
	// OnlyUTP neither listens nor calls over TCP.
	OnlyUTP
	// OnlyTCP has no uTP.
	OnlyTCP
)

// What carries a connection, as PeerStatus has it.
const (
	overTCP = "tcp"
	overUTP = "utp"
)

// maxFallbacks is how many calls over uTP, after TCP has failed, a torrent may
// have under way. They take no place away from calls over TCP.
const maxFallbacks = 32

// errUnreachable says that there is no connection to a peer: another transport
// may get one.
var errUnreachable = errors.New("peer cannot be reached")

// errBlocked says that an address is on the blocklist.
var errBlocked = errors.New("the address is on the blocklist")

// attempts are the transports to call a peer over, in their order. utp says
// that it was reached over uTP, and not over TCP, last time.
func (p Transport) attempts(utp bool) []string {
	switch {
	case p == OnlyUTP:
		return []string{overUTP}
	case p == OnlyTCP:
		return []string{overTCP}
	case utp:
		return []string{overUTP, overTCP}
	}
	return []string{overTCP, overUTP}
}

// connect calls a peer.
func (e *Engine) connect(ctx context.Context, transport string, addr netip.AddrPort) (conn net.Conn, err error) {
	if e.blocked(addr.Addr()) {
		return nil, errBlocked
	}
	timeout := e.cfg.dialTimeout
	if transport == overUTP {
		timeout = e.cfg.utpTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if transport == overUTP {
		conn, err = e.udp.utp.Dial(ctx, addr)
	} else {
		conn, err = e.out.Dial(ctx, "tcp", addr.String())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return conn, nil
}

// transportOf is what carries a connection.
func transportOf(conn net.Conn) string {
	if _, udp := conn.RemoteAddr().(*net.UDPAddr); udp {
		return overUTP
	}
	return overTCP
}

func addrOf(conn net.Conn) netip.AddrPort {
	a, ok := conn.RemoteAddr().(interface{ AddrPort() netip.AddrPort }) // of TCP or UDP
	if !ok {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
