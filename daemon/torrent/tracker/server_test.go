package tracker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// newTestServer runs a server until the test ends.
func newTestServer(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRoundTrip(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0", "localhost:0"} {
		for _, scheme := range []string{"http", "udp"} {
			t.Run(scheme+" "+addr, func(t *testing.T) {
				s := newTestServer(t, ServerConfig{Addr: addr, Interval: 10 * time.Minute})
				url := s.URL()
				if scheme == "udp" {
					url = s.UDPURL()
				}
				c := newTestClient(t, ClientConfig{})
				ctx := testContext(t)
				families := 1
				want := "127.0.0.1:7001"
				switch addr {
				case "[::1]:0":
					want = "[::1]:7001"
				case "localhost:0":
					paths, err := c.resolve(ctx, target{host: "localhost"})
					if err != nil {
						t.Fatal(err)
					}
					families = len(paths) // as the machine's hosts file has it
				}
				announce := func(n byte, event Event, left int64) Response {
					t.Helper()
					r := testRequest()
					r.PeerID[19], r.Port, r.Event, r.Left = n, 7000+int(n), event, left
					resp, err := c.Announce(ctx, url, r)
					if err != nil {
						t.Fatal(err)
					}
					return resp
				}
				r := announce(1, Started, 0)
				if len(r.Peers) != 0 || r.Seeders != 1 || r.Leechers != 0 || r.Interval != 10*time.Minute {
					t.Errorf("first: %+v", r)
				}
				r = announce(2, Started, 5)
				if got := peerAddrs(r.Peers); !strings.Contains(got, want) || len(r.Peers) != families || r.Seeders < 1 || r.Leechers < 1 {
					t.Errorf("second: %+v", r)
				}
				announce(2, Completed, 0)
				results, err := c.Scrape(ctx, url, [20]byte{}, testRequest().InfoHash)
				if err != nil || len(results) != 2 || results[0] != (ScrapeResult{}) || results[1] != (ScrapeResult{Seeders: 2 * families, Downloaded: families}) {
					t.Errorf("scrape: %+v, %v", results, err)
				}
				announce(1, Stopped, 0)
				r = announce(2, Stopped, 0)
				if r.Seeders > 1 || len(r.Peers) != 0 {
					t.Errorf("stopped: %+v", r)
				}
				if st := s.Stats(); st.Torrents != 0 || st.Peers != 0 || st.Announces != 5*families || st.Announces != s.Announces() || st.Scrapes != 1 || st.Rejected != 0 {
					t.Errorf("stats %+v", st)
				}
			})
		}
	}
}

// Both protocols, and both families over HTTP, serve one swarm.
func TestServerSharesSwarms(t *testing.T) {
	s := newTestServer(t, ServerConfig{Addr: "localhost:0"})
	c := newTestClient(t, ClientConfig{})
	port := s.tcp[0].Addr().(*net.TCPAddr).Port
	urls := []string{fmt.Sprintf("http://127.0.0.1:%d/announce", port), fmt.Sprintf("udp://127.0.0.1:%d", port), fmt.Sprintf("udp://[::1]:%d/", port), fmt.Sprintf("http://[::1]:%d/announce?x=1", port)}
	want := []string{"", "127.0.0.1:1", "", "127.0.0.1:1 127.0.0.1:2 [::1]:3"}
	for i, u := range urls {
		r := testRequest()
		r.Port, r.PeerID[0] = i+1, byte(i)
		resp, err := c.Announce(testContext(t), u, r)
		if err != nil {
			t.Fatal(err)
		}
		got := peerAddrs(resp.Peers)
		if len(strings.Fields(got)) != len(strings.Fields(want[i])) {
			t.Errorf("%s: peers %q, want %q", u, got, want[i])
		}
		for _, p := range strings.Fields(want[i]) {
			if !strings.Contains(got, p) {
				t.Errorf("%s: peers %q, want %q", u, got, want[i])
			}
		}
	}
}

func TestScrapeManyTorrents(t *testing.T) {
	s := newTestServer(t, ServerConfig{Addr: "127.0.0.1:0"})
	c := newTestClient(t, ClientConfig{})
	hashes := make([][20]byte, 150)
	for i := range hashes {
		hashes[i][0] = byte(i)
	}
	r := testRequest()
	r.InfoHash = hashes[149]
	if _, err := c.Announce(testContext(t), s.URL(), r); err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{s.URL(), s.UDPURL()} {
		got, err := c.Scrape(testContext(t), u, hashes...)
		if err != nil || len(got) != 150 || got[149].Leechers != 1 || got[148].Leechers != 0 {
			t.Errorf("%s: %v, %v", u, got, err)
		}
	}
}

