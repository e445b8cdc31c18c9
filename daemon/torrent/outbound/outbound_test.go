package outbound

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{Bind: "tun0"}, ""},
		{Config{Bind: "192.0.2.1"}, ""},
		{Config{Bind: "2001:db8::1", DSCP: 63}, ""},
		{Config{Proxy: "socks5://u:p@h:1"}, ""},
		{Config{Proxy: "http://h:1"}, ""},
		{Config{Bind: "an interface"}, "bind"},
		{Config{Bind: "averyverylongname"}, "bind"},
		{Config{Bind: "1.2.3.4:5"}, "bind"},
		{Config{DSCP: 64}, "dscp"},
		{Config{DSCP: -1}, "dscp"},
		{Config{Proxy: "socks5://h"}, "proxy"},
		{Config{Proxy: "ftp://h:1"}, "proxy"},
		{Config{Proxy: "h:1"}, "proxy"},
		{Config{Proxy: "socks5://" + strings.Repeat("u", 256) + ":p@h:1"}, "proxy"},
	} {
		_, err := New(c.cfg)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
		if err != nil && strings.Contains(err.Error(), "uuu") {
			t.Errorf("the error repeats the user: %v", err)
		}
	}
}

func way(t testing.TB, cfg Config) *Way {
	t.Helper()
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestListenAddress(t *testing.T) {
	for _, c := range []struct {
		cfg        Config
		from, want string
	}{
		{Config{}, ":1", ":1"},
		{Config{Bind: "tun0"}, ":1", ":1"},
		{Config{Bind: "192.0.2.1"}, ":1", "192.0.2.1:1"},
		{Config{Bind: "2001:db8::1"}, ":1", "[2001:db8::1]:1"},
		{Config{Proxy: "socks5://h:1"}, ":5", "127.0.0.1:5"},
		{Config{Proxy: "socks5://h:1"}, "192.0.2.1:5", "127.0.0.1:5"},
	} {
		if got := way(t, c.cfg).Listen(c.from); got != c.want {
			t.Errorf("%+v, %s: %s, want %s", c.cfg, c.from, got, c.want)
		}
	}
}

// echo is a TCP server that says who called and sends back what it hears.
func echo(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { io.Copy(c, c); c.Close() })
		}
	})
	return l.Addr().String()
}

func roundTrip(t testing.TB, c net.Conn) {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestBoundAddressIsUsed(t *testing.T) {
	at := echo(t)
	c, err := way(t, Config{Bind: "127.0.0.2", DSCP: 1}).Dial(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := net.SplitHostPort(c.LocalAddr().String()); host != "127.0.0.2" {
		t.Errorf("from %s", host)
	}
	roundTrip(t, c)
	if _, err := way(t, Config{Bind: "127.0.0.2"}).Dial(t.Context(), "tcp", "[::1]:1"); err == nil || !strings.Contains(err.Error(), "no way") {
		t.Errorf("another family: %v", err)
	}
}

// An interface that is away lets nothing through: not TCP, not UDP, not names.
func TestAwayInterfaceLetsNothingThrough(t *testing.T) {
	at := echo(t)
	w := way(t, Config{Bind: "nosuchif0"})
	if c, err := w.Dial(t.Context(), "tcp", at); err == nil {
		c.Close()
		t.Error("TCP went past it")
	}
	if c, err := w.Packets(t.Context(), "udp4"); err == nil {
		c.Close()
		t.Error("UDP went past it")
	}
	if l, err := w.Sockets().Listen(t.Context(), "tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("it is listened on another one")
	}
	if _, err := w.Lookup(t.Context(), "ip", "example.invalid"); err == nil {
		t.Error("a name was found")
	}
}

// socks is a SOCKS5 proxy that does what it is told to, and keeps a diary.
type socks struct {
	l        net.Listener
	user     string            // "USER:PASSWORD" that is wanted, "" for none
	resolve  map[string]string // what names lead to
	mu       sync.Mutex
	asked    []string
	answered byte // code that is answered instead of success
}

func startSocks(t testing.TB, s *socks) *socks {
	var err error
	if s.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { s.l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := s.l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); s.serve(c) })
		}
	})
	return s
}

