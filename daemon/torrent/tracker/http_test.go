package tracker

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnnounceURL(t *testing.T) {
	const hash, id = "%00%01%20%2B%26%3D%25%2F%3FazAZ09-_.~%FF", "-LR0100-abcdefghijkl"
	for _, tc := range []struct {
		name, url string
		change    func(*Request)
		want      string
	}{
		{"plain", "http://t.example/announce", func(*Request) {},
			"http://t.example/announce?info_hash=" + hash + "&peer_id=" + id + "&port=6881&uploaded=1&downloaded=2&left=3&compact=1&numwant=50&key=0BADCAFE&event=started"},
		{"passkey is kept as written", "http://t.example:8080/x/announce?passkey=S%2fX+&a=b;c#frag", func(r *Request) { r.Event = Regular; r.NumWant = 0 },
			"http://t.example:8080/x/announce?passkey=S%2fX+&a=b;c&info_hash=" + hash + "&peer_id=" + id + "&port=6881&uploaded=1&downloaded=2&left=3&compact=1&key=0BADCAFE"},
		{"stopped wants none", "http://t.example/announce", func(r *Request) { r.Event = Stopped },
			"http://t.example/announce?info_hash=" + hash + "&peer_id=" + id + "&port=6881&uploaded=1&downloaded=2&left=3&compact=1&numwant=0&key=0BADCAFE&event=stopped"},
		{"partial seed", "http://t.example/announce", func(r *Request) { r.Event = Paused },
			"http://t.example/announce?info_hash=" + hash + "&peer_id=" + id + "&port=6881&uploaded=1&downloaded=2&left=3&compact=1&numwant=50&key=0BADCAFE&event=paused"},
		{"unknown size and tracker id", "http://t.example/announce?", func(r *Request) { r.Left = -1; r.TrackerID = "a&\x00" },
			"http://t.example/announce?info_hash=" + hash + "&peer_id=" + id + "&port=6881&uploaded=1&downloaded=2&left=16384&compact=1&numwant=50&key=0BADCAFE&event=started&trackerid=a%26%00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			r := testRequest()
			tc.change(&r)
			if got := announceURL(u, r).String(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestScrapeURL(t *testing.T) {
	for _, tc := range []struct{ url, want string }{
		{"http://t/announce", "http://t/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa"},
		{"http://t/x/announce.php?k=1", "http://t/x/scrape.php?k=1&info_hash=aaaaaaaaaaaaaaaaaaaa"},
		{"http://t/a%2Fb/announce", "http://t/a%2Fb/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa"},
		{"http://t/a", ""},
		{"http://t/announce/x", ""},
		{"http://t", ""},
	} {
		u, _ := url.Parse(tc.url)
		got, err := scrapeURL(u, [][20]byte{[20]byte([]byte("aaaaaaaaaaaaaaaaaaaa"))})
		if tc.want == "" {
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: got %v, %v", tc.url, got, err)
			}
		} else if err != nil || got.String() != tc.want {
			t.Errorf("%s: got %v, %v", tc.url, got, err)
		}
	}
}

func TestBadURLs(t *testing.T) {
	c := newTestClient(t, ClientConfig{})
	for _, u := range []string{"", "announce", "wss://t/SECRET", "file:///SECRET", "http://", "http:///SECRET", "udp://t/SECRET", "udp://t:0/SECRET", "http://t:99999/SECRET", "http://t/\x7fSECRET", "http://[::1/SECRET", "http://t:x/SECRET"} {
		_, err := c.Announce(testContext(t), u, testRequest())
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: got %v", u, err)
		}
		wantErr(t, err, "parse tracker URL")
	}
	r := testRequest()
	r.Port = 70000
	_, err := c.Announce(testContext(t), "http://127.0.0.1/", r)
	wantErr(t, err, "port 70000")
}

func TestHTTPReplies(t *testing.T) {
	big := strings.Repeat("x", 10<<20)
	reply := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}
	}
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"empty", reply(200, ""), "empty reply"},
		{"web page", reply(200, "\n<!DOCTYPE html><title>Parked\x1b</title>"), `a web page instead of bencode: "<!DOCTYPE html><title>Parked`},
		{"garbage", reply(200, "\x00\xff\x1bhello"), `something else than bencode: "hello"`},
		{"failure reason", reply(200, "d14:failure reason8:unwantede"), "tracker refused: unwanted"},
		{"failure reason with status 400", reply(400, "d14:failure reason8:unwantede"), "tracker refused: unwanted"},
		{"not found", reply(404, "no\n\nsuch <page>"), `HTTP 404 Not Found: "no such <page>"`},
		{"no content", reply(204, ""), "HTTP 204 No Content"},
		{"peers cut", reply(200, "d5:peers7:1234567e"), "not a multiple of 6"},
		{"10 MB", reply(200, big), "larger than 2097152 bytes"},
		{"10 MB packed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, big)
			_ = z.Close()
		}, "larger than 2097152 bytes"},
		{"10 MB error page", reply(500, big), "HTTP 500"},
		{"10 MB of headers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", big)
		}, "header"},
		{"redirect loop", redirect("/announce?SECRET"), "more than 5"},
		{"redirect to a file", redirect("file:///etc/SECRET"), `scheme "file" is not allowed`},
		{"redirect to nothing", redirect("http://%zz/SECRET"), "bad Location header"},
		{"no HTTP at all", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "SSH-2.0-"+big[:30000]+"\r\n")
			_ = conn.Close()
		}, "malformed HTTP"},
		{"cut body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "d8:interval")
		}, "read reply after 11 bytes"},
		{"connection closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(tc.handler)
			defer srv.Close()
			c := newTestClient(t, ClientConfig{})
			_, err := c.Announce(testContext(t), srv.URL+"/announce?passkey=SECRET", testRequest())
			wantErr(t, err, "announce to "+srv.URL, tc.want)
		})
	}
}

