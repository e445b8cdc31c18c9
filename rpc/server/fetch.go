package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"lorrent/daemon/torrent/scope"
	"lorrent/rpc"
)

const (
	fetchTimeout = 30 * time.Second
	maxRedirects = 5
)

// fetch gets a .torrent by HTTP. A client may name any host, also one of this
// network. A server of the internet may not: once an answer has come from a
// public address, a redirect to a private one is refused, whatever its name,
// as the address is looked at when the connection is made.
func fetch(ctx context.Context, address string, out Way) ([]byte, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, failure(rpc.CodeInvalid, "url: %v", errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, failure(rpc.CodeInvalid, "url: scheme %q is neither http nor https", clip(u.Scheme, 20))
	case u.Hostname() == "":
		return nil, failure(rpc.CodeInvalid, "url: no host")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	data, err := (&fetcher{out: out}).get(ctx, u)
	if err == nil {
		return data, nil
	}
	// Without url.Error, which repeats the URL: it may hold a passkey, and
	// error messages travel.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no complete answer within %v", fetchTimeout)
	}
	return nil, failure(rpc.CodeFetch, "url: %s: %v", u.Hostname(), err)
}

// fetcher is the state of one fetch, used by one request after the other.
type fetcher struct {
	out    Way  // nil for whatever way there is
	here   bool // the connection in use goes to a public address
	public bool // a public address has answered
}

func (f *fetcher) get(ctx context.Context, u *url.URL) ([]byte, error) {
	transport := &http.Transport{
		DialContext:            f.dial,
		TLSHandshakeTimeout:    10 * time.Second,
		DisableKeepAlives:      true, // each hop is dialled, and so checked
		MaxResponseHeaderBytes: 64 << 10,
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: f.checkRedirect}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { f.here = public(addrOf(info.Conn.RemoteAddr().String())) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "lorrent")
	req.Header.Set("Accept", "application/x-bittorrent, */*;q=0.1")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %s", resp.Status)
	}
	return readLimited(resp.Body)
}

func (f *fetcher) checkRedirect(req *http.Request, via []*http.Request) error {
	f.public = f.public || f.here
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirect to scheme %q", clip(req.URL.Scheme, 20))
	}
	return nil
}

// Way is how connections leave the machine. What Lookup gives is for Dial.
type Way interface {
	Lookup(ctx context.Context, network, host string) ([]netip.Addr, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if f.out == nil {
		return (&net.Dialer{Timeout: 10 * time.Second, Control: f.checkDial}).DialContext(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := f.out.Lookup(ctx, "ip", host)
	for _, a := range addrs {
		at := net.JoinHostPort(a.String(), port)
		if err = f.checkDial(network, at, nil); err != nil {
			return nil, err
		}
		var conn net.Conn
		if conn, err = f.out.Dial(ctx, network, at); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (f *fetcher) checkDial(_, address string, _ syscall.RawConn) error {
	if ip := addrOf(address); f.public && !public(ip) {
		return fmt.Errorf("redirect from the internet to the private address %s refused", ip)
	}
	return nil
}

// addrOf is the IP of an "ip:port", invalid when it is none.
func addrOf(address string) netip.Addr {
	ap, _ := netip.ParseAddrPort(address)
	return ap.Addr().WithZone("")
}

func public(ip netip.Addr) bool { return ip.IsValid() && scope.Of(ip) == scope.Public }