func (s *socks) serve(c net.Conn) {
	r := bufio.NewReader(c)
	head := make([]byte, 2)
	io.ReadFull(r, head)
	methods := make([]byte, head[1])
	io.ReadFull(r, methods)
	if s.user == "" {
		c.Write([]byte{5, 0})
	} else {
		if !bytes.Contains(methods, []byte{2}) {
			c.Write([]byte{5, 0xff})
			return
		}
		c.Write([]byte{5, 2})
		r.ReadByte()
		read := func() string { n, _ := r.ReadByte(); b := make([]byte, n); io.ReadFull(r, b); return string(b) }
		user := read()
		if user+":"+read() != s.user {
			c.Write([]byte{1, 1})
			return
		}
		c.Write([]byte{1, 0})
	}
	req := make([]byte, 3)
	io.ReadFull(r, req)
	target := readTarget(r)
	s.mu.Lock()
	s.asked = append(s.asked, target)
	s.mu.Unlock()
	if s.answered != 0 {
		c.Write([]byte{5, s.answered, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	if req[1] == cmdAssociate {
		s.relay(c)
		return
	}
	if to, ok := s.resolve[target]; ok {
		target = to
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer out.Close()
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { io.Copy(out, r); out.Close() }()
	io.Copy(c, out)
}

func readTarget(r io.Reader) string {
	var kind [1]byte
	io.ReadFull(r, kind[:])
	host := ""
	switch kind[0] {
	case typeIPv4:
		b := make([]byte, 4)
		io.ReadFull(r, b)
		host = netip.AddrFrom4([4]byte(b)).String()
	case typeName:
		io.ReadFull(r, kind[:])
		b := make([]byte, kind[0])
		io.ReadFull(r, b)
		host = string(b)
	}
	b := make([]byte, 2)
	io.ReadFull(r, b)
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(b))))
}

// relay answers each packet in the name of where it went.
func (s *socks) relay(c net.Conn) {
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return
	}
	defer u.Close()
	port := u.LocalAddr().(*net.UDPAddr).Port
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, byte(port >> 8), byte(port)})
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			r := bytes.NewReader(buf[3:n])
			target := readTarget(r)
			payload, _ := io.ReadAll(r)
			s.mu.Lock()
			s.asked = append(s.asked, "udp "+target+" "+string(payload))
			s.mu.Unlock()
			answer, _ := appendAddress([]byte{0, 0, 0}, "203.0.113.9:80")
			if a, err := netip.ParseAddrPort(target); err == nil {
				answer, _ = appendAddress([]byte{0, 0, 0}, a.String())
			}
			u.WriteTo([]byte{0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 'x'}, from) // a fragment: dropped
			u.WriteTo([]byte{0}, from)
			u.WriteTo(append(answer, "pong"...), from)
		}
	}()
	io.Copy(io.Discard, c) // until the client goes
}

func TestSOCKS5(t *testing.T) {
	at := echo(t)
	for _, user := range []string{"", "me:secret"} {
		s := startSocks(t, &socks{user: user, resolve: map[string]string{"peer.example:80": at}})
		proxy := "socks5://" + s.l.Addr().String()
		if user != "" {
			proxy = "socks5://" + user + "@" + s.l.Addr().String()
		}
		w := way(t, Config{Proxy: proxy})
		c, err := w.Dial(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, c)
		// A name is resolved by the proxy, and by nobody here.
		addrs, err := w.Lookup(t.Context(), "ip", "Peer.Example.")
		if err != nil {
			t.Fatal(err)
		}
		if c, err = w.Dial(t.Context(), "tcp", net.JoinHostPort(addrs[0].String(), "80")); err != nil {
			t.Fatal(err)
		}
		roundTrip(t, c)
		if got := strings.Join(s.asked, " "); got != at+" peer.example:80" {
			t.Errorf("asked for %s", got)
		}
	}
}

