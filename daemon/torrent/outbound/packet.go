package outbound

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// PacketConn is a UDP socket, or what a proxy makes look like one.
type PacketConn interface {
	// ReadFromUDPAddrPort returns the zero AddrPort for a sender that a proxy
	// resolved: it was called by its name.
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Packets opens a UDP socket, network being "udp4" or "udp6". It is ErrNoUDP
// with a proxy that has none.
func (w *Way) Packets(ctx context.Context, network string) (PacketConn, error) {
	if w.Proxied() {
		return w.associate(ctx)
	}
	address := ":0"
	if w.local.IsValid() {
		address = net.JoinHostPort(w.local.String(), "0")
	}
	conn, err := w.Sockets().ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// associate asks a SOCKS5 proxy for a relay.
func (w *Way) associate(ctx context.Context) (PacketConn, error) {
	if w.proxy.Scheme != "socks5" {
		return nil, ErrNoUDP
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	control, err := w.toProxy(ctx)
	if err != nil {
		return nil, err
	}
	control.SetDeadline(time.Now().Add(dialTimeout))
	at, err := socksConnect(control, w.proxy.User, cmdAssociate, "0.0.0.0:0")
	if err != nil {
		control.Close()
		return nil, err
	}
	control.SetDeadline(time.Time{})
	if !at.Addr().IsValid() || at.Addr().IsUnspecified() { // its own
		at = netip.AddrPortFrom(control.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), at.Port())
	}
	d := net.Dialer{Control: w.control}
	if at.Addr().IsLoopback() {
		d.Control = nil
	}
	conn, err := d.DialContext(ctx, "udp", at.String())
	if err != nil {
		control.Close()
		return nil, err
	}
	r := &relay{way: w, control: control, conn: conn.(*net.UDPConn), called: make(map[netip.AddrPort]bool)}
	r.watch.Go(func() { // the relay ends with the connection that it was asked over
		control.Read(make([]byte, 1))
		conn.Close()
	})
	return r, nil
}

// relay is a UDP socket at a SOCKS5 proxy.
type relay struct {
	way     *Way
	control net.Conn
	conn    *net.UDPConn
	watch   sync.WaitGroup

	mu     sync.Mutex
	called map[netip.AddrPort]bool // addresses that packets went to, names aside
}

const (
	relayHead = 3 + 1 + 1 + 255 + 2 // longest header of a packet
	maxCalled = 4096
)

func (r *relay) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	target := r.way.names.real(to.String())
	if target == to.String() {
		r.mu.Lock()
		if len(r.called) >= maxCalled {
			clear(r.called)
		}
		r.called[to] = true
		r.mu.Unlock()
	}
	packet, err := appendAddress([]byte{0, 0, 0}, target)
	if err != nil {
		return 0, err
	}
	if _, err := r.conn.Write(append(packet, b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (r *relay) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	buf := make([]byte, relayHead+len(b))
	for {
		n, err := r.conn.Read(buf)
		if err != nil {
			return 0, netip.AddrPort{}, err
		}
		if n < 4 || buf[2] != 0 { // a fragment
			continue
		}
		rest := bytes.NewReader(buf[3:n])
		from, err := readAddress(rest)
		if err != nil {
			continue
		}
		r.mu.Lock()
		if !r.called[from] {
			from = netip.AddrPort{}
		}
		r.mu.Unlock()
		n, _ = rest.Read(b)
		return n, from, nil
	}
}

func (r *relay) Close() error {
	r.control.Close()
	err := r.conn.Close()
	r.watch.Wait()
	return err
}
