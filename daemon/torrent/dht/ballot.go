package dht

import "net/netip"

const (
	maxVoters = 50 // the newest count
	minVoters = 8  // before anything is believed
)

// ballot finds out which address others see us at: what most of the newest
// voters say, one vote an address, so that a few liars change nothing.
type ballot struct {
	voters []netip.Addr // oldest first
	votes  map[netip.Addr]netip.Addr
}

func newBallot() *ballot { return &ballot{votes: make(map[netip.Addr]netip.Addr)} }

func (b *ballot) vote(voter, ours netip.Addr) {
	if _, again := b.votes[voter]; !again {
		if len(b.voters) == maxVoters {
			delete(b.votes, b.voters[0])
			b.voters = b.voters[1:]
		}
		b.voters = append(b.voters, voter)
	}
	b.votes[voter] = ours
}

// winner is the address that more than half agree on.
func (b *ballot) winner() (netip.Addr, bool) {
	if len(b.votes) < minVoters {
		return netip.Addr{}, false
	}
	count := make(map[netip.Addr]int)
	for _, ours := range b.votes {
		if count[ours]++; 2*count[ours] > len(b.votes) {
			return ours, true
		}
	}
	return netip.Addr{}, false
}
