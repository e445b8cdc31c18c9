package mesh

import "time"

// Waits follow the time on air of a packet of usual length, so that a fast setting
// of the radio is a fast network; none is shorter than hosts and boards need to
// answer at all. A needless repetition costs more than a wait.
const (
	hopPackets   = 14               // for a neighbour to pass a packet on, besides its time on the air,
	hopLeast     = time.Second      // at least,
	busyPatience = 6                // and how many times as long more when the channel is always busy
	turnPackets  = 3                // of a relay, between hearing a packet and passing it on
	turnLeast    = time.Second / 2  // at least
	ackPackets   = 332              // for an acknowledgement, besides what the hops take
	ackLeast     = 10 * time.Second // at least
	maxBackoff   = 15 * time.Minute
)

// packets is how long some packets of usual length take, or least.
func (m *Mesh) packets(n float64, least time.Duration) time.Duration {
	return max(time.Duration(n*float64(m.cfg.Airtime(usualSize))), least)
}

// hopPatience is how long a neighbour may take to pass on a packet of some bytes
// on a calm channel.
func (m *Mesh) hopPatience(bytes int) time.Duration {
	return 2*m.cfg.Airtime(bytes) + m.packets(hopPackets, hopLeast)
}

// busy is how many times as long something may take as on a calm channel.
func (m *Mesh) busy(now time.Time) float64 { return 1 + busyPatience*m.load.share(now) }

// roundTrip is how long a message and its acknowledgement take over some hops when
// nothing is lost.
func (m *Mesh) roundTrip(hops int, now time.Time) time.Duration {
	hop := 2*m.cfg.Airtime(usualSize) + m.cfg.Airtime(ackSize) + m.packets(turnPackets, turnLeast)
	return time.Duration(float64(hop)*m.busy(now)) * time.Duration(max(hops, 1)+1)
}

// floodTrip is how long a flood takes to find its receiver, and the answer, which
// is one, too, to come back.
func (m *Mesh) floodTrip(hops int, now time.Time) time.Duration {
	window := (m.tuning.Window + m.tuning.WindowLoad*m.load.share(now)) / 2
	return m.packets(2*float64(hops)*(window+1), 2*time.Duration(hops)*turnLeast)
}
