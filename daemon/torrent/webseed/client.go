package webseed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"lorrent/daemon/torrent/scope"
)

const (
	maxRedirects    = 5
	maxHeaderBytes  = 64 << 10
	maxConnsPerHost = 12
	maxDials        = 3 // addresses of a name that are tried
	dialTimeout     = 10 * time.Second
	headerTimeout   = 30 * time.Second
	idleTimeout     = 60 * time.Second
)

// ClientConfig tunes a Client. The zero value is usable.
type ClientConfig struct {
	UserAgent string
	// Dial connects; nil is a plain connection. It gets literal addresses,
	// unless Resolves is set.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup resolves names, as net.Resolver's LookupNetIP, which nil stands for.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Deny says which addresses not to connect to; nil denies none.
	Deny func(netip.Addr) bool
	// Resolves says that Dial, as a proxy does, takes host names.
	Resolves bool
}

// Client is the HTTP side of every web seed of a daemon. It keeps connections
// alive between requests. Its methods may be called concurrently.
type Client struct {
	cfg    ClientConfig
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	// One for each nearest scope that may be connected to: a connection that
	// is kept alive serves only requests that might have opened it.
	transports [scope.Public + 1]*http.Transport
}

// NewClient returns a client. Close it.
func NewClient(cfg ClientConfig) *Client {
	if cfg.UserAgent == "" {
		cfg.UserAgent = "lorrent"
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if cfg.Lookup == nil {
		cfg.Lookup = net.DefaultResolver.LookupNetIP
	}
	c := &Client{cfg: cfg, lookup: cfg.Lookup}
	for floor := range c.transports {
		c.transports[floor] = &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return c.dial(ctx, network, address, scope.Scope(floor))
			},
			DisableCompression:     true, // ranges are of the file, not of what it is packed to
			MaxConnsPerHost:        maxConnsPerHost,
			MaxIdleConnsPerHost:    defaultConnections,
			MaxIdleConns:           64,
			IdleConnTimeout:        idleTimeout,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return c
}

// Close ends the connections that are kept alive.
func (c *Client) Close() {
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

var errDenied = errors.New("the address is on the blocklist")

var errInward = errors.New("refused to connect to an address of this host or network")

// dial connects to an address that is at least as far away as floor. It
// resolves names itself, so that the address checked is the address used.
func (c *Client) dial(ctx context.Context, network, address string, floor scope.Scope) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	a, literal := netip.ParseAddr(host)
	if c.cfg.Resolves && literal != nil {
		if name := strings.TrimSuffix(strings.ToLower(host), "."); floor > scope.Loopback && (name == "localhost" || strings.HasSuffix(name, ".localhost")) {
			return nil, fmt.Errorf("%w: %s", errInward, name)
		}
		return c.cfg.Dial(ctx, network, address)
	}
	addrs := []netip.Addr{a}
	if literal != nil {
		if addrs, err = c.lookup(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	err = errors.New("the name has no address")
	for _, a := range addrs[:min(len(addrs), maxDials)] {
		a = a.Unmap()
		if near := scope.Of(a); near < floor {
			err = fmt.Errorf("%w: %s is %s", errInward, a, near)
			continue
		}
		if c.cfg.Deny != nil && c.cfg.Deny(a) {
			err = fmt.Errorf("%w: %s", errDenied, a)
			continue
		}
		var conn net.Conn
		if conn, err = c.cfg.Dial(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// get asks for bytes from to to of a file, both included, and follows
// redirects. The caller closes the body.
func (c *Client) get(ctx context.Context, u *url.URL, from, to int64) (*http.Response, error) {
	floor := scope.Loopback
	if u.RawQuery != "" || u.ForceQuery {
		floor = scope.Public // a query can be an order
	}
	for range maxRedirects + 1 {
		var reached scope.Scope
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reached = c.reached(i.Conn, u) }}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, errors.New("bad URL")
		}
		req.Header.Set("User-Agent", c.cfg.UserAgent)
		if u.User != nil { // a redirect's URL has its own, or none
			password, _ := u.User.Password()
			req.SetBasicAuth(u.User.Username(), password)
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
		resp, err := c.transports[floor].RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if !redirects(resp.StatusCode) {
			return resp, nil
		}
		next, err := resp.Location()
		resp.Body.Close()
		if err != nil {
			return nil, errors.New("redirect to nowhere")
		}
		if next.Scheme != "http" && next.Scheme != "https" || next.Hostname() == "" {
			return nil, errors.New("redirect to something else than http or https")
		}
		floor = max(floor, reached) // nobody is led further in
		u = next
	}
	return nil, fmt.Errorf("more than %d redirects", maxRedirects)
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// reached is how far away the other end of a connection is. Behind a proxy
// only an address in the URL can tell; a name is taken for a public one.
func (c *Client) reached(conn net.Conn, u *url.URL) scope.Scope {
	if c.cfg.Resolves {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			return scope.Of(a)
		}
		return scope.Public
	}
	if t, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return scope.Of(t.AddrPort().Addr())
	}
	return scope.Public
}
