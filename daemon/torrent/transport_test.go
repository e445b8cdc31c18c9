package torrent

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/torrent/torrenttest"
)

var transports = map[Transport]string{PreferTCP: "prefer TCP", OnlyUTP: "only uTP", OnlyTCP: "only TCP"}

// Every policy meets every other, in both roles, encrypted and not.
func TestTransferBetweenTransports(t *testing.T) {
	t.Parallel()
	cases := []struct {
		caller, called Transport
		encryption     Encryption
		want           string // what carries the connection, "" if there is none
		secure         string
	}{
		{PreferTCP, PreferTCP, PreferEncryption, "tcp", "handshake"},
		{PreferTCP, OnlyUTP, PreferEncryption, "utp", "handshake"},
		{PreferTCP, OnlyUTP, RequireEncryption, "utp", "rc4"},
		{PreferTCP, OnlyUTP, DisableEncryption, "utp", "plaintext"},
		{PreferTCP, OnlyTCP, PreferEncryption, "tcp", "handshake"},
		{OnlyUTP, PreferTCP, RequireEncryption, "utp", "rc4"},
		{OnlyUTP, OnlyUTP, DisableEncryption, "utp", "plaintext"},
		{OnlyUTP, OnlyTCP, PreferEncryption, "", ""},
		{OnlyTCP, PreferTCP, RequireEncryption, "tcp", "rc4"},
		{OnlyTCP, OnlyUTP, PreferEncryption, "", ""},
	}
	for _, c := range cases {
		name := fmt.Sprintf("%s calls %s, %s encryption", transports[c.caller], transports[c.called], policies[c.encryption])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seedDir := t.TempDir()
			torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 32<<10, nil, 1<<20+77)
			start := func(dir string, p Transport) *node {
				return startNode(t, dir, func(cfg *Config) {
					cfg.Transport, cfg.Encryption, cfg.Speed.Upload = p, c.encryption, 2<<20 // slow enough to be looked at
				})
			}
			seed, leech := start(seedDir, c.called), start(t.TempDir(), c.caller)
			h := add(t, seed, torrent)
			seed.waitFor(t, h, "seed finds its data", seeding)
			add(t, leech, torrent)
			leech.waitFor(t, h, "start", func(st Status) bool { return st.State == Downloading })
			if c.want == "" {
				for _, over := range c.caller.attempts(false) {
					if in, err := leech.dial(ctx, over, seed.address(), h, false); err == nil {
						in.conn.Close()
						t.Errorf("connected over %s", in.transport)
					}
				}
				return
			}
			leech.do(t, h, func(s *session) { s.learn([]netip.AddrPort{seed.address()}, "tracker") })
			for _, n := range []*node{seed, leech} {
				n.waitFor(t, h, "peer", func(st Status) bool { return st.Peers == 1 })
				if d, err := n.Get(ctx, h); err != nil || len(d.Peers) != 1 || d.Peers[0].Transport != c.want || d.Peers[0].Encryption != c.secure {
					t.Errorf("peers %+v, %v, want %s over %s", d.Peers, err, c.secure, c.want)
				}
			}
			leech.waitFor(t, h, "download", seeding)
			if treeSum(t, seed.dir) != treeSum(t, leech.dir) {
				t.Error("content differs")
			}
		})
	}
}

// Nobody listens on the TCP port of one that does without TCP.
func TestOnlyUTPLeavesTCP(t *testing.T) {
	t.Parallel()
	n := startNode(t, t.TempDir(), func(c *Config) { c.Transport = OnlyUTP })
	if conn, err := net.Dial("tcp", n.Stats().ListenAddress); err == nil {
		conn.Close()
		t.Error("connected")
	}
}

// Calls over uTP to those whom TCP did not reach take no place away from calls
// over TCP: with as many under way as there may be, and as the torrent may have
// further peers, a seed is met all the same.
func TestUTPHoldsNobodyBack(t *testing.T) {
	t.Parallel()
	const limit = time.Hour // of those calls: they are still waiting in the end
	s := newScene(t, func(c *Config) { c.utpTimeout, c.MaxPeersPerTorrent = limit, maxFallbacks+1 })
	silent, err := net.ListenPacket("udp", "127.0.0.1:0") // and nothing on its TCP port
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	port := silent.LocalAddr().(*net.UDPAddr).Port
	var dead []netip.AddrPort
	for i := range maxFallbacks + 10 {
		dead = append(dead, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}), uint16(port)))
	}
	s.do(t, s.h, func(se *session) { se.learn(dead, "tracker") })
	s.becomes(t, "calls over uTP", func(se *session) bool { return se.swarm.fallbacks == maxFallbacks })
	second := s.seedConfig()
	second.Hold = make(chan struct{}) // it stays to be looked at
	s.meet(t, torrenttest.StartSeed(t, second))
	s.waitFor(t, s.h, "second seed is met", func(st Status) bool { return st.Peers == 2 })
	s.do(t, s.h, func(se *session) {
		if se.swarm.fallbacks != maxFallbacks {
			t.Errorf("%d calls over uTP are left", se.swarm.fallbacks)
		}
	})
	s.completes(t)
}

// One that is connected over uTP and then calls over TCP is kept there.
func TestTCPReplacesUTP(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	from, id := startNode(t, t.TempDir(), nil), torrenttest.NewID()
	call := func(over string) *torrenttest.Peer {
		conn, err := from.connect(ctx, over, s.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		o := s.options()
		o.PeerID = id
		p, err := torrenttest.Introduce(conn, o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := call(overUTP)
	s.becomes(t, "peer over uTP", func(se *session) bool { return carries(se, id) == overUTP })
	call(overTCP)
	s.becomes(t, "peer over TCP", func(se *session) bool { return carries(se, id) == overTCP })
	first.ExpectClosed(t)
	call(overUTP).ExpectClosed(t)
	s.do(t, s.h, func(se *session) {
		if got := carries(se, id); got != overTCP {
			t.Errorf("the peer is connected over %q", got)
		}
	})
}

// carries is what carries the one connection to a peer.
func carries(se *session, id [20]byte) (over string) {
	for _, r := range se.swarm.peers {
		if r.peerID == id {
			over += r.over
		}
	}
	return over
}

// becomes asks the session until the condition holds.
func (s *scene) becomes(t testing.TB, what string, ok func(*session) bool) {
	t.Helper()
	s.eventually(t, what, func() (holds bool) {
		s.do(t, s.h, func(se *session) { holds = ok(se) })
		return holds
	})
}
