package torrent

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// Extension handshakes as clients send them, and as they should not.
var goldenGreetings = []string{
	"d1:ei0e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e1:v18:qBittorrent/4.6.05:yourip4:\x7f\x00\x00\x01e",
	"d1:md11:ut_metadatai3e6:ut_pexi1ee1:pi51413e4:reqqi512e1:v18:Transmission 4.0.66:yourip16:0123456789abcdefe",
	"d1:md11:ut_metadatai-1e6:ut_pexi256ee13:metadata_sizei-5e1:pi-1e4:reqqi9223372036854775807e1:v3:\x1b[mee",
	"d1:mi5ee", "d1:ml1:aee", "de", "d1:v0:e and more", strings.Repeat("l", 100), "d1:md11:ut_metadatai99999999999999999999eee", "",
}

// FuzzGreeting reads any extension handshake: what comes of it is within bounds
// and can be shown.
func FuzzGreeting(f *testing.F) {
	for _, g := range goldenGreetings {
		f.Add([]byte(g))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, err := parseGreeting(payload)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "extension handshake: ") {
				t.Errorf("error %q", err)
			}
			return
		}
		var id uint8 = 7
		for _, given := range []*int{h.Messages.Metadata, h.Messages.Exchange, h.Messages.Punch, h.Messages.Uploads} {
			before := id
			number(&id, given)
			if given != nil && *given != int(id) && id != before {
				t.Errorf("%d became %d", *given, id)
			}
		}
		name := printable(h.Version, maxClientName)
		if utf8.RuneCountInString(name) > maxClientName || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\x1b\n\x7f\u0085\uFFFD") {
			t.Errorf("client %q", name)
		}
	})
}

func TestGreetings(t *testing.T) {
	h, err := parseGreeting([]byte(goldenGreetings[1]))
	if err != nil || *h.Messages.Metadata != 3 || h.Messages.Punch != nil || h.Port != 51413 || h.Queue != 512 || len(h.YourIP) != 16 {
		t.Errorf("%+v, %v", h, err)
	}
}

// A peer that we call hears that we are interested before it has said anything
// but hello, and that we are not when it turns out to have nothing. Nobody else
// hears that.
func TestInterestIsNotWaitedWith(t *testing.T) {
	for _, c := range []struct {
		name          string
		plain, called bool
		at            bool // once
	}{{"called", false, true, true}, {"called, without fast", true, true, false}, {"caller", false, false, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, nil)
			var p *torrenttest.Peer
			o := s.options()
			o.Plain = c.plain
			if c.called {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				addr := l.Addr().(*net.TCPAddr).AddrPort()
				s.do(t, s.h, func(se *session) { se.learn([]netip.AddrPort{addr}, "tracker") })
				for p == nil { // the first call is encrypted
					conn, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if p, err = torrenttest.Introduce(conn, o); err != nil {
						conn.Close()
					}
				}
			} else {
				p = torrenttest.Dial(t, s.addr(), o)
			}
			p.Say(extended("d1:v4:heree"))
			s.waitPeer(t, "here")
			interested := false
			s.do(t, s.h, func(se *session) {
				for _, r := range se.swarm.peers {
					interested = interested || r.client == "here" && r.interests
				}
			})
			if interested != c.at {
				t.Errorf("interested: %v", interested)
			}
			if c.at {
				p.Expect(t, peerwire.Interested)
				p.Say(peerwire.AppendMessage(nil, peerwire.HaveNone))
				p.Expect(t, peerwire.NotInterested)
			}
			s.completes(t)
		})
	}
}

func TestFirstWindowIsAShare(t *testing.T) {
	s := &session{e: &Engine{cfg: Config{BufferBytes: 64 << 20}}, swarm: newSwarm()}
	for _, c := range []struct{ peers, window int }{{0, maxFirstWindow}, {7, maxFirstWindow}, {15, 128}, {63, 32}, {500, minFirstWindow}} {
		for id := range int32(c.peers) {
			s.swarm.peers[id] = nil
		}
		if n := s.firstWindow(); n != c.window {
			t.Errorf("%d peers are there: %d requests, not %d", c.peers, n, c.window)
		}
	}
}
