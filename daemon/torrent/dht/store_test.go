package dht

import (
	"net/netip"
	"testing"
	"time"
)

func TestStoreExpires(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newStore()
	hash := nodeID{1}
	one, two := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	moved := netip.AddrPortFrom(two.Addr(), 3)
	s.add(hash, one, false, now)
	now = now.Add(peerLifetime / 2)
	s.add(hash, two, false, now)
	s.add(hash, moved, true, now)
	if got := s.some(hash, false, now); len(got) != 2 {
		t.Errorf("peers %v, want two", got)
	}
	if got := s.some(hash, true, now); len(got) != 1 || got[0] != one {
		t.Errorf("peers without seeds %v", got)
	}
	now = now.Add(peerLifetime / 2)
	if got := s.some(hash, false, now); len(got) != 1 || got[0] != moved {
		t.Errorf("peers %v, want the newest", got)
	}
	now = now.Add(peerLifetime)
	if got := s.some(hash, false, now); len(got) != 0 || len(s.torrents) != 0 || len(s.perAddr) != 0 {
		t.Errorf("left over: %v, %v, %v", got, s.torrents, s.perAddr)
	}
}

func TestStoreIsBounded(t *testing.T) {
	s, now := newStore(), time.Unix(1e9, 0)
	peer := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
	}
	hash := func(i int) nodeID { return nodeID{byte(i >> 8), byte(i)} }
	popular := nodeID{19: 1}
	for i := range 3 * maxStored {
		s.add(popular, peer(i), false, now)
	}
	for i := range 2 * maxStoredByAddr {
		s.add(hash(i), netip.MustParseAddrPort("192.0.2.1:1"), false, now)
	}
	if n := len(s.torrents); n != 1+maxStoredByAddr {
		t.Errorf("%d torrents of one address", n)
	}
	for i := range maxTorrents + 50 {
		s.add(hash(i), peer(i), false, now)
	}
	if n := len(s.torrents[popular]); n != maxStored {
		t.Errorf("%d peers of one torrent", n)
	}
	if n := len(s.torrents); n != maxTorrents {
		t.Errorf("%d torrents", n)
	}
	if n := len(s.some(popular, false, now)); n != maxAnswer {
		t.Errorf("%d peers in an answer", n)
	}
	for addr, n := range s.perAddr {
		held := 0
		for _, peers := range s.torrents {
			if _, ok := peers[addr]; ok {
				held++
			}
		}
		if held != n {
			t.Errorf("%s counts for %d and is in %d", addr, n, held)
			break
		}
	}
}

func TestQuota(t *testing.T) {
	q, now := newQuota(), time.Unix(1e9, 0)
	one := netip.MustParseAddr("192.0.2.1")
	taken := 0
	for range 2 * quotaOfOne {
		if q.take(one, now) {
			taken++
		}
	}
	if taken != quotaOfOne {
		t.Errorf("%d queries of one address", taken)
	}
	if !q.take(netip.MustParseAddr("192.0.2.2"), now) {
		t.Error("another one has to suffer for it")
	}
	if !q.take(one, now.Add(quotaPeriod)) {
		t.Error("it is never forgiven")
	}
	for i := range 3 * maxQuotas {
		q.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(q.used) > maxQuotas {
		t.Errorf("%d addresses remembered", len(q.used))
	}
}

func TestTokens(t *testing.T) {
	var s tokens
	now := time.Unix(1e9, 0)
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	given := s.issue(one, now)
	for _, c := range []struct {
		from  netip.Addr
		after time.Duration
		want  bool
	}{
		{one, 0, true}, {two, 0, false}, {one, tokenPeriod, true}, {one, 2 * tokenPeriod, false}, {one, 9 * tokenPeriod, false},
	} {
		if got := s.valid(given, c.from, now.Add(c.after)); got != c.want {
			t.Errorf("valid for %s after %s: %v", c.from, c.after, got)
		}
	}
	if s.valid("", one, now.Add(9*tokenPeriod)) {
		t.Error("an empty token is valid")
	}
}
