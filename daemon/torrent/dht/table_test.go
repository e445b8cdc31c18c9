package dht

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func public(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
}

func (t *table) size() (n int) {
	for _, b := range t.buckets {
		n += len(b)
	}
	return n
}

func TestTableIsBounded(t *testing.T) {
	own, now := randomID(), time.Unix(1e9, 0)
	tb := newTable(own)
	for i := range 5000 {
		tb.hear(contact{randomID(), public(i)}, i%2 == 0, true, now)
		tb.hear(contact{own.within(i % 160), public(10000 + i)}, true, false, now)
	}
	for i, b := range tb.buckets {
		if len(b) > room(i) {
			t.Errorf("bucket %d has %d nodes", i, len(b))
		}
	}
	if tb.size() != len(tb.byAddr) || tb.size() != len(tb.hosts) {
		t.Errorf("%d nodes, %d addresses, %d hosts", tb.size(), len(tb.byAddr), len(tb.hosts))
	}
	target := randomID()
	list := tb.closest(target, 8, true, now)
	if len(list) != 8 || !slices.IsSortedFunc(list, func(a, b contact) int { return target.closer(a.id, b.id) }) {
		t.Errorf("closest: %v", list)
	}
}

// Who answers displaces who never has, and bad ones go.
func TestTableEvicts(t *testing.T) {
	now := time.Unix(1e9, 0)
	tb := newTable(nodeID{})
	near := func(i int) nodeID { return nodeID{2: 0x80, 19: byte(i)} } // all in bucket 16
	for i := range 2 * bucketSize {
		tb.hear(contact{near(i), public(i)}, false, true, now)
	}
	if tb.size() != bucketSize || tb.good(now) != 0 {
		t.Fatalf("%d nodes, %d good", tb.size(), tb.good(now))
	}
	for i := range 2 * bucketSize {
		tb.hear(contact{near(100 + i), public(100 + i)}, true, false, now)
	}
	if tb.size() != bucketSize || tb.good(now) != bucketSize {
		t.Fatalf("%d nodes, %d good", tb.size(), tb.good(now))
	}
	victim := tb.closest(nodeID{}, 1, true, now)[0]
	tb.fail(victim.addr)
	if tb.hear(contact{near(200), public(200)}, true, false, now) {
		t.Error("one missing answer made a good node bad")
	}
	tb.fail(victim.addr)
	if !tb.hear(contact{near(200), public(200)}, true, false, now) {
		t.Error("a bad node was kept")
	}
}

// One address is one node, and nobody takes another's place by asking.
func TestTableOneNodeOfAnAddress(t *testing.T) {
	now := time.Unix(1e9, 0)
	tb := newTable(randomID())
	a := public(1)
	first, second := randomID(), randomID()
	tb.hear(contact{first, a}, true, false, now)
	tb.hear(contact{second, netip.AddrPortFrom(a.Addr(), 2)}, true, false, now)
	tb.hear(contact{second, a}, false, true, now)
	if tb.size() != 1 || tb.byAddr[a].id != first {
		t.Fatalf("%d nodes", tb.size())
	}
	tb.hear(contact{second, a}, true, false, now) // restarted
	if tb.size() != 1 || tb.byAddr[a].id != second {
		t.Error("its new id is not taken")
	}
	tb.hear(contact{tb.own, public(7)}, true, false, now)
	if tb.size() != 1 {
		t.Error("we are in our own table")
	}
}

func TestWithin(t *testing.T) {
	id := randomID()
	for n := range 160 {
		if got := id.prefix(id.within(n)); got != n {
			t.Errorf("%d bits shared, want %d", got, n)
		}
	}
}

// A search is over when the nearest that matter have answered, and asks nobody
// twice.
func TestShortlist(t *testing.T) {
	target := randomID()
	l := newShortlist(target)
	for i := range 3 * maxShortlist {
		l.add(contact{randomID(), public(i)})
		l.add(contact{randomID(), public(i)})
		l.add(contact{randomID(), netip.AddrPortFrom(public(i).Addr(), 99)})
	}
	if len(l.list) != maxShortlist {
		t.Errorf("%d nodes on the list", len(l.list))
	}
	asked := 0
	for c := l.next(); c != nil; c = l.next() {
		c.state = answered
		if asked++; asked == 3 {
			c.state = silent
		}
	}
	if asked != bucketSize+1 || len(l.nearest()) != bucketSize {
		t.Errorf("asked %d, %d answered", asked, len(l.nearest()))
	}
}