func TestHTTPRedirectGzipAndHeaders(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("User-Agent") != "lorrent/test" || req.Header.Get("Referer") != "" {
			t.Errorf("headers %v", req.Header)
		}
		if n := len(req.URL.Query().Get("hop")); n < maxRedirects {
			http.Redirect(w, req, "/announce?hop=x"+req.URL.Query().Get("hop"), http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, "d5:peers6:\x0a\x00\x00\x01\x1a\xe1e")
		_ = z.Close()
	}))
	defer srv.Close()
	c := newTestClient(t, ClientConfig{UserAgent: "lorrent/test"})
	r, err := c.Announce(testContext(t), srv.URL+"/announce", testRequest())
	if err != nil || peerAddrs(r.Peers) != "10.0.0.1:6881" {
		t.Fatalf("got %v, %v", r, err)
	}
}

// An endless redirect and an endless body end early, not just with an error.
func TestHTTPStopsEarly(t *testing.T) {
	var requests, written atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		if req.URL.Path == "/announce-loop" {
			http.Redirect(w, req, "/announce-loop", http.StatusFound)
			return
		}
		block := make([]byte, 1<<20)
		for written.Load() < 200<<20 {
			n, err := w.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	c := newTestClient(t, ClientConfig{})
	_, err := c.Announce(testContext(t), srv.URL+"/announce-loop", testRequest())
	wantErr(t, err, "more than 5")
	if n := requests.Load(); n != 1+maxRedirects {
		t.Errorf("%d requests", n)
	}
	_, err = c.Announce(testContext(t), srv.URL+"/announce-endless", testRequest())
	wantErr(t, err, "larger than 2097152 bytes")
	srv.Close() // waits for the handler
	if n := written.Load(); n > 50<<20 {
		t.Errorf("took %d bytes", n)
	}
}

// fakeNet makes a client believe in a network: names resolve by the table, and
// each address leads to an answer.
type fakeNet struct {
	names   map[string]string                 // host: addresses
	answers map[string]func(c net.Conn) error // by IP; missing: nobody there, nil: black hole
}

func (f fakeNet) apply(c *Client) {
	c.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		var addrs []netip.Addr
		for _, a := range strings.Fields(f.names[host]) {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if addrs == nil {
			return nil, errors.New("no such host")
		}
		return addrs, nil
	}
	c.dial = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		answer, ok := f.answers[addr.Addr().String()]
		if !ok {
			return nil, errors.New("network is unreachable")
		}
		if answer == nil {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				_ = answer(theirs)
			}
		}()
		return ours, nil
	}
}

func answerWith(head, body string) func(net.Conn) error {
	return func(c net.Conn) error {
		_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
		return err
	}
}

