package torrent

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

func withDHT(bootstrap ...string) func(*Config) {
	return func(c *Config) { c.DHT, c.DHTBootstrap = DHTOn, bootstrap }
}

// With no tracker, a link and the DHT are enough. What it knows survives.
func TestFindInDHT(t *testing.T) {
	t.Parallel()
	hub := startNode(t, t.TempDir(), withDHT())
	first := hub.Stats().ListenAddress
	seedDir := t.TempDir()
	torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 1<<16, nil, 2<<20)
	seed := startNode(t, seedDir, withDHT(first))
	h := add(t, seed, torrent)
	seed.waitFor(t, h, "seed finds its data", seeding)

	dir := t.TempDir()
	leecher := startNode(t, dir, withDHT(first))
	addMagnet(t, leecher, linkTo(h, nil), AddOptions{})
	leecher.waitFor(t, h, "download", seeding)
	found := 0 // by the one that looked last: each announces when it looks
	for n, other := range map[*node]*node{leecher: seed, seed: leecher} {
		n.do(t, h, func(s *session) {
			if c := s.swarm.candidates[other.address()]; c != nil && c.source == sourceDHT {
				found++
			}
		})
	}
	if found == 0 {
		t.Error("neither knows the other from the DHT")
	}
	leecher.stop(t)
	again := startNode(t, dir, withDHT()) // without a name to begin with
	again.eventually(t, "nodes are remembered", func() bool { return again.discovery.dht.Nodes() > 0 })
}

// A peer's port message leads to its node, unless the torrent is private: then
// we neither say that we have one nor listen.
func TestPortMessage(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{false, true} {
		dir := t.TempDir()
		makePayload(t, filepath.Join(dir, "data"), "payload", 1<<15, nil, 100_000)
		torrent, err := metainfo.Build(filepath.Join(dir, "data", "payload"), metainfo.BuildOptions{Private: private})
		if err != nil {
			t.Fatal(err)
		}
		n := startNode(t, dir, withDHT())
		h := add(t, n, torrent)
		n.waitFor(t, h, "data is found", seeding)
		p := torrenttest.Dial(t, n.Stats().ListenAddress, torrenttest.Options{InfoHash: h, Pieces: 4, DHT: true})
		if p.Theirs.DHT() == private {
			t.Errorf("private %v: the handshake says DHT %v", private, p.Theirs.DHT())
		}
		if private {
			until := p.ExpectThat(t, "the hello", func(m torrenttest.Message) bool {
				return m.ID == peerwire.Port || m.ID == peerwire.Extended
			})
			if until.ID == peerwire.Port {
				t.Error("a private torrent's peer is told our port")
			}
		} else if m := p.Expect(t, peerwire.Port); int(m.Index) != n.port {
			t.Errorf("told port %d, want %d", m.Index, n.port)
		}

		node, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		p.Say(peerwire.AppendPort(nil, uint16(node.LocalAddr().(*net.UDPAddr).Port)), peerwire.AppendMessage(nil, peerwire.Interested))
		p.Expect(t, peerwire.Unchoke) // the port message has been read
		wait := 20 * time.Second
		if private {
			wait = 300 * time.Millisecond
		}
		node.SetReadDeadline(time.Now().Add(wait))
		var b [2000]byte
		if _, _, err := node.ReadFrom(b[:]); (err == nil) == private {
			t.Errorf("private %v: the node got a query: %v", private, err)
		}
	}
}

// A private torrent is looked up nowhere, announced nowhere, and takes no peer
// from there.
func TestPrivateIsNotDiscovered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makePayload(t, filepath.Join(dir, "data"), "payload", 1<<15, nil, 100_000)
	torrent, err := metainfo.Build(filepath.Join(dir, "data", "payload"), metainfo.BuildOptions{Private: true})
	if err != nil {
		t.Fatal(err)
	}
	hub := startNode(t, t.TempDir(), withDHT())
	n := startNode(t, dir, withDHT(hub.Stats().ListenAddress))
	n.eventually(t, "a node is known", func() bool { return n.discovery.dht.Nodes() > 0 })
	h := add(t, n, torrent)
	n.waitFor(t, h, "data is found", seeding)
	n.heardLocally(h, netip.MustParseAddrPort("192.0.2.1:1"))
	n.do(t, h, func(s *session) {
		s.discoverTick(time.Now())
		s.foundInDHT([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:1")})
		s.foundLocally(netip.MustParseAddrPort("192.0.2.3:1"))
		if s.search.busy || s.search.found >= 0 || !s.search.told.IsZero() || len(s.swarm.candidates) > 0 {
			t.Errorf("searched: %+v, candidates %v", s.search, s.swarm.candidates)
		}
		if _, planned := s.nextSearch(); planned {
			t.Error("a search is planned")
		}
	})
}

// What is found is bounded, whoever sends it.
func TestDiscoveryIsBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t, withDHT())
	s.do(t, s.h, func(se *session) {
		se.draining = true // nobody is dialled
		for i := range 3 * maxFromLookups {
			se.foundInDHT([]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)}), 1)})
		}
		if n := se.fromSource(sourceDHT); n > maxFromLookups {
			t.Errorf("%d candidates from the DHT", n)
		}
		se.forgetSource(sourceDHT)
		se.draining = false
	})
	for i := range 2 * maxLocal {
		s.heardLocally(s.h, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 0))
	}
	if n := len(s.discovery.heard); n > maxLocal {
		t.Errorf("%d local announces remembered", n)
	}
	s.completes(t)
}

// Why there are no peers is said.
func TestFinding(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "elsewhere"), "payload", 1<<15, [][]string{{"http://127.0.0.1:1/announce"}}, 100_000)
	n := startNode(t, dir, withDHT())
	h := add(t, n, torrent)
	n.eventually(t, "all that is tried is told", func() bool {
		d, err := n.Get(context.Background(), h)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range d.Finding {
			all = append(all, f.Source+": "+f.Text)
		}
		text := strings.Join(all, "\n")
		return strings.Contains(text, "tracker: http://127.0.0.1:1: ") && strings.Contains(text, "refused") &&
			strings.Contains(text, "dht: 0 nodes") && strings.Contains(text, "lsd: off") && strings.Contains(text, "port: ")
	})
}
