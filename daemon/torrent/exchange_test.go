package torrent

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/pex"
	"lorrent/daemon/torrent/torrenttest"
)

func (n *node) learns(t testing.TB, h metainfo.Hash, addrs ...netip.AddrPort) {
	t.Helper()
	n.do(t, h, func(s *session) { s.learn(addrs, "tracker") })
}

// Three engines: the third knows the first only, and gets what the second has.
func TestExchangeBetweenEngines(t *testing.T) {
	t.Parallel()
	for _, magnet := range []bool{false, true} {
		t.Run(fmt.Sprintf("magnet %v", magnet), func(t *testing.T) {
			quick := func(c *Config) { c.pexInterval = 100 * time.Millisecond }
			seedDir := t.TempDir()
			torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 1<<16, nil, 20<<20)
			seed := startNode(t, seedDir, quick)
			h := add(t, seed, torrent)
			seed.waitFor(t, h, "seed finds its data", seeding)
			// The one in the middle downloads slowly, so that it stays in touch.
			middle := startNode(t, t.TempDir(), func(c *Config) { quick(c); c.Speed.Download = 1 << 20 })
			add(t, middle, torrent)
			middle.learns(t, h, seed.address())
			middle.waitFor(t, h, "seed is met", func(s Status) bool { return s.Peers == 1 })
			third := startNode(t, t.TempDir(), quick)
			if magnet {
				addMagnet(t, third, linkTo(h, nil, middle.address()), AddOptions{})
			} else {
				add(t, third, torrent)
				third.learns(t, h, middle.address())
			}
			third.eventually(t, "the seed is met by way of the middle", func() bool {
				d, err := third.Get(ctx, h)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range d.Peers {
					if p.Source == "pex" && p.Address == seed.address().String() {
						return true
					}
				}
				return d.State == Seeding
			})
			third.waitFor(t, h, "download", seeding)
			told := 0 // one of the two, which calls the other: both are told
			for n, other := range map[*node]*node{third: seed, seed: third} {
				n.do(t, h, func(s *session) {
					if c := s.swarm.candidates[other.address()]; c != nil && c.source == "pex" {
						told++
					}
				})
			}
			if told == 0 {
				t.Error("neither knows the other from the middle")
			}
		})
	}
}

func exchanged(p ...string) []byte {
	var m pex.Message
	for _, a := range p {
		m.Added = append(m.Added, pex.Peer{Addr: netip.MustParseAddrPort(a)})
	}
	return peerwire.AppendExtended(nil, extendedExchange, pex.Append(nil, m))
}

func (s *scene) candidates(t testing.TB, source string) (n int) {
	t.Helper()
	s.do(t, s.h, func(se *session) { n = se.fromSource(source) })
	return n
}

func TestExchangeReceived(t *testing.T) {
	flood := func() []byte {
		var m pex.Message
		for i := range 5000 {
			m.Added = append(m.Added, pex.Peer{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), 1)})
		}
		return peerwire.AppendExtended(nil, extendedExchange, pex.Append(nil, m))
	}()
	cases := []struct {
		name   string
		say    []byte
		most   int
		closed bool
	}{
		{"one", exchanged("127.1.1.1:1"), 1, false},
		{"flood", flood, pex.MaxReceived, false},
		{"unusable ones", exchanged("0.0.0.0:1", "127.1.1.1:0", "224.0.0.1:1"), 0, false},
		{"a second one at once", append(exchanged("127.1.1.1:1"), exchanged("127.1.1.2:1")...), 1, false},
		{"many at once", bytes.Repeat(exchanged("127.1.1.1:1"), 2+maxHasty), 1, true},
		{"half an address", peerwire.AppendExtended(nil, extendedExchange, []byte("d5:added5:abcdee")), 0, true},
		{"no dictionary", peerwire.AppendExtended(nil, extendedExchange, []byte("5:abcde")), 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			p := s.dial(t)
			p.Say(extended("d1:md6:ut_pexi7eee"), c.say)
			if c.closed {
				p.ExpectClosed(t)
			} else {
				p.Say(request(0, 0, 1)) // an answer to it comes after all else
				p.ExpectThat(t, "a refusal", func(m torrenttest.Message) bool { return m.ID == peerwire.Reject || m.ID == peerwire.Piece })
			}
			if n := s.candidates(t, "pex"); n > c.most || c.most > 0 && n == 0 {
				t.Errorf("%d candidates, want at most %d", n, c.most)
			}
			s.completes(t)
		})
	}
}

