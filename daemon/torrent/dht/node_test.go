package dht

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// open makes a UDP socket on loopback.
func open(t testing.TB, host string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no %s here: %v", host, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addrOf(c net.PacketConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// start runs a node until the test ends.
func start(t testing.TB, cfg Config) *Node {
	t.Helper()
	cfg.Log = zerolog.Nop()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return n
}

// until polls, as the library has no events to wait for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// find looks a torrent up once and returns its peers.
func find(t testing.TB, n *Node, l Lookup) []netip.AddrPort {
	t.Helper()
	var mu sync.Mutex
	var found []netip.AddrPort
	l.Found = func(list []netip.AddrPort) {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, list...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := n.Lookup(ctx, l); err != nil {
		t.Fatalf("lookup: %v", err)
	}
	return found
}

// A node that knows nobody but one of many finds what another announced.
func TestLookup(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			first := open(t, host)
			v6 := addrOf(first).Addr().Is6()
			cfg := func(c net.PacketConn) Config {
				if v6 {
					return Config{IPv6: c}
				}
				return Config{IPv4: c}
			}
			start(t, cfg(first))
			var nodes []*Node
			for range 12 {
				c := cfg(open(t, host))
				c.Bootstrap = []string{addrOf(first).String()}
				nodes = append(nodes, start(t, c))
			}
			for _, n := range nodes {
				until(t, "a node knows some others", func() bool { return n.Nodes() >= 4 })
			}
			hash := [20]byte{1, 2, 3}
			want := netip.AddrPortFrom(addrOf(first).Addr(), 4711)
			until(t, "the announced peer is found", func() bool {
				find(t, nodes[0], Lookup{InfoHash: hash, Port: 4711, Seed: true})
				return slices.Contains(find(t, nodes[len(nodes)-1], Lookup{InfoHash: hash}), want)
			})
			if got := find(t, nodes[3], Lookup{InfoHash: [20]byte{9}}); len(got) != 0 {
				t.Errorf("peers of a torrent that nobody has: %v", got)
			}
		})
	}
}

// What one node saved is enough for the next, without a name to begin with.
func TestSavedNodes(t *testing.T) {
	other := open(t, "127.0.0.1")
	start(t, Config{IPv4: other})
	n := start(t, Config{IPv4: open(t, "127.0.0.1"), Bootstrap: []string{addrOf(other).String()}})
	until(t, "the node is known", func() bool { return n.Nodes() == 1 })
	again := start(t, Config{IPv4: open(t, "127.0.0.1"), Saved: n.Saved()})
	if again.halves[0].id() != n.halves[0].id() {
		t.Error("the id was not kept")
	}
	until(t, "the saved node has answered", func() bool { return again.Nodes() == 1 })
}

func TestNoNodes(t *testing.T) {
	n := start(t, Config{IPv4: open(t, "127.0.0.1")})
	if _, err := n.Lookup(t.Context(), Lookup{Found: func([]netip.AddrPort) {}}); !errors.Is(err, ErrNoNodes) {
		t.Errorf("lookup without nodes: %v", err)
	}
}

// A node that is told of by a peer is used.
func TestAdd(t *testing.T) {
	other := open(t, "127.0.0.1")
	start(t, Config{IPv4: other})
	n := start(t, Config{IPv4: open(t, "127.0.0.1")})
	n.Add(addrOf(other))
	until(t, "it has answered", func() bool { return n.Nodes() == 1 })
}

// A read-only node says that it is one, and does not answer (BEP 43).
func TestReadOnly(t *testing.T) {
	conn, stranger := open(t, "127.0.0.1"), open(t, "127.0.0.1")
	n := start(t, Config{IPv4: conn, ReadOnly: true})
	n.Add(addrOf(stranger))
	var b [maxPacket]byte
	stranger.SetReadDeadline(time.Now().Add(patience))
	k, _, err := stranger.ReadFrom(b[:])
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse(b[:k], addrOf(conn).Addr())
	if err != nil || p.Kind != query || p.ReadOnly != 1 {
		t.Errorf("%q is no read-only query (%v)", b[:k], err)
	}
	send(t, stranger, conn, "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:zz1:y1:qe")
	stranger.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	for {
		k, _, err := stranger.ReadFrom(b[:])
		if err != nil {
			return
		}
		if p, err := parse(b[:k], addrOf(conn).Addr()); err != nil || p.Kind == response {
			t.Fatalf("it answered %q", b[:k])
		}
	}
}

// Once enough others agree on our address, our id fits it (BEP 42), and we
// keep our nodes.
func TestIDFollowsAddress(t *testing.T) {
	other := open(t, "127.0.0.1")
	start(t, Config{IPv4: other})
	n := start(t, Config{IPv4: open(t, "127.0.0.1"), Bootstrap: []string{addrOf(other).String()}})
	until(t, "a node is known", func() bool { return n.Nodes() == 1 })
	ours := netip.MustParseAddr("203.0.113.9")
	n.halves[0].seenAt(ours)
	if id := n.halves[0].id(); !id.fits(ours) {
		t.Errorf("id %x does not fit %s", id, ours)
	}
	if n.Nodes() != 1 {
		t.Error("the node is forgotten")
	}
}

// The vectors of BEP 42.
func TestIDFitsAddress(t *testing.T) {
	for _, v := range []struct {
		addr   string
		random byte
		prefix [3]byte
	}{
		{"124.31.75.21", 1, [3]byte{0x5f, 0xbf, 0xbf}},
		{"21.75.31.124", 86, [3]byte{0x5a, 0x3c, 0xe9}},
		{"65.23.51.170", 22, [3]byte{0xa5, 0xd4, 0x32}},
		{"84.124.73.14", 65, [3]byte{0x1b, 0x03, 0x21}},
		{"43.213.53.83", 90, [3]byte{0xe5, 0x6f, 0x6c}},
	} {
		id := randomID()
		id[19] = v.random
		id = id.fit(netip.MustParseAddr(v.addr))
		if id[0] != v.prefix[0] || id[1] != v.prefix[1] || id[2]&0xf8 != v.prefix[2]&0xf8 {
			t.Errorf("%s: id %x begins unlike %x", v.addr, id[:3], v.prefix)
		}
		if !id.fits(netip.MustParseAddr(v.addr)) {
			t.Errorf("%s: %x does not fit", v.addr, id)
		}
		if id[0] ^= 1; id.fits(netip.MustParseAddr(v.addr)) {
			t.Errorf("%s: %x fits", v.addr, id)
		}
	}
}

func TestBallot(t *testing.T) {
	truth, lie := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.1")
	voter := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{1, 2, 3, byte(i)}) }
	b := newBallot()
	for i := range minVoters - 1 {
		b.vote(voter(i), truth)
	}
	for range 20 {
		b.vote(voter(100), lie) // again and again
	}
	if a, ok := b.winner(); !ok || a != truth {
		t.Errorf("winner is %v, %v", a, ok)
	}
	for i := range maxVoters {
		b.vote(voter(i), netip.AddrFrom4([4]byte{9, 9, 9, byte(i)}))
	}
	if a, ok := b.winner(); ok {
		t.Errorf("%v won though nobody agrees", a)
	}
	if len(b.votes) > maxVoters || len(b.voters) != len(b.votes) {
		t.Errorf("%d votes of %d voters", len(b.votes), len(b.voters))
	}
}

func send(t testing.TB, from, to net.PacketConn, packet string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(packet), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
}
