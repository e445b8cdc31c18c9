package dht

import (
	"net/netip"
	"slices"
	"time"
)

const (
	bucketSize  = 8                // K of BEP 5
	firstBucket = 128              // the far buckets hold more, half of that each
	goodFor     = 15 * time.Minute // since it was last heard
	maxFailed   = 2                // queries in a row without an answer
)

// contact is a node as others tell of it.
type contact struct {
	id   nodeID
	addr netip.AddrPort
}

// entry is a contact in the table.
type entry struct {
	contact
	answered time.Time // last; zero for one that never has
	asked    time.Time // us something, last
	tried    time.Time // by us, last
	failed   int
}

func (e *entry) good(now time.Time) bool {
	return e.failed == 0 && !e.answered.IsZero() && (now.Sub(e.answered) < goodFor || now.Sub(e.asked) < goodFor)
}

func (e *entry) bad() bool { return e.failed >= maxFailed || e.failed > 0 && e.answered.IsZero() }

// table is the routing table (BEP 5): the nodes by how much of their id is
// ours. It is guarded by its owner.
type table struct {
	own     nodeID
	buckets [8*idLen + 1][]*entry
	byAddr  map[netip.AddrPort]*entry
	hosts   map[netip.Addr]int // entries of an address
}

func newTable(own nodeID) *table {
	return &table{own: own, byAddr: make(map[netip.AddrPort]*entry), hosts: make(map[netip.Addr]int)}
}

func room(bucket int) int { return max(bucketSize, firstBucket>>min(bucket, 8)) }

// hear takes a node that has asked us something, that has answered, or that we
// were told of. It reports whether it is new.
func (t *table) hear(c contact, answered, asked bool, now time.Time) (isNew bool) {
	e := t.byAddr[c.addr]
	if e != nil && e.id != c.id {
		if !answered {
			return false // only one who answers can prove to be another
		}
		t.remove(e)
		e = nil
	}
	if e == nil {
		if e = t.insert(c, answered, now); e == nil {
			return false
		}
		isNew = true
	}
	if answered {
		e.answered, e.failed = now, 0
	}
	if asked {
		e.asked = now
	}
	return isNew
}

func (t *table) insert(c contact, answered bool, now time.Time) *entry {
	if c.id == t.own || t.hosts[c.addr.Addr()] > 0 && !isLocal(c.addr.Addr()) {
		return nil // one node of an address, so that nobody fills the table
	}
	i := t.own.prefix(c.id)
	if len(t.buckets[i]) >= room(i) && !t.evict(i, answered, now) {
		return nil
	}
	e := &entry{contact: c}
	t.buckets[i] = append(t.buckets[i], e)
	t.byAddr[c.addr] = e
	t.hosts[c.addr.Addr()]++
	return e
}

// evict makes room in a bucket: bad nodes go, and for one that has answered
// those that never have.
func (t *table) evict(i int, answered bool, now time.Time) bool {
	for _, e := range t.buckets[i] {
		if e.bad() || answered && e.answered.IsZero() {
			t.remove(e)
			return true
		}
	}
	return false
}

func (t *table) remove(e *entry) {
	i := t.own.prefix(e.id)
	t.buckets[i] = slices.DeleteFunc(t.buckets[i], func(o *entry) bool { return o == e })
	delete(t.byAddr, e.addr)
	if t.hosts[e.addr.Addr()]--; t.hosts[e.addr.Addr()] <= 0 {
		delete(t.hosts, e.addr.Addr())
	}
}

// fail counts a query that was not answered.
func (t *table) fail(addr netip.AddrPort) {
	if e := t.byAddr[addr]; e != nil {
		e.failed++
	}
}

// closest are the n nodes nearest to a target that are not bad, or only those
// that are good.
func (t *table) closest(target nodeID, n int, onlyGood bool, now time.Time) []contact {
	var list []contact
	for _, e := range t.byAddr {
		if e.bad() || onlyGood && !e.good(now) {
			continue
		}
		list = append(list, e.contact)
	}
	slices.SortFunc(list, func(a, b contact) int { return target.closer(a.id, b.id) })
	return list[:min(n, len(list))]
}

// doubtful are nodes to be asked whether they are there still, those first that
// were tried longest ago.
func (t *table) doubtful(n int, now time.Time) []contact {
	var list []*entry
	for _, e := range t.byAddr {
		if !e.good(now) && now.Sub(e.tried) >= upkeepIfFew {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return a.tried.Compare(b.tried) })
	contacts := make([]contact, 0, n)
	for _, e := range list[:min(n, len(list))] {
		e.tried = now
		if e.failed > maxFailed {
			t.remove(e)
			continue
		}
		contacts = append(contacts, e.contact)
	}
	return contacts
}

func (t *table) good(now time.Time) (n int) {
	for _, e := range t.byAddr {
		if e.good(now) {
			n++
		}
	}
	return n
}

// thin is a bucket that has room and should not, given how many nodes there
// are further away; -1 when there is none.
func (t *table) thin() int {
	for i := len(t.buckets) - 1; i >= 0; i-- {
		if len(t.buckets[i]) > 0 { // the nearest that anybody is in
			for j := range i + 1 {
				if len(t.buckets[j]) < bucketSize {
					return j
				}
			}
			return i
		}
	}
	return -1
}