func TestExchangeSent(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.pexInterval = time.Second })
	p := s.dial(t)
	p.Say(extended("d1:md6:ut_pexi7eee"))
	isExchange := func(m torrenttest.Message) bool { return m.ID == peerwire.Extended && m.Extension == 7 }
	m, err := pex.Decode(p.ExpectThat(t, "a peer exchange", isExchange).Bytes)
	if err != nil || len(m.Added) != 1 || m.Added[0].Addr != s.honest.Addr() || m.Added[0].Flags != pex.Seed|pex.Reachable {
		t.Errorf("%+v, %v", m, err)
	}
	q := s.dial(t)
	q.Say(extended("d1:pi4321ee"))
	m, err = pex.Decode(p.ExpectThat(t, "another one", isExchange).Bytes)
	if err != nil || len(m.Added) != 1 || m.Added[0].Addr.Port() != 4321 || m.Added[0].Flags != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	q.Close()
	m, err = pex.Decode(p.ExpectThat(t, "its end", isExchange).Bytes)
	if err != nil || len(m.Added) != 0 || len(m.Dropped) != 1 || m.Dropped[0].Port() != 4321 {
		t.Errorf("%+v, %v", m, err)
	}
	s.completes(t)
}

func TestTellable(t *testing.T) {
	for _, c := range []struct {
		to, addr string
		want     bool
	}{
		{"1.2.3.4:1", "5.6.7.8:1", true},
		{"1.2.3.4:1", "192.168.1.1:1", false},
		{"1.2.3.4:1", "127.0.0.1:1", false},
		{"[2001:db8::1]:1", "[fe80::1]:1", false},
		{"192.168.1.2:1", "192.168.1.1:1", true},
		{"192.168.1.2:1", "5.6.7.8:1", true},
	} {
		if got := tellable(netip.MustParseAddrPort(c.to), netip.MustParseAddrPort(c.addr)); got != c.want {
			t.Errorf("%s to %s: %v", c.addr, c.to, got)
		}
	}
}

// A private torrent's peers are named to nobody, and nobody may name any.
func TestPrivateExchangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, nil, 100_000)
	torrent, err := metainfo.Build(filepath.Join(dir, "data", "payload"), metainfo.BuildOptions{Private: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, dir, func(c *Config) { c.pexInterval = 50 * time.Millisecond })
	h := add(t, n, torrent)
	n.waitFor(t, h, "its data is found", seeding)
	o := torrenttest.Options{InfoHash: h, Pieces: m.Info.NumPieces()}
	other := torrenttest.Dial(t, n.Stats().ListenAddress, o)
	other.Say(extended("d1:pi4321ee"))
	p := torrenttest.Dial(t, n.Stats().ListenAddress, o)
	offer := p.ExpectThat(t, "our greeting", func(m torrenttest.Message) bool { return m.ID == peerwire.Extended })
	if strings.Contains(string(offer.Bytes), pex.Name) || !strings.Contains(string(offer.Bytes), "ut_metadata") {
		t.Errorf("greeting %q", offer.Bytes)
	}
	p.Say(extended("d1:md6:ut_pexi7eee"), exchanged("127.1.1.1:1"))
	n.eventually(t, "both are there", func() bool { return n.List()[0].Peers == 2 })
	p.Say(request(0, 0, 1), have(0))
	p.SetReadDeadline(time.Now().Add(2 * time.Second))
	for {
		m, err := p.Next()
		if err != nil {
			break
		}
		if m.ID == peerwire.Extended {
			t.Errorf("it was told %q", m.Bytes)
		}
	}
	n.do(t, h, func(s *session) {
		if c := s.fromSource("pex"); c != 0 {
			t.Errorf("%d candidates", c)
		}
	})

	// A link does not say that the torrent is private. What was exchanged
	// before that was known is given up.
	third := startNode(t, t.TempDir(), nil)
	addMagnet(t, third, linkTo(h, nil), AddOptions{})
	early := torrenttest.Dial(t, third.Stats().ListenAddress, o)
	early.Say(extended("d1:md6:ut_pexi7eee"), exchanged("127.1.1.1:1"))
	third.eventually(t, "it is believed at first", func() (found bool) {
		third.do(t, h, func(s *session) { found = s.fromSource("pex") == 1 })
		return found
	})
	third.learns(t, h, n.address())
	third.waitFor(t, h, "download", seeding)
	early.ExpectThat(t, "the offer taken back", func(m torrenttest.Message) bool {
		return m.ID == peerwire.Extended && m.Extension == 0 && strings.Contains(string(m.Bytes), "6:ut_pexi0e")
	})
	third.do(t, h, func(s *session) {
		for _, c := range s.swarm.candidates {
			if c.source == "pex" && !c.forbidden {
				t.Errorf("candidate %+v", c)
			}
		}
	})
}
