package torrent

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/holepunch"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// One that nobody can call, behind a router that lets nothing in, is met all
// the same, by an introduction of the peer that named it.
func TestHolepunch(t *testing.T) {
	t.Parallel()
	quick := func(c *Config) { c.pexInterval, c.utpTimeout = 100*time.Millisecond, time.Second }
	seedDir := t.TempDir()
	torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 1<<16, nil, 5<<20)
	seed := startNode(t, seedDir, func(c *Config) {
		quick(c)
		c.Transport, c.Speed.Upload = OnlyUTP, 1<<20 // it stays in touch with both
		c.denyUTP = func(netip.AddrPort) bool { return true }
	})
	h := add(t, seed, torrent)
	seed.waitFor(t, h, "seed finds its data", seeding)
	middle, leech := startNode(t, t.TempDir(), quick), startNode(t, t.TempDir(), quick)
	for _, n := range []*node{middle, leech} {
		add(t, n, torrent)
		n.waitFor(t, h, "start", func(st Status) bool { return st.State == Downloading })
	}
	if in, err := leech.dial(ctx, overUTP, seed.address(), h, false); err == nil {
		in.conn.Close()
		t.Fatal("the seed can be called")
	}
	in, err := seed.dial(ctx, overUTP, middle.address(), h, false)
	if err != nil {
		t.Fatal(err)
	}
	seed.do(t, h, func(s *session) {
		s.connected(in)
		// A router of the leech's kept the seed's calls out before.
		a := leech.address()
		s.swarm.candidates[a] = &candidate{addr: a, source: "pex", retry: time.Now().Add(time.Hour)}
	})
	middle.waitFor(t, h, "the seed calls", func(st Status) bool { return st.Peers == 1 })
	leech.learns(t, h, middle.address())
	leech.eventually(t, "the seed is met", func() bool {
		met := false
		leech.do(t, h, func(s *session) {
			r := s.peerAt(seed.address())
			met = r != nil && r.peerID == seed.peerID && r.over == overUTP
		})
		return met
	})
	leech.waitFor(t, h, "download", seeding)
	if treeSum(t, seed.dir) != treeSum(t, leech.dir) {
		t.Error("content differs")
	}
}

const punchNumber = 9 // that a test's peers give to ut_holepunch

func punch(m holepunch.Message) []byte {
	return peerwire.AppendExtended(nil, extendedPunch, holepunch.Append(nil, m))
}

// hears waits for a message about an introduction.
func hears(t testing.TB, p *torrenttest.Peer, what string) (got holepunch.Message) {
	t.Helper()
	p.ExpectThat(t, what, func(m torrenttest.Message) bool {
		if m.ID != peerwire.Extended || m.Extension != punchNumber {
			return false
		}
		var err error
		if got, err = holepunch.Decode(m.Bytes); err != nil {
			t.Error(err)
		}
		return true
	})
	return got
}

// What the peer in the middle says.
func TestIntroductions(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	speaks, listens := "d1:md12:ut_holepunchi9ee1:p", "e1:v4:donee"
	a, b, deaf := s.dial(t), s.dial(t), s.dial(t)
	a.Say(extended(speaks + "i1001" + listens))
	b.Say(extended(speaks + "i1002" + listens))
	deaf.Say(extended("d1:pi1003e1:v4:donee"))
	at := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	}
	s.becomes(t, "three handshakes", func(se *session) bool {
		return se.peerAt(at(1001)) != nil && se.peerAt(at(1002)) != nil && se.peerAt(at(1003)) != nil
	})
	for _, c := range []struct {
		to   netip.AddrPort
		want holepunch.Code
	}{
		{at(1002), 0}, {at(1003), holepunch.NoSupport}, {at(1001), holepunch.NoSelf}, {at(1004), holepunch.NotConnected},
		{at(0), holepunch.NoSuchPeer}, {netip.MustParseAddrPort("0.0.0.0:1"), holepunch.NoSuchPeer},
	} {
		a.Say(punch(holepunch.Message{Type: holepunch.Rendezvous, Addr: c.to}))
		want := holepunch.Message{Type: holepunch.Failed, Addr: c.to, Code: c.want}
		if c.want == 0 {
			want.Type = holepunch.Connect
			if got := hears(t, b, "a call to connect"); got != (holepunch.Message{Type: holepunch.Connect, Addr: at(1001)}) {
				t.Errorf("the other is told %+v", got)
			}
		}
		if got := hears(t, a, "an answer"); got != want {
			t.Errorf("to %v: %+v, want %+v", c.to, got, want)
		}
	}
	s.completes(t)
}

// Introductions have a pace: what is beyond it is ignored, whether it asks for
// some or makes some.
func TestPunchFlood(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	p := s.dial(t)
	p.Say(extended("d1:md12:ut_holepunchi9ee1:pi1001e1:v5:helloe"))
	for i := range uint16(1000) {
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), 2000+i)
		p.Say(punch(holepunch.Message{Type: holepunch.Rendezvous, Addr: to}), punch(holepunch.Message{Type: holepunch.Connect, Addr: to}))
	}
	p.Say(extended("d1:v4:donee"))
	s.waitPeer(t, "done")
	s.do(t, s.h, func(se *session) {
		introduced := 0
		for _, c := range se.swarm.candidates {
			if c.introduced {
				introduced++
			}
		}
		if introduced == 0 || introduced > 2*punchBurst { // the pace goes on meanwhile
			t.Errorf("%d calls", introduced)
		}
	})
	p.Say(punch(holepunch.Message{Type: 7, Addr: netip.MustParseAddrPort("127.0.0.1:1")}))
	p.ExpectClosed(t)
	s.completes(t)
}

// A private torrent's peers are the trackers' business.
func TestPrivatePunchesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	s.do(t, s.h, func(se *session) { se.record.Private = true })
	p := s.dial(t)
	p.ExpectThat(t, "handshake", func(m torrenttest.Message) bool {
		if m.ID == peerwire.Extended && strings.Contains(string(m.Bytes), holepunch.Name) {
			t.Error("it is offered")
		}
		return m.ID == peerwire.Extended
	})
	p.Say(punch(holepunch.Message{Type: holepunch.Connect, Addr: netip.MustParseAddrPort("127.0.0.2:2000")}))
	p.Say(extended("d1:v4:donee"))
	s.waitPeer(t, "done")
	s.do(t, s.h, func(se *session) {
		if len(se.swarm.candidates) > 1 { // the honest seed
			t.Errorf("%d candidates", len(se.swarm.candidates))
		}
	})
	s.completes(t)
}

func TestPace(t *testing.T) {
	now := time.Now()
	var p pace
	count := func() (n int) {
		for p.allow(now) {
			n++
		}
		return n
	}
	if n := count(); n != punchBurst {
		t.Errorf("a burst of %d", n)
	}
	now = now.Add(3 * punchEvery)
	if n := count(); n != 3 {
		t.Errorf("%d after three", n)
	}
	now = now.Add(time.Hour)
	if n := count(); n != punchBurst {
		t.Errorf("a burst of %d after an hour", n)
	}
}
