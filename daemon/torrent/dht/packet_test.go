package dht

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

const anID = "2:id20:abcdefghij0123456789"

// Golden packets: those of BEP 5's examples are what comes out again.
var golden = []struct{ name, in, out string }{
	{"ping", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", ""},
	{"ping response", "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", ""},
	{"find_node", "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe", ""},
	{"get_peers", "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe", ""},
	{"get_peers response", "d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re", ""},
	{"announce_peer", "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe", ""},
	{"error", "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", ""},
	{"read-only", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:y1:qe", ""},
	{"an unknown query", "d1:ad2:id20:abcdefghij01234567893:foo3:bare1:q4:vote1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij0123456789e1:q5:other1:t2:aa1:y1:qe"},
	{"storing values is unknown", "d1:ad2:id20:abcdefghij01234567891:v3:abce1:q3:put1:t2:aa1:y1:qe",
		"d1:ad2:id20:abcdefghij0123456789e1:q5:other1:t2:aa1:y1:qe"},
	{"odd types are left out", "d1:eli201ee2:iple1:rd2:id20:mnopqrstuvwxyz1234565:nodesi3e5:tokenle6:valuesdee1:t2:aa1:y1:re",
		"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"},
	{"half an address", "d2:ip1:x1:rd2:id20:mnopqrstuvwxyz1234566:valuesl6:axje.u3:abc0:ee1:t2:aa1:y1:re",
		"d1:rd2:id20:mnopqrstuvwxyz1234566:valuesl6:axje.uee1:t2:aa1:y1:re"},
	{"port 0", "d1:rd2:id20:mnopqrstuvwxyz1234566:valuesl6:axje\x00\x00ee1:t2:aa1:y1:re",
		"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"},
	{"somebody of our network", "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes52:aaaaaaaaaaaaaaaaaaaa\x0a\x00\x00\x01\x1a\xe1bbbbbbbbbbbbbbbbbbbb\x08\x08\x08\x08\x1a\xe1e1:t2:aa1:y1:re",
		"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes26:bbbbbbbbbbbbbbbbbbbb\x08\x08\x08\x08\x1a\xe1e1:t2:aa1:y1:re"},
	{"half a node", "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes30:bbbbbbbbbbbbbbbbbbbb\x08\x08\x08\x08\x1a\xe1aaaae1:t2:aa1:y1:re",
		"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes26:bbbbbbbbbbbbbbbbbbbb\x08\x08\x08\x08\x1a\xe1e1:t2:aa1:y1:re"},
	{"an error of odd shape", "d1:ele1:t2:aa1:y1:ee", "d1:eli201e13:unknown errore1:t2:aa1:y1:ee"},
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		p, err := parse([]byte(c.in), netip.MustParseAddr("1.2.3.4"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := c.out
		if want == "" {
			want = c.in
		}
		if got, err := p.encode(); err != nil || string(got) != want {
			t.Errorf("%s: became\n%q, want\n%q (%v)", c.name, got, want, err)
		}
	}
}

// hostile packets are none that we listen to. The first two end the process of
// a widely used library.
var hostile = map[string]string{
	"an address of no bytes":    "d2:ip0:1:t1:a1:y1:qe",
	"an announce of nothing":    "d1:q13:announce_peer1:t2:aa1:y1:qe",
	"a query without arguments": "d1:q9:get_peers1:t2:aa1:y1:qe",
	"an empty dictionary":       "de",
	"no dictionary":             "i1e",
	"not bencode":               "d1:",
	"a short id":                "d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe",
	"a long id":                 "d1:ad2:id21:abcdefghij0123456789xe1:q4:ping1:t2:aa1:y1:qe",
	"no transaction":            "d1:ad" + anID + "e1:q4:ping1:y1:qe",
	"a long transaction":        "d1:ad" + anID + "e1:q4:ping1:t40:" + strings.Repeat("t", 40) + "1:y1:qe",
	"an answer without an id":   "d1:rde1:t2:aa1:y1:re",
	"a kind of its own":         "d1:t2:aa1:y1:xe",
	"no target":                 "d1:ad" + anID + "e1:q9:find_node1:t2:aa1:y1:qe",
	"a short target":            "d1:ad" + anID + "6:target3:abce1:q9:find_node1:t2:aa1:y1:qe",
	"a port beyond":             "d1:ad" + anID + "9:info_hash20:mnopqrstuvwxyz1234564:porti65536e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
	"a negative port":           "d1:ad" + anID + "9:info_hash20:mnopqrstuvwxyz1234564:porti-1e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
	"no port":                   "d1:ad" + anID + "9:info_hash20:mnopqrstuvwxyz1234565:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
	"nesting":                   "d1:a" + strings.Repeat("l", 500) + strings.Repeat("e", 500) + "1:q4:ping1:t2:aa1:y1:qe",
	"a giant string":            "d1:t2000000000:a",
	"more than a packet":        "d1:ad" + anID + "e1:q4:ping1:t2:aa1:v3000:" + strings.Repeat("v", 3000) + "1:y1:qe",
}

func TestHostilePackets(t *testing.T) {
	conn, stranger := open(t, "127.0.0.1"), open(t, "127.0.0.1")
	start(t, Config{IPv4: conn})
	for name, packet := range hostile {
		if p, err := parse([]byte(packet), addrOf(stranger).Addr()); err == nil {
			t.Errorf("%s: taken for %+v", name, p)
		}
		send(t, stranger, conn, packet)
	}
	await(t, stranger, conn)
}

// await pings the node until it answers: the packets before have been read.
func await(t testing.TB, stranger, conn net.PacketConn) {
	t.Helper()
	until(t, "an answer to a ping", func() bool {
		if _, err := stranger.WriteTo([]byte("d1:ad"+anID+"e1:q4:ping1:t2:aa1:y1:qe"), conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		var b [maxPacket]byte
		stranger.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, _, err := stranger.ReadFrom(b[:])
		return err == nil && strings.Contains(string(b[:n]), "1:y1:r")
	})
}

// What a scraper gets (BEP 33), and somebody who wants the other family's
// nodes (BEP 32).
func TestAmendedAnswers(t *testing.T) {
	conn, conn6, stranger := open(t, "127.0.0.1"), open(t, "::1"), open(t, "127.0.0.1")
	n := start(t, Config{IPv4: conn, IPv6: conn6})
	other := open(t, "::1")
	start(t, Config{IPv6: other})
	n.Add(addrOf(other))
	until(t, "a node of IPv6", func() bool { return n.Nodes() == 1 })

	hash := idOf("mnopqrstuvwxyz123456")
	seed, leecher := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	h := n.halves[0]
	h.mu.Lock()
	h.store.add(hash, seed, true, time.Now())
	h.store.add(hash, leecher, false, time.Now())
	h.mu.Unlock()

	send(t, stranger, conn, "d1:ad"+anID+"9:info_hash20:mnopqrstuvwxyz1234566:noseedi1e6:scrapei1e4:wantl2:n42:n6ee1:q9:get_peers1:t2:zz1:y1:qe")
	var got packet
	var b [maxPacket]byte
	for got.Transaction != "zz" {
		stranger.SetReadDeadline(time.Now().Add(patience))
		k, _, err := stranger.ReadFrom(b[:])
		if err != nil {
			t.Fatal(err)
		}
		got = packet{}
		if err := bencode.Unmarshal(b[:k], &got); err != nil {
			t.Fatal(err)
		}
	}
	r := got.Return
	if r == nil || len(r.Values) != 1 || r.Values[0] != compact(leecher) {
		t.Fatalf("peers without seeds: %+v", r)
	}
	seeds, leechers := bloom([]byte(r.Seeds)), bloom([]byte(r.Peers))
	if s, l := seeds.count(), leechers.count(); s < 0.9 || s > 1.1 || l < 0.9 || l > 1.1 {
		t.Errorf("scrape: %f seeds and %f others", s, l)
	}
	if nodes := readNodes(r.Nodes6, compact6); len(nodes) != 1 || nodes[0].addr != addrOf(other) {
		t.Errorf("nodes of IPv6: %v", nodes)
	}
}

// The example of BEP 33.
func TestBloom(t *testing.T) {
	var f bloom
	for i := range 256 {
		f.add(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	for i := range 0x3e8 {
		a := netip.MustParseAddr("2001:db8::").As16()
		a[14], a[15] = byte(i>>8), byte(i)
		f.add(netip.AddrFrom16(a))
	}
	if n := f.count(); n < 1224.9 || n > 1225 {
		t.Errorf("estimate is %f, want 1224.9308", n)
	}
	if begin := f[:4]; string(begin) != "\xf6\xc3\xf5\xea" {
		t.Errorf("filter begins with %x", begin)
	}
}

// Answers that nobody asked for change nothing, nor do those from elsewhere.
func TestUnaskedAnswers(t *testing.T) {
	conn, stranger := open(t, "127.0.0.1"), open(t, "127.0.0.1")
	n := start(t, Config{IPv4: conn})
	send(t, stranger, conn, "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re")
	h := n.halves[0]
	answer := make(chan *packet, 1)
	h.mu.Lock()
	h.pending[question{netip.MustParseAddrPort("192.0.2.1:1"), "bb"}] = answer
	h.mu.Unlock()
	send(t, stranger, conn, "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:bb1:y1:re")
	send(t, stranger, conn, "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:cc1:y1:qe")
	await(t, stranger, conn)
	if n.Nodes() != 0 || len(answer) != 0 {
		t.Error("an answer counted that was not asked for")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.store.torrents) != 0 {
		t.Error("an announce with a wrong token was taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range golden {
		f.Add([]byte(c.in))
	}
	for _, p := range hostile {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b, netip.MustParseAddr("1.2.3.4"))
		if err != nil {
			return
		}
		clean, err := p.encode()
		if err != nil {
			t.Fatalf("%q cannot be written: %v", b, err)
		}
		again, err := parse(clean, netip.MustParseAddr("1.2.3.4"))
		if err != nil {
			t.Fatalf("%q became %q: %v", b, clean, err)
		}
		if twice, err := again.encode(); err != nil || string(twice) != string(clean) {
			t.Fatalf("%q became %q, then %q", b, clean, twice)
		}
	})
}

// deaf is a connection that nothing comes from.
type deaf struct{ net.PacketConn }

func (deaf) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }

// FuzzNode gives a node whatever comes, from a stranger each time.
func FuzzNode(f *testing.F) {
	n, err := New(Config{IPv4: deaf{}, IPv6: deaf{}})
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range golden {
		f.Add([]byte(c.in))
	}
	for _, p := range hostile {
		f.Add([]byte(p))
	}
	i := 0
	f.Fuzz(func(t *testing.T, b []byte) {
		i++
		a := netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)})
		h := n.halves[0]
		h.pending[question{netip.AddrPortFrom(a, 1), "aa"}] = make(chan *packet, 1)
		h.receive(b, netip.AddrPortFrom(a, 1))
		delete(h.pending, question{netip.AddrPortFrom(a, 1), "aa"})
		if len(h.heard) == cap(h.heard) {
			<-h.heard
		}
	})
}

func TestRestore(t *testing.T) {
	for _, b := range []string{"", "x", "de", "i1e", "d3:id4i1ee", "d5:nodes3:abce", "d5:nodes26:" + strings.Repeat("\x00", 26) + "e"} {
		if v4, v6 := restore([]byte(b)); len(v4.nodes)+len(v6.nodes) != 0 {
			t.Errorf("%q has nodes", b)
		}
	}
}
