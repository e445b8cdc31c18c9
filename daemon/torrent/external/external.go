// Package external finds out at which address others see us, by asking those
// who should know and believing none of them alone.
//
// Rules: a voter is a network (of an IPv4 peer the /24, of an IPv6 peer the
// /48) or a tracker; each has one vote in each family, its last one. An
// address is believed when at least three voters, and more than half of those
// that have voted, name it: one peer that lies, or a thousand of one network,
// change nothing. What is no public address counts for nothing, neither as a
// vote nor as a voter. The number of votes is bounded; the oldest is forgotten.
//
// Spec: BEP 24 (trackers), and yourip of BEP 10 (peers).
package external

import (
	"net/netip"
	"sync"
)

const (
	quorum   = 3
	maxVotes = 64 // in each family
)

// Votes are what has been said. The zero value is ready, and safe for
// concurrent use.
type Votes struct {
	mu   sync.Mutex
	four family
	six  family
}

type family struct {
	votes []vote // oldest first
	count map[netip.Addr]int
}

type vote struct {
	voter string
	seen  netip.Addr
}

// Peer takes the word of a peer at an address.
func (v *Votes) Peer(from, seen netip.Addr) {
	from, seen = from.Unmap(), seen.Unmap()
	if !public(from) || from.Is4() != seen.Is4() { // it sees the address that its packets came from
		return
	}
	bits := 24
	if from.Is6() {
		bits = 48
	}
	network, _ := from.Prefix(bits)
	v.take(network.String(), seen)
}

// Tracker takes the word of a tracker, named by its host.
func (v *Votes) Tracker(host string, seen netip.Addr) { v.take("tracker "+host, seen.Unmap()) }

func (v *Votes) take(voter string, seen netip.Addr) {
	if !public(seen) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	f := &v.six
	if seen.Is4() {
		f = &v.four
	}
	if f.count == nil {
		f.count = make(map[netip.Addr]int)
	}
	for i, old := range f.votes {
		if old.voter == voter {
			f.forget(i)
			break
		}
	}
	if len(f.votes) == maxVotes {
		f.forget(0)
	}
	f.votes = append(f.votes, vote{voter, seen})
	f.count[seen]++
}

func (f *family) forget(i int) {
	seen := f.votes[i].seen
	if f.count[seen]--; f.count[seen] == 0 {
		delete(f.count, seen)
	}
	f.votes = append(f.votes[:i], f.votes[i+1:]...)
}

// Address4 is our IPv4 address; the zero Addr when it is not known.
func (v *Votes) Address4() netip.Addr { return v.address(&v.four) }

// Address6 is our IPv6 address; the zero Addr when it is not known.
func (v *Votes) Address6() netip.Addr { return v.address(&v.six) }

func (v *Votes) address(f *family) netip.Addr {
	v.mu.Lock()
	defer v.mu.Unlock()
	for addr, n := range f.count {
		if n >= quorum && 2*n > len(f.votes) {
			return addr
		}
	}
	return netip.Addr{}
}

func public(a netip.Addr) bool { return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() }