func TestRedirectInwards(t *testing.T) {
	ok := answerWith("200 OK", "d5:peers6:\x0a\x00\x00\x01\x1a\xe1e")
	to := func(host string) func(net.Conn) error {
		return answerWith("302 Found\r\nLocation: http://"+host+"/announce", "")
	}
	names := map[string]string{
		"public": "203.0.113.5", "other": "198.51.100.7", "lan": "192.168.1.1", "meta": "169.254.169.254",
		"self": "127.0.0.1", "mapped": "::ffff:127.0.0.1", "public6": "2001:db8::5", "self6": "::1", "nat64": "64:ff9b::7f00:1", "ula": "fd00::1", "cgnat": "100.64.0.1", "this": "0.0.0.0",
	}
	for _, tc := range []struct{ from, to, refused string }{
		{"public", "other", ""},
		{"self", "self", ""},
		{"self", "public", ""},
		{"lan", "lan", ""},
		{"public", "lan", "from public address 203.0.113.5 to private address 192.168.1.1"},
		{"public", "meta", "private"},
		{"public", "self", "loopback"},
		{"public", "127.0.0.1", "loopback"},
		{"public", "mapped", "loopback"},
		{"public", "this", "loopback"},
		{"public", "cgnat", "private"},
		{"lan", "self", "loopback"},
		{"public6", "self6", "loopback"},
		{"public6", "[::1]", "loopback"},
		{"public6", "nat64", "loopback"},
		{"public6", "ula", "private"},
	} {
		t.Run(tc.from+" to "+tc.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestClient(t, ClientConfig{})
				answers := make(map[string]func(net.Conn) error)
				for _, a := range names {
					answers[netip.MustParseAddr(a).Unmap().String()] = ok
				}
				first := true // "self" to "self" is one address with two answers
				answers[netip.MustParseAddr(names[tc.from]).String()] = func(conn net.Conn) error {
					if first {
						first = false
						return to(tc.to)(conn)
					}
					return ok(conn)
				}
				fakeNet{names, answers}.apply(c)
				r, err := c.Announce(t.Context(), "http://"+tc.from+"/announce", testRequest())
				if tc.refused != "" {
					wantErr(t, err, "refused to go", tc.refused)
				} else if err != nil || len(r.Peers) != 1 {
					t.Errorf("got %v, %v", r, err)
				}
			})
		})
	}
}

func TestBothFamilies(t *testing.T) {
	four := answerWith("200 OK", "d8:completei3e8:intervali100e5:peers12:\x0a\x00\x00\x01\x1a\xe1\x0a\x00\x00\x02\x1a\xe1e")
	six := answerWith("200 OK", "d8:completei2e8:intervali200e5:peers6:\x0a\x00\x00\x01\x1a\xe16:peers618:"+"\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01\x1a\xe1e")
	no := answerWith("200 OK", "d14:failure reason6:go oute")
	all := "10.0.0.1:6881 10.0.0.2:6881 [2001:db8::1]:6881"
	for _, tc := range []struct {
		name    string
		answers map[string]func(net.Conn) error
		cfg     ClientConfig
		one     bool
		peers   string
		err     []string
		took    time.Duration
	}{
		{name: "both", answers: map[string]func(net.Conn) error{"192.0.2.1": four, "2001:db8::9": six}, peers: all},
		{name: "only ipv4 reachable", answers: map[string]func(net.Conn) error{"192.0.2.1": four}, peers: "10.0.0.1:6881 10.0.0.2:6881"},
		{name: "ipv6 a black hole", answers: map[string]func(net.Conn) error{"192.0.2.1": four, "2001:db8::9": nil}, peers: "10.0.0.1:6881 10.0.0.2:6881", took: 2 * time.Second},
		{name: "nobody", err: []string{"ipv4: network is unreachable", "ipv6: network is unreachable"}},
		{name: "both black holes", answers: map[string]func(net.Conn) error{"192.0.2.1": nil, "2001:db8::9": nil}, err: []string{"no complete answer within 30s"}, took: 30 * time.Second},
		{name: "one refuses, one works", answers: map[string]func(net.Conn) error{"192.0.2.1": no, "2001:db8::9": six}, peers: "10.0.0.1:6881 [2001:db8::1]:6881"},
		{name: "ipv4 forced", answers: map[string]func(net.Conn) error{"192.0.2.1": four, "2001:db8::9": six}, cfg: ClientConfig{Family: IPv4}, peers: "10.0.0.1:6881 10.0.0.2:6881"},
		{name: "ipv6 by local address", answers: map[string]func(net.Conn) error{"192.0.2.1": four, "2001:db8::9": six}, cfg: ClientConfig{LocalAddr: netip.MustParseAddr("::1")}, peers: "10.0.0.1:6881 [2001:db8::1]:6881"},
		{name: "one family is enough", answers: map[string]func(net.Conn) error{"192.0.2.1": four, "2001:db8::9": six}, one: true, peers: "10.0.0.1:6881 10.0.0.2:6881"},
		{name: "one family, the first unreachable", answers: map[string]func(net.Conn) error{"2001:db8::9": six}, one: true, peers: "10.0.0.1:6881 [2001:db8::1]:6881"},
		{name: "one family, the first refuses", answers: map[string]func(net.Conn) error{"192.0.2.1": no, "2001:db8::9": six}, one: true, err: []string{"tracker refused: go out"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestClient(t, tc.cfg)
				fakeNet{map[string]string{"t": "192.0.2.1 2001:db8::9"}, tc.answers}.apply(c)
				r := testRequest()
				r.OneFamily = tc.one
				start := time.Now()
				resp, err := c.Announce(t.Context(), "http://t/announce", r)
				if took := time.Since(start); took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				if tc.err != nil {
					wantErr(t, err, tc.err...)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := strings.Fields(peerAddrs(resp.Peers))
				want := strings.Fields(tc.peers)
				if len(got) != len(want) {
					t.Fatalf("peers %v, want %v", got, want)
				}
				for _, w := range want {
					if !strings.Contains(strings.Join(got, " "), w) {
						t.Errorf("peers %v, want %v", got, want)
					}
				}
				if tc.name == "both" && (resp.Seeders != 3 || resp.Interval != 200*time.Second) {
					t.Errorf("merged to %+v", resp)
				}
			})
		})
	}
}

func TestSlowDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, ClientConfig{})
		ended := make(chan struct{})
		fakeNet{map[string]string{"t": "192.0.2.1"}, map[string]func(net.Conn) error{"192.0.2.1": func(conn net.Conn) error {
			defer close(ended)
			if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"); err != nil {
				return err
			}
			for {
				time.Sleep(time.Second) // virtual time: the drip itself is under test
				if _, err := conn.Write([]byte("d")); err != nil {
					return err
				}
			}
		}}}.apply(c)
		start := time.Now()
		_, err := c.Announce(t.Context(), "http://t/announce", testRequest())
		wantErr(t, err, "read reply after", "no complete answer within 30s")
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
		<-ended
	})
}

func TestCloseEndsAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClient(ClientConfig{})
		fakeNet{map[string]string{"t": "192.0.2.1 2001:db8::9"}, map[string]func(net.Conn) error{"192.0.2.1": nil, "2001:db8::9": nil}}.apply(c)
		done := make(chan error)
		go func() {
			_, err := c.Announce(context.Background(), "http://t/announce", testRequest())
			done <- err
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- c.Close() }()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if _, err := c.Announce(context.Background(), "http://t/", testRequest()); !errors.Is(err, ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		if _, err := c.Scrape(context.Background(), "http://t/announce", [20]byte{}); !errors.Is(err, ErrClosed) {
			t.Errorf("after close: %v", err)
		}
	})
}

func TestCancelledAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, ClientConfig{})
		fakeNet{map[string]string{"t": "192.0.2.1"}, map[string]func(net.Conn) error{"192.0.2.1": nil}}.apply(c)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Announce(ctx, "http://t/announce", testRequest()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		" \t\r\n":                        "",
		"  a \x00\x1b b  ":               "a b",
		"bidi \u202egnp.exe":             "bidi gnp.exe",
		"\xff\xfeok":                     "ok",
		"grüße 日本":                       "grüße 日本",
		strings.Repeat("a", maxText):     strings.Repeat("a", maxText),
		strings.Repeat("a", 100*maxText): strings.Repeat("a", maxText) + "…",
	} {
		if got := cleanText(in); got != want {
			t.Errorf("cleanText(%.20q) = %q, want %q", in, got, want)
		}
	}
	if got := cleanText(string(bytes.Repeat([]byte{0}, 1<<20))); got != "" {
		t.Errorf("got %q", got)
	}
}
