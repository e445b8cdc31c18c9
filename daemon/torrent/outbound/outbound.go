// Package outbound is the way out of the daemon: which interface or address
// its traffic leaves by, through which proxy, and with which mark.
//
// A Way that is bound never uses another way: when the interface or address is
// away, connections fail. Name look-ups are bound as well, but for those that a
// resolver on this host takes over. Behind a proxy, names are resolved there;
// UDP goes through a SOCKS5 proxy, and nowhere with an HTTP one.
//
// Spec: RFC 1928 and 1929 (SOCKS5), RFC 9110 (CONNECT), RFC 2474 (DSCP).
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const dialTimeout = 10 * time.Second

// Config says which way. The zero value is whatever way the host has.
type Config struct {
	Bind  string // an interface's name, or an address of ours
	Proxy string // socks5://[USER:PASSWORD@]HOST:PORT or http://…
	DSCP  int    // 0 to 63: the mark of packets, 0 is none
}

// ErrNoUDP says that a proxy carries no UDP.
var ErrNoUDP = errors.New("the proxy carries no UDP")

// Way is a checked Config. Its methods may be called concurrently.
type Way struct {
	device string     // bound to, or ""
	local  netip.Addr // bound to, or the zero Addr
	proxy  *url.URL   // or nil
	dscp   int
	names  names
}

// New checks the configuration. It does not look whether the interface is
// there: it may come and go.
func New(cfg Config) (*Way, error) {
	w := &Way{dscp: cfg.DSCP}
	if cfg.DSCP < 0 || cfg.DSCP > 63 {
		return nil, fmt.Errorf("dscp %d: use 0 to 63", cfg.DSCP)
	}
	if a, err := netip.ParseAddr(cfg.Bind); err == nil {
		w.local = a.Unmap()
	} else if len(cfg.Bind) > 15 || strings.ContainsAny(cfg.Bind, "/ \t\n:") { // IFNAMSIZ
		return nil, fmt.Errorf("bind %q: use the name of an interface, or an address", cfg.Bind)
	} else {
		w.device = cfg.Bind
	}
	if cfg.Proxy == "" {
		return w, nil
	}
	u, err := url.Parse(cfg.Proxy)
	if err != nil || u.Hostname() == "" || u.Port() == "" || u.Scheme != "socks5" && u.Scheme != "http" {
		return nil, errors.New("proxy: use socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ if need be")
	}
	if p, _ := u.User.Password(); len(u.User.Username()) > 255 || len(p) > 255 {
		return nil, errors.New("proxy: user or password is too long")
	}
	w.proxy = u
	return w, nil
}

// Proxied reports whether there is a proxy.
func (w *Way) Proxied() bool { return w.proxy != nil }

// Limited reports whether not every way will do.
func (w *Way) Limited() bool { return w.device != "" || w.local.IsValid() || w.Proxied() }

// Interface is the name of the interface bound to, or "".
func (w *Way) Interface() string { return w.device }

// Listen is a listening address as far as the way allows it: no other address
// than the one bound to, and none that is reached past a proxy.
func (w *Way) Listen(address string) string {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return address
	case w.Proxied():
		return net.JoinHostPort("127.0.0.1", port)
	case w.local.IsValid() && host == "":
		return net.JoinHostPort(w.local.String(), port)
	}
	return address
}

// Sockets makes sockets that use the way: for listening, and for UDP past any
// proxy.
func (w *Way) Sockets() *net.ListenConfig { return &net.ListenConfig{Control: w.control} }

// control is what each socket goes through before it is used.
func (w *Way) control(network, _ string, raw syscall.RawConn) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) { err = mark(fd, network, w.device, w.dscp) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("use interface %q: %w", w.device, err)
	}
	return nil
}

// Dial connects over TCP. Behind a proxy the host may be a name, or what
// Lookup has made of one.
func (w *Way) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.proxy == nil {
		return w.direct(ctx, network, address)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := w.toProxy(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	target := w.names.real(address)
	if w.proxy.Scheme == "socks5" {
		_, err = socksConnect(conn, w.proxy.User, cmdConnect, target)
	} else {
		err = httpConnect(conn, w.proxy.User, target)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return conn, nil
}

// direct connects past any proxy.
func (w *Way) direct(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, Control: w.control}
	if w.local.IsValid() {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if a, err := netip.ParseAddr(host); err == nil && a.Unmap().Is4() != w.local.Is4() {
			return nil, fmt.Errorf("no way from %s to %s", w.local, a)
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.local, 0))
	}
	return d.DialContext(ctx, network, address)
}

// toProxy connects to the proxy. One on this host is reached whatever the way
// is bound to: it has its own.
func (w *Way) toProxy(ctx context.Context) (net.Conn, error) {
	host := w.proxy.Hostname()
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", w.proxy.Host)
	}
	addrs, err := w.resolve(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	return w.direct(ctx, "tcp", net.JoinHostPort(addrs[0].String(), w.proxy.Port()))
}

// Lookup resolves a name, with the signature of net.Resolver.LookupNetIP.
// Behind a proxy it gives an address that stands for the name, and that Dial
// and the sockets of Packets understand: the proxy resolves it.
func (w *Way) Lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if w.Proxied() {
		a, err := w.names.standIn(host)
		return []netip.Addr{a}, err
	}
	return w.resolve(ctx, network, host)
}

func (w *Way) resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if w.device == "" && !w.local.IsValid() {
		return net.DefaultResolver.LookupNetIP(ctx, network, host)
	}
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{}
		if server, err := netip.ParseAddrPort(address); err != nil || !server.Addr().IsLoopback() {
			d.Control = w.control
			if w.local.IsValid() && server.Addr().Unmap().Is4() == w.local.Is4() {
				if strings.HasPrefix(network, "udp") {
					d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.local, 0))
				} else {
					d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.local, 0))
				}
			}
		}
		return d.DialContext(ctx, network, address)
	}}
	return r.LookupNetIP(ctx, network, host)
}
