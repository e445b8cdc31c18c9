package torrent

import (
	"net/netip"
	"slices"
	"testing"

	"lorrent/daemon/torrent/hashtree"
)

var (
	ann = netip.MustParseAddrPort("192.0.2.1:1")
	ben = netip.MustParseAddrPort("192.0.2.2:2")
	eve = netip.MustParseAddrPort("192.0.2.66:6")
)

// sums hashes what the letters stand for.
func sums(blocks string) (list []hashtree.Hash) {
	for i := range blocks {
		list = append(list, hashtree.Leaf([]byte(blocks[i:i+1])))
	}
	return list
}

func TestBlame(t *testing.T) {
	type try struct {
		from   []netip.AddrPort
		blocks string
	}
	var nobody netip.AddrPort
	cases := []struct {
		name  string
		tries []try // bad ones
		right string
		liars []netip.AddrPort
	}{
		{"nothing was wrong", nil, "abc", nil},
		{"one of two", []try{{[]netip.AddrPort{ann, eve, ann}, "aXc"}}, "abc", []netip.AddrPort{eve}},
		{"named once", []try{{[]netip.AddrPort{eve, ann, eve}, "XbX"}}, "abc", []netip.AddrPort{eve}},
		{"two of three", []try{{[]netip.AddrPort{eve, ann, ben}, "XbX"}}, "abc", []netip.AddrPort{eve, ben}},
		{"in the second try", []try{{[]netip.AddrPort{ann, eve, ann}, "aXc"}, {[]netip.AddrPort{ben, ben, eve}, "abX"}}, "abc", []netip.AddrPort{eve}},
		{"right this time", []try{{[]netip.AddrPort{ann, eve, ben}, "aXc"}, {[]netip.AddrPort{eve, ben, ann}, "abX"}}, "abc", []netip.AddrPort{eve, ann}},
		{"sender not known", []try{{[]netip.AddrPort{ann, nobody, ben}, "aXc"}}, "abc", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b blame
			for _, try := range c.tries {
				b.suspect(5, try.from, sums(try.blocks))
			}
			if got := b.remembers(5); got != (len(c.tries) > 0) {
				t.Errorf("remembers the piece: %v", got)
			}
			if liars := b.settle(6, sums(c.right)); liars != nil {
				t.Errorf("liars of another piece: %v", liars)
			}
			if liars := b.settle(5, sums(c.right)); !slices.Equal(liars, c.liars) {
				t.Errorf("liars %v, not %v", liars, c.liars)
			}
			if b.remembers(5) || b.settle(5, sums(c.right)) != nil {
				t.Error("not forgotten")
			}
		})
	}
}

func TestBlameIsBounded(t *testing.T) {
	var b blame
	for p := range 10 * maxSuspected {
		b.suspect(p, []netip.AddrPort{eve}, sums("X"))
	}
	if len(b.pieces) != maxSuspected {
		t.Errorf("%d pieces remembered", len(b.pieces))
	}
	for range 1000 {
		b.suspect(0, []netip.AddrPort{eve}, sums("X"))
	}
	if n := len(b.pieces[0]); n > 10 {
		t.Errorf("%d tries of one block remembered", n)
	}
}

// Whoever has many addresses cannot fill our memory: the oldest bans end.
func TestBansAreBounded(t *testing.T) {
	w := newSwarm()
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 6881)
	}
	const all = 3*maxBanned + 1
	for i := range all {
		w.ban(at(i))
		w.ban(at(i)) // counts once
	}
	if len(w.banned) != maxBanned || len(w.bans) != maxBanned || cap(w.bans) > 4*maxBanned {
		t.Errorf("%d banned, %d in the list of %d", len(w.banned), len(w.bans), cap(w.bans))
	}
	for i, want := range map[int]bool{0: false, all - maxBanned - 1: false, all - maxBanned: true, all - 1: true} {
		if w.isBanned(at(i)) != want {
			t.Errorf("number %d is banned: %v", i, !want)
		}
	}
}

// A second wrong block of a peer is no second ban, and its other ports are
// banned with it, but on the loopback address.
func TestBannedOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	here := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5"), netip.MustParseAddrPort("127.0.0.1:6")}
	s.do(t, s.h, func(se *session) {
		for _, addr := range []netip.AddrPort{eve, eve, netip.AddrPortFrom(eve.Addr(), 7), here[0], here[0]} {
			se.ban(addr, "sent to "+addr.String())
		}
		se.note([]netip.AddrPort{netip.AddrPortFrom(eve.Addr(), 8), here[0], here[1]}, "tracker")
		for _, addr := range []netip.AddrPort{netip.AddrPortFrom(eve.Addr(), 8), here[0]} {
			if se.swarm.candidates[addr] != nil {
				t.Errorf("%v is a candidate again", addr)
			}
		}
		if se.swarm.candidates[here[1]] == nil {
			t.Errorf("%v was banned, too", here[1])
		}
	})
	if bans := s.bans(); !slices.Equal(bans, []string{"sent to " + eve.String(), "sent to " + here[0].String()}) {
		t.Errorf("bans: %q", bans)
	}
}
