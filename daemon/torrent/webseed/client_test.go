package webseed

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// world is a Dial that leads every address to one of the test's servers, and
// a lookup that knows some names.
func world(t *testing.T, c *Client, s *server) {
	c.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		switch host {
		case "public.example":
			return []netip.Addr{netip.MustParseAddr("198.51.100.7")}, nil
		case "home.example":
			return []netip.Addr{netip.MustParseAddr("192.168.1.1")}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host}
	}
	c.cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		a := netip.MustParseAddrPort(address)
		return farAway{conn, net.TCPAddrFromAddrPort(a)}, err
	}
}

type farAway struct {
	net.Conn
	addr net.Addr
}

func (f farAway) RemoteAddr() net.Addr { return f.addr }

// A host on the blocklist is not connected to, whatever its name.
func TestBlockedHost(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 40_000})
	s := l.serve(t, func(h http.Handler) http.Handler { return h })
	client := newTestClient(t, ClientConfig{Deny: func(a netip.Addr) bool { return true }})
	world(t, client, s)
	err := l.leech(t, Config{URL: "http://public.example/", Client: client}).fetch(t, l, l.allBlocks())
	if !errors.Is(err, errDenied) {
		t.Errorf("connected to: %v", err)
	}
}

// A stranger's torrent must not make us give orders to devices at home.
func TestNobodyIsLedInward(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 40_000})
	toHost := func(host string) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Host, "public.example") {
					http.Redirect(w, r, "http://"+host+r.URL.Path, http.StatusFound)
					return
				}
				h.ServeHTTP(w, r)
			})
		}
	}
	for _, c := range []struct {
		name, url, to string
		want          string
	}{
		{"public to public", "http://public.example/", "198.51.100.9", ""},
		{"public to private", "http://public.example/", "192.168.1.1", "refused"},
		{"public to loopback", "http://public.example/", "127.0.0.1", "refused"},
		{"public to a name at home", "http://public.example/", "home.example", "refused"},
		{"public to mapped loopback", "http://public.example/", "[::ffff:127.0.0.1]", "refused"},
		{"private", "http://home.example/", "", ""},
		{"private with a query", "http://home.example/payload?reboot=1", "", "refused"},
		{"public with a query", "http://public.example/?a=b", "198.51.100.9", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := l.serve(t, toHost(c.to))
			client := newTestClient(t, ClientConfig{})
			world(t, client, s)
			err := l.leech(t, Config{URL: c.url, Client: client}).fetch(t, l, l.allBlocks())
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, c.want)
			for range len(s.ranges) {
				if got := <-s.ranges; strings.Contains(got, "reboot") {
					t.Errorf("it was asked for %s", got)
				}
			}
		})
	}
}

// A chain that leaves home cannot come back.
func TestChainOfRedirects(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 40_000})
	s := l.serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.Host, "10.0.0.1"):
				http.Redirect(w, r, "http://198.51.100.9"+r.URL.Path, http.StatusFound)
			case strings.HasPrefix(r.Host, "198.51.100.9"):
				http.Redirect(w, r, "http://10.0.0.2"+r.URL.Path, http.StatusFound)
			default:
				h.ServeHTTP(w, r)
			}
		})
	})
	client := newTestClient(t, ClientConfig{})
	world(t, client, s)
	wantError(t, l.leech(t, Config{URL: "http://10.0.0.1/", Client: client}).fetch(t, l, l.allBlocks()), "10.0.0.2 is private")
}

// Behind a proxy names are resolved there; what can be seen is still checked.
func TestProxyResolves(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 40_000})
	s := l.serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, "seed.example") {
				http.Redirect(w, r, "http://"+strings.TrimPrefix(r.URL.Query().Get("to"), "x")+r.URL.Path, http.StatusFound)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	for _, to := range []string{"127.0.0.1", "localhost", "a.localhost", "192.168.0.1"} {
		client := newTestClient(t, ClientConfig{Resolves: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		}})
		wantError(t, l.leech(t, Config{URL: "http://seed.example/?to=" + to, Client: client}).fetch(t, l, l.allBlocks()), "refused")
	}
}
