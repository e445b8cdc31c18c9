package torrent

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

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

func TestBlocklistMustBeReadable(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	_, err := New(Config{Listen: "127.0.0.1:0", Store: s.store, Events: s.events, Blocklist: filepath.Join(t.TempDir(), "none")})
	if err == nil {
		t.Error("an engine without the list that was to protect it")
	}
	s.completes(t)
}
