package torrent

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// Who is on the blocklist is neither called nor let in, over TCP and uTP, also
// when it gets there later.
func TestBlocklist(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("them:127.0.0.7-127.0.0.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, func(c *Config) { c.Blocklist = list })
	s.do(t, s.h, func(se *session) {
		se.learn([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.8:5000")}, "tracker")
		if _, known := se.swarm.candidates[netip.MustParseAddrPort("127.0.0.8:5000")]; known {
			t.Error("a blocked address is a candidate")
		}
	})
	for _, transport := range []string{overTCP, overUTP} {
		if _, err := s.connect(t.Context(), transport, netip.MustParseAddrPort("127.0.0.8:5000")); err != errBlocked {
			t.Errorf("called over %s: %v", transport, err)
		}
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	conn, err := d.DialContext(t.Context(), "tcp", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("let in: %v", err)
	}
	torrenttest.Dial(t, s.addr(), s.options()) // others are
	s.completes(t)
}

// A list that grows reaches those who are connected, and the DHT.
func TestBlocklistChanges(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("them:127.0.0.7-127.0.0.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, func(c *Config) { c.Blocklist, c.blocklistLook = list, 20*time.Millisecond })
	guest := s.dialFrom(t, net.IPv4(127, 0, 0, 6))
	s.waitFor(t, s.h, "two peers", func(st Status) bool { return st.Peers == 2 })
	next := list + ".next"
	if err := os.WriteFile(next, []byte("them:127.0.0.6-127.0.0.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, list); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, s.h, "the guest's end", func(st Status) bool { return st.Peers == 1 })
	guest.Close()
	dht := s.udp.dht4
	if _, err := dht.WriteTo([]byte("d"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 6), Port: 9}); !errors.Is(err, errBlocked) {
		t.Errorf("a packet to a blocked node: %v", err)
	}
	if dht.put([]byte("d"), netip.MustParseAddrPort("127.0.0.6:9")); len(dht.packets) > 0 {
		t.Error("a packet from a blocked node is taken")
	}
	s.completes(t)
}

// dialFrom connects from another address of this host and shakes hands.
func (s *scene) dialFrom(t *testing.T, ip net.IP) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	conn, err := d.DialContext(t.Context(), "tcp", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(peerwire.NewHandshake(s.info.Hash, torrenttest.NewID()).Bytes()); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestBlocklistMustBeReadable(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	_, err := New(Config{Listen: "127.0.0.1:0", Store: s.store, Events: s.events, Blocklist: filepath.Join(t.TempDir(), "none")})
	if err == nil {
		t.Error("an engine without the list that was to protect it")
	}
	s.completes(t)
}
