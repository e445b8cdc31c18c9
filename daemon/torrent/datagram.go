package torrent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"lorrent/daemon/torrent/utp"
)

const (
	portAttempts  = 16   // for a number that is free for both TCP and UDP
	maxTapPackets = 256  // that wait for whoever reads a tap
	maxTapPacket  = 4096 // bytes; nobody who is meant by them sends longer ones
)

// datagrams is the UDP side of the peer port, on the same number as TCP. It
// carries uTP; the rest goes to the taps.
type datagrams struct {
	conn       *net.UDPConn
	utp        *utp.Socket
	dht4, dht6 *tap // what begins with "d", by the sender's family; nil when the socket has none of it
}

// openPort opens the peer port for TCP and UDP. When the address names port 0,
// the number is one that both have free.
func openPort(sockets *net.ListenConfig, address string) (net.Listener, *net.UDPConn, error) {
	for attempt := 1; ; attempt++ {
		l, err := sockets.Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, nil, err
		}
		conn, err := listenPacket(sockets, address, l.Addr().(*net.TCPAddr).Port)
		if err == nil {
			return l, conn, nil
		}
		l.Close()
		_, port, _ := net.SplitHostPort(address)
		if port != "0" || attempt == portAttempts || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}

func listenPacket(sockets *net.ListenConfig, address string, port int) (*net.UDPConn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conn, err := sockets.ListenPacket(context.Background(), "udp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// newDatagrams prepares what is spoken on conn, and takes it over.
// deny is whom to ignore over uTP, blocked whom the DHT has nothing to do with.
func newDatagrams(conn *net.UDPConn, deny func(netip.AddrPort) bool, blocked func(netip.Addr) bool) (d *datagrams, err error) {
	d = &datagrams{conn: conn}
	own := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	if own.Unmap().Is4() || own.IsUnspecified() {
		d.dht4 = newTap(conn, blocked)
	}
	if !own.Unmap().Is4() {
		d.dht6 = newTap(conn, blocked)
	}
	d.utp, err = utp.New(utp.Config{Conn: conn, Other: d.other, Deny: deny})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return d, nil
}

// other sorts what is not uTP by its first byte: a KRPC message is a bencoded
// dictionary (BEP 5). Packets that nobody has a use for are dropped.
func (d *datagrams) other(b []byte, from netip.AddrPort) {
	if len(b) == 0 || b[0] != 'd' {
		return
	}
	t := d.dht6
	if from.Addr().Is4() {
		t = d.dht4
	}
	if t != nil {
		t.put(b, from)
	}
}

// run reads and writes until ctx ends or the socket fails, and closes the
// socket and its taps.
func (d *datagrams) run(ctx context.Context) error {
	defer d.close()
	return d.utp.Run(ctx)
}

func (d *datagrams) close() {
	d.conn.Close()
	for _, t := range []*tap{d.dht4, d.dht6} {
		if t != nil {
			t.Close()
		}
	}
}

// tap is a net.PacketConn for one kind of packet on a shared socket. It never
// holds up the others: packets that its reader is too slow for are dropped.
// Closing it leaves the socket open. It knows no deadlines.
type tap struct {
	conn    *net.UDPConn
	blocked func(netip.Addr) bool
	packets chan tapped
	closed  chan struct{}
	once    sync.Once
}

type tapped struct {
	bytes []byte
	from  netip.AddrPort
}

func newTap(conn *net.UDPConn, blocked func(netip.Addr) bool) *tap {
	return &tap{conn: conn, blocked: blocked, packets: make(chan tapped, maxTapPackets), closed: make(chan struct{})}
}

// put offers a packet. It does not wait, and keeps a copy.
func (t *tap) put(b []byte, from netip.AddrPort) {
	if len(b) > maxTapPacket || t.blocked(from.Addr()) || len(t.packets) == cap(t.packets) { // only one goroutine puts
		return
	}
	t.packets <- tapped{slices.Clone(b), from}
}

// ReadFrom waits for a packet. It returns net.ErrClosed once the tap, or the
// socket, is closed.
func (t *tap) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-t.closed:
	default:
		select {
		case p := <-t.packets:
			return copy(b, p.bytes), net.UDPAddrFromAddrPort(p.from), nil
		case <-t.closed:
		}
	}
	return 0, nil, t.fail("read", net.ErrClosed)
}

// WriteTo sends a packet at once, but nothing to a blocked address.
func (t *tap) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-t.closed:
		return 0, t.fail("write", net.ErrClosed)
	default:
	}
	if a, ok := to.(*net.UDPAddr); ok && t.blocked(a.AddrPort().Addr().Unmap()) {
		return 0, t.fail("write", errBlocked)
	}
	return t.conn.WriteTo(b, to)
}

func (t *tap) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: t.LocalAddr(), Err: err}
}

func (t *tap) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

func (t *tap) LocalAddr() net.Addr              { return t.conn.LocalAddr() }
func (t *tap) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (t *tap) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (t *tap) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