func TestServerHTTPRequests(t *testing.T) {
	s := newTestServer(t, ServerConfig{Addr: "127.0.0.1:0", Interval: 20 * time.Minute, MinInterval: 5 * time.Minute})
	base := strings.TrimSuffix(s.URL(), "/announce")
	good := "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&left=0&port="
	for _, tc := range []struct {
		path   string
		status int
		body   string
	}{
		{"/announce?" + good + "6881", 200, "d8:completei1e10:downloadedi0e11:external ip4:\x7f\x00\x00\x0110:incompletei0e8:intervali1200e12:min intervali300e5:peers0:6:peers60:e"},
		{"/announce?" + good + "6882&ip=10.0.0.1&event=empty&numwant=-1&key=nonsense&left=1", 200, "d8:completei2e10:downloadedi0e11:external ip4:\x7f\x00\x00\x0110:incompletei0e8:intervali1200e12:min intervali300e5:peers0:6:peers60:e"},
		{"/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa", 200, "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei2e10:downloadedi0e10:incompletei0eeee"},
		{"/announce", 200, "d14:failure reason33:info_hash must be 20 bytes, not 0ee"},
		{"/announce?" + good + "0", 200, "port must be"},
		{"/announce?" + good + "65536", 200, "port must be"},
		{"/announce?" + good + "1&event=dance", 200, "unknown event"},
		{"/announce?" + good + "1&numwant=99999999999", 200, "numwant must be"},
		{"/announce?" + good + "1&uploaded=-1", 200, "uploaded must be"},
		{"/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1", 200, "left must be"},
		{"/announce?info_hash=%zz", 200, "bad query"},
		{"/scrape", 200, "not 0"},
		{"/scrape?info_hash=a", 200, "20 bytes"},
		{"/scrape?" + strings.Repeat("info_hash=a&", 65), 200, "not 65"},
		{"/", 404, "404"},
	} {
		resp, err := http.Get(base + tc.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status || !strings.Contains(string(body)+"e", strings.TrimSuffix(tc.body, "e")) {
			t.Errorf("%s: %d %q, %v", tc.path, resp.StatusCode, body, err)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if st := s.Stats(); st.Announces != 2 || st.Rejected != 11 {
		t.Errorf("stats %+v", st)
	}
}

func TestServerUDPRequests(t *testing.T) {
	s, err := NewServer(ServerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	from, now := addrPort("192.0.2.1:999"), epoch
	id := s.connectionID(now, from)
	announce := func(id uint64) []byte { return appendAnnounce(nil, id, 7, testRequest(), "/announce") }
	patch := func(offset int, b ...byte) []byte {
		p := announce(id)
		copy(p[offset:], b)
		return p
	}
	refused := appendErrorReply(nil, 7, "bad connection id")
	for _, tc := range []struct {
		name   string
		from   netip.AddrPort
		now    time.Time
		packet []byte
		want   []byte
	}{
		{"connect", from, now, appendConnect(nil, 7), appendConnectReply(nil, 7, id)},
		{"connect without the magic number", from, now, make([]byte, 16), nil},
		{"announce", from, now, announce(id), appendAnnounceReply(nil, 7, 1800, 1, 0, nil)},
		{"announce three minutes later", from, now.Add(3 * time.Minute), announce(id), appendAnnounceReply(nil, 7, 1800, 1, 0, nil)},
		{"announce five minutes later", from, now.Add(5 * time.Minute), announce(id), refused},
		{"id of another address", addrPort("192.0.2.2:999"), now, announce(id), refused},
		{"id of another port", addrPort("192.0.2.1:998"), now, announce(id), refused},
		{"invented id", from, now, announce(1), refused},
		{"scrape with an invented id", from, now, appendScrape(nil, 1, 7, [][20]byte{{}}), refused},
		{"scrape", from, now, appendScrape(nil, id, 7, [][20]byte{testRequest().InfoHash}), appendScrapeReply(nil, 7, []ScrapeResult{{Leechers: 1}})},
		{"empty", from, now, nil, nil},
		{"short announce", from, now, announce(id)[:97], nil},
		{"port 0", from, now, patch(96, 0, 0), nil},
		{"unknown event", from, now, patch(80, 0, 0, 0, 4), nil},
		{"unknown action", from, now, patch(8, 0, 0, 0, 9), nil},
		{"scrape of nothing", from, now, appendScrape(nil, id, 7, nil), nil},
		{"scrape of a piece of a hash", from, now, append(appendScrape(nil, id, 7, [][20]byte{{}}), 1), nil},
	} {
		got := s.answerUDP(tc.now, tc.from, tc.packet)
		if !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %x, want %x", tc.name, got, tc.want)
		}
		if bytes.Equal(tc.want, refused) && len(got) > len(tc.packet) {
			t.Errorf("%s: reply is longer than its request", tc.name)
		}
	}
}

// A UDP reply to a client full of peers stays within a frame.
func TestServerBoundsPeerLists(t *testing.T) {
	s, err := NewServer(ServerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, from := range []netip.AddrPort{addrPort("192.0.2.1:999"), addrPort("[2001:db8::1]:999")} {
		r := testRequest()
		r.NumWant = 1 << 30
		for i := range 500 {
			r.Port = i + 1
			binary.BigEndian.PutUint32(r.PeerID[:], uint32(i))
			if _, err := s.swarms.announce(epoch, netip.AddrPortFrom(from.Addr(), uint16(r.Port)), r); err != nil {
				t.Fatal(err)
			}
		}
		r.NumWant, r.Port = maxPeers, 9999
		reply := s.answerUDP(epoch, from, appendAnnounce(nil, s.connectionID(epoch, from), 1, r, "/"))
		if len(reply) > 1400 || len(reply) < 500 {
			t.Errorf("%v: reply of %d bytes", from, len(reply))
		}
	}
}

func TestSwarms(t *testing.T) {
	s := newSwarms(ServerConfig{Interval: 10 * time.Minute, MaxTorrents: 2, MaxPeers: 3})
	announce := func(now time.Time, hash, peer byte, event Event, left int64) (swarmView, error) {
		return s.announce(now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, peer}), 1),
			Request{InfoHash: [20]byte{hash}, PeerID: [20]byte{peer}, Event: event, Left: left})
	}
	must := func(v swarmView, err error) swarmView {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	must(announce(epoch, 1, 1, Started, 0))
	if v := must(announce(epoch, 1, 2, Started, 0)); len(v.v4) != 0 || v.seeders != 2 {
		t.Errorf("a seed got seeds: %+v", v)
	}
	if v := must(announce(epoch.Add(19*time.Minute), 2, 3, Started, 1)); v.leechers != 1 {
		t.Errorf("got %+v", v)
	}
	if _, err := announce(epoch, 3, 1, Started, 1); !errors.Is(err, errFull) {
		t.Errorf("third torrent: %v", err)
	}
	if _, err := announce(epoch, 1, 4, Started, 1); !errors.Is(err, errFull) {
		t.Errorf("fourth peer: %v", err)
	}
	must(announce(epoch, 9, 9, Stopped, 1)) // unknown, and no harm done
	if v := must(announce(epoch.Add(19*time.Minute), 2, 3, Completed, 0)); v.completed != 1 || v.seeders != 1 {
		t.Errorf("completed: %+v", v)
	}
	if v := must(announce(epoch.Add(19*time.Minute), 2, 3, Completed, 0)); v.completed != 1 {
		t.Errorf("completed twice: %+v", v)
	}
	s.sweep(epoch.Add(20*time.Minute - 1))
	if st := s.statistics(); st.Peers != 3 || st.Torrents != 2 {
		t.Errorf("swept too early: %+v", st)
	}
	// Silent ones are not handed out even before the sweep.
	s.maxPeers = 4
	if v := must(announce(epoch.Add(20*time.Minute), 1, 5, Started, 1)); len(v.v4) != 0 {
		t.Errorf("handed out %v", v.v4)
	}
	s.sweep(epoch.Add(20 * time.Minute))
	if st := s.statistics(); st.Peers != 2 || st.Torrents != 2 || st.Rejected != 2 {
		t.Errorf("after the sweep: %+v", st)
	}
	if v := must(announce(epoch.Add(20*time.Minute), 1, 5, Stopped, 1)); v.seeders != 0 || v.leechers != 0 {
		t.Errorf("after the sweep: %+v", v)
	}
	if st := s.statistics(); st.Peers != 1 || st.Torrents != 1 {
		t.Errorf("at the end: %+v", st)
	}
}

func TestServerSweeps(t *testing.T) {
	s := newTestServer(t, ServerConfig{Addr: "127.0.0.1:0", Interval: time.Second})
	c := newTestClient(t, ClientConfig{})
	if _, err := c.Announce(testContext(t), s.URL(), testRequest()); err != nil {
		t.Fatal(err)
	}
	if s.Stats().Peers != 1 {
		t.Fatalf("stats %+v", s.Stats())
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx := testContext(t); s.Stats().Peers > 0; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the peer is never forgotten")
		}
	}
}

func TestServerListenErrors(t *testing.T) {
	for _, addr := range []string{"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "192.0.2.77:0"} {
		if s, err := NewServer(ServerConfig{Addr: addr}); err == nil {
			t.Errorf("%q: listens on %s", addr, s.URL())
			_ = s.Close()
		} else {
			wantErr(t, err, fmt.Sprintf("listen on %q", addr))
		}
	}
	s := newTestServer(t, ServerConfig{Addr: "127.0.0.1:0"})
	_, err := NewServer(ServerConfig{Addr: s.tcp[0].Addr().String()})
	wantErr(t, err, "address already in use")
}

// Connections beyond the limit wait; they are served once others go.
func TestServerLimitsConnections(t *testing.T) {
	s := newTestServer(t, ServerConfig{Addr: "127.0.0.1:0", MaxConns: 1})
	first, err := net.Dial("tcp", s.tcp[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const get = "GET /scrape HTTP/1.1\r\nHost: x\r\n\r\n"
	buf := make([]byte, 1)
	ask := func(c net.Conn, d time.Duration) error {
		if _, err := io.WriteString(c, get); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
			return err
		}
		_, err := c.Read(buf)
		return err
	}
	if err := ask(first, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", s.tcp[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if err := ask(second, 200*time.Millisecond); err == nil {
		t.Error("a second connection is served")
	}
	_ = first.Close()
	_ = second.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := second.Read(buf); err != nil {
		t.Errorf("the second connection is not served: %v", err)
	}
}
