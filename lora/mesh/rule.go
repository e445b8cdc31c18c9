package mesh

import "math"

// scene is all that decides whether a node transmits something that spreads.
// What this node has from its neighbours' beacons and from listening is boiled
// down to small numbers, so that a relay without a host, which keeps its tables
// otherwise, decides alike.
type scene struct {
	load      float64 // share of the time that the channel is taken, 0 to 1
	own       bool    // this node wrote it,
	confirmed bool    // and somebody relayed it
	tries     int     // how often it sends what nobody is heard to relay
	copies    int     // received
	sent      int     // by this node
	listeners []listener
	beyond    []beyond // only looked at when sent is not 0
}

// listener is a node known to hear this one.
type listener struct {
	ways   int  // how many nodes can bring it what it lacks
	has    bool // it has sent the message, or said that it has it, or has left
	copies int  // nodes it hears that have sent the message
}

// beyond is a node that hears a listener which has not sent the message, and
// that is not known to have it nor to hear any node that sent it.
type beyond struct {
	ways  int
	blind bool // this node would not hear that listener relay
}

const (
	// wantedListeners is how many others a node should hear a message from before
	// none of them counts for much.
	wantedListeners = 3
	// fallback is how many copies make a relay needless where beacons tell nothing.
	fallback = 3
	// leastReceived bounds what load takes off the chance of a reception.
	leastReceived = 0.3
)

// relays is the rule: whether the scene is worth a transmission.
func (t *Tuning) relays(s *scene) bool {
	switch {
	case s.own && !s.confirmed && s.sent < s.tries:
		return true
	case len(s.listeners) == 0:
		return s.sent == 0 && s.copies < fallback
	case s.sent > 0:
		return t.strandedWorth(s) >= t.Again+t.AgainLoad*s.load
	}
	return t.worth(s) >= t.Threshold+t.ThresholdLoad*s.load
}

// rank is when to relay, from 0 for at once to 1: the more it is worth, the
// earlier.
func (t *Tuning) rank(s *scene) float64 {
	most := 0.0
	for _, l := range s.listeners {
		most += weight(l.ways)
	}
	if most == 0 {
		return 1
	}
	return 1 - min(t.worth(s)/most, 1)
}

// worth is how much the listeners that may lack the message are worth: each at
// most one, less when many others can bring it, and less with every copy that
// may have reached it.
func (t *Tuning) worth(s *scene) float64 {
	missed := t.missed(s.load)
	sum := 0.0
	for _, l := range s.listeners {
		if !l.has {
			sum += math.Pow(missed, float64(s.sent+l.copies)) * weight(l.ways)
		}
	}
	return sum
}

// strandedWorth is what those are worth who can have the message only through a
// listener that was not heard to relay what this node sent.
func (t *Tuning) strandedWorth(s *scene) float64 {
	unheard := math.Pow(t.missed(s.load), float64(s.sent))
	sum := 0.0
	for _, b := range s.beyond {
		chance := unheard
		if b.blind {
			chance = 1
		}
		sum += chance * weight(b.ways)
	}
	return sum
}

// missed is the chance that a listener does not receive a packet.
func (t *Tuning) missed(load float64) float64 {
	return 1 - max(t.Received-t.ReceivedLoad*load, leastReceived)
}

// weight is what one node is worth to which what it lacks can come in so many ways.
func weight(ways int) float64 {
	return min(1, wantedListeners/float64(max(ways, 1)))
}
