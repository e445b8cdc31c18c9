package external

import (
	"fmt"
	"net/netip"
	"testing"
)

var (
	truth = netip.MustParseAddr("203.0.113.5")
	lie   = netip.MustParseAddr("198.51.100.9")
	six   = netip.MustParseAddr("2001:db8::5")
)

func at(text string, n ...any) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(text, n...)) }

func honest(v *Votes, networks ...int) {
	for _, n := range networks {
		v.Peer(at("8.8.%d.1", n), truth)
	}
}

func TestVotes(t *testing.T) {
	var none netip.Addr
	cases := []struct {
		name      string
		cast      func(v *Votes)
		four, six netip.Addr
	}{
		{"nobody", func(*Votes) {}, none, none},
		{"two", func(v *Votes) { honest(v, 1, 2) }, none, none},
		{"three", func(v *Votes) { honest(v, 1, 2, 3) }, truth, none},
		{"three times the same network", func(v *Votes) { honest(v, 1, 1, 1) }, none, none},
		{"a thousand liars of one network", func(v *Votes) {
			honest(v, 1, 2, 3)
			for i := range 1000 {
				v.Peer(at("9.9.9.%d", i%256), lie)
			}
		}, truth, none},
		{"as many liars of other networks", func(v *Votes) {
			honest(v, 1, 2, 3)
			for i := range 3 {
				v.Peer(at("9.9.%d.1", i), lie)
			}
		}, none, none},
		{"more honest ones than liars", func(v *Votes) {
			v.Peer(at("9.9.9.9"), lie)
			honest(v, 1, 2, 3)
			v.Peer(at("9.9.8.9"), lie)
		}, truth, none},
		{"one who changes its mind", func(v *Votes) {
			honest(v, 1, 2, 3)
			v.Peer(at("8.8.3.1"), lie)
		}, none, none},
		{"trackers, each once", func(v *Votes) {
			for i := range 9 {
				v.Tracker("a", lie)
				v.Tracker(fmt.Sprint(i%3), truth)
			}
		}, truth, none},
		{"voters of a home network", func(v *Votes) {
			for i := range 9 {
				v.Peer(at("192.168.%d.1", i), lie)
				v.Peer(at("127.0.%d.1", i), lie)
			}
		}, none, none},
		{"addresses of a home network", func(v *Votes) {
			for i := range 9 {
				v.Peer(at("8.8.%d.1", i), at("192.168.0.1"))
				v.Peer(at("8.8.%d.1", i), at("0.0.0.0"))
				v.Peer(at("8.8.%d.1", i), none)
			}
		}, none, none},
		{"a family of its own", func(v *Votes) {
			honest(v, 1, 2, 3)
			for i := range 4 {
				v.Peer(at("2001:db8:%d::1", i), six)
				v.Peer(at("2001:db8:%d::1", i), truth) // it cannot know
				v.Peer(at("8.8.%d.1", i), six)
			}
		}, truth, six},
		{"mapped addresses", func(v *Votes) {
			for i := range 3 {
				v.Peer(at("::ffff:8.8.%d.1", i), at("::ffff:203.0.113.5"))
			}
		}, truth, none},
	}
	for _, c := range cases {
		var v Votes
		c.cast(&v)
		if four, six := v.Address4(), v.Address6(); four != c.four || six != c.six {
			t.Errorf("%s: %v and %v, want %v and %v", c.name, four, six, c.four, c.six)
		}
	}
}

// Votes grow old when others come, and take no more room than that.
func TestVotesAreBounded(t *testing.T) {
	var v Votes
	honest(&v, 1, 2, 3)
	for i := range 100 * maxVotes {
		v.Peer(at("9.%d.%d.1", i/256, i%256), at("20.%d.%d.1", i/256, i%256))
	}
	if len(v.four.votes) != maxVotes || len(v.four.count) > maxVotes || v.Address4().IsValid() {
		t.Errorf("%d votes, %d addresses, %v", len(v.four.votes), len(v.four.count), v.Address4())
	}
}