func TestSOCKS5UDP(t *testing.T) {
	s := startSocks(t, &socks{})
	w := way(t, Config{Proxy: "socks5://" + s.l.Addr().String()})
	p, err := w.Packets(t.Context(), "udp4")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	named, err := w.Lookup(t.Context(), "ip", "tracker.example")
	if err != nil {
		t.Fatal(err)
	}
	literal := netip.MustParseAddrPort("198.51.100.1:6969")
	for _, c := range []struct{ to, from netip.AddrPort }{
		{literal, literal},
		{netip.AddrPortFrom(named[0], 1337), netip.AddrPort{}}, // nobody can tell that it is the one that was called
	} {
		if _, err := p.WriteToUDPAddrPort([]byte("ping"), c.to); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, from, err := p.ReadFromUDPAddrPort(b)
		if err != nil || string(b[:n]) != "pong" || from != c.from {
			t.Errorf("%q from %s, %v", b[:n], from, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.asked[1:], ", "); got != "udp 198.51.100.1:6969 ping, udp tracker.example:1337 ping" {
		t.Error(got)
	}
}

func TestProxyRefusals(t *testing.T) {
	s := startSocks(t, &socks{user: "me:secret"})
	for proxy, want := range map[string]string{
		"socks5://" + s.l.Addr().String():          "log in",
		"socks5://me:wrong@" + s.l.Addr().String(): "password",
		"socks5://" + echo(t):                      "", // repeats what it hears
		"http://" + echo(t):                        "does not speak HTTP",
		"socks5://127.0.0.1:1":                     "refused",
	} {
		_, err := way(t, Config{Proxy: proxy}).Dial(t.Context(), "tcp", "198.51.100.1:1")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: %v", proxy, err)
		}
	}
	s = startSocks(t, &socks{answered: 2})
	if _, err := way(t, Config{Proxy: "socks5://" + s.l.Addr().String()}).Dial(t.Context(), "tcp", "198.51.100.1:1"); err == nil || err.Error() != "proxy: not allowed" {
		t.Error(err)
	}
	if _, err := way(t, Config{Proxy: "http://127.0.0.1:1"}).Packets(t.Context(), "udp4"); !errors.Is(err, ErrNoUDP) {
		t.Error(err)
	}
	// One that never answers does not hold up whoever gives up.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := way(t, Config{Proxy: "socks5://" + l.Addr().String()}).Dial(ctx, "tcp", "198.51.100.1:1"); err == nil {
		t.Error("dialled through a proxy that says nothing")
	}
}

func TestHTTPConnect(t *testing.T) {
	at := echo(t)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
			http.Error(w, "no", http.StatusProxyAuthRequired)
			return
		}
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		out, err := net.Dial("tcp", at)
		if err != nil {
			return
		}
		defer out.Close()
		io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
		go func() { io.Copy(out, c); out.Close() }()
		io.Copy(c, out)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(l) })
	defer func() { srv.Close(); wg.Wait() }()
	c, err := way(t, Config{Proxy: "http://me:secret@" + l.Addr().String()}).Dial(t.Context(), "tcp", "peer.example:80")
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c)
	if _, err := way(t, Config{Proxy: "http://" + l.Addr().String()}).Dial(t.Context(), "tcp", at); err == nil || !strings.Contains(err.Error(), "407") {
		t.Error(err)
	}
}

// script plays a proxy's bytes.
type script struct {
	io.Reader
	io.Writer
}

func FuzzSOCKS5(f *testing.F) {
	f.Add([]byte{5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 5, 6})
	f.Add([]byte{5, 2, 1, 0, 5, 0, 0, 3, 2, 'a', 'b', 5, 6})
	f.Add([]byte{5, 0, 5, 0, 0, 4})
	f.Add([]byte{5, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		socksConnect(script{bytes.NewReader(b), io.Discard}, url.UserPassword("a", "b"), cmdConnect, "h:1")
		httpConnect(script{bytes.NewReader(b), io.Discard}, nil, "h:1")
		if a, err := readAddress(bytes.NewReader(b)); err == nil && a.Addr().IsValid() {
			again, err := appendAddress(nil, a.String())
			if err != nil {
				t.Fatal(err)
			}
			if back, err := readAddress(bytes.NewReader(again)); err != nil || back != a {
				t.Errorf("%s became %s, %v", a, back, err)
			}
		}
	})
}
