package mesh

import "time"

// Waits follow the time on air of a packet of usual length, so that a fast setting
// of the radio is a fast network; none is shorter than hosts and boards need to
// answer at all. A needless repetition costs more than a wait.
const (
	hopPackets   = 7                // for a neighbour to pass a message on, besides its time on the air,
	hopAcks      = 14               // an acknowledgement, which it holds back when the channel is busy,
	hopLeast     = time.Second      // at least,
	busyPatience = 6                // and how many times as long more when the channel is always busy
	rideLeast    = 6                // that an acknowledgement waits for company if it has several hops to go,
	rideBusy     = 80               // and how many more when the channel is always busy,
	rideCalm     = 0.1              // but for the share of it up to which it is calm
	turnPackets  = 3                // of a relay, between hearing a packet and passing it on
	turnLeast    = time.Second / 2  // at least
	ackPackets   = 332              // for an acknowledgement, besides what the hops take
	ackLeast     = 10 * time.Second // at least,
	ackBusy      = 12               // and how many times as long more when the channel is always busy,
	ackCalm      = 0.15             // but for the share of it up to which it is not
	blindPackets = 2740             // between the first two floods to a receiver to whom no way is known,
	blindLeast   = 10 * time.Second // at least,
	blindDoubled = 3                // and how often that doubles
	maxBackoff   = 15 * time.Minute
)

// packets is how long some packets of usual length take, or least.
func (m *Mesh) packets(n float64, least time.Duration) time.Duration {
	return max(time.Duration(n*float64(m.cfg.Airtime(usualSize))), least)
}

// hopPatience is how long a neighbour may take to pass on a message of some bytes
// on a calm channel, and ackPatience an acknowledgement, or to acknowledge.
func (m *Mesh) hopPatience(bytes int) time.Duration {
	return 2*m.cfg.Airtime(bytes) + m.packets(hopPackets, hopLeast)
}

func (m *Mesh) ackPatience(bytes int) time.Duration {
	return 2*m.cfg.Airtime(bytes) + m.packets(hopAcks, hopLeast)
}

// ride is how long an acknowledgement waits for a packet with which it can go: it costs
// a third of what it does alone. Between two neighbours it does not on a calm channel.
func (m *Mesh) ride(neighbours bool, now time.Time) time.Duration {
	packets := rideBusy * max(m.load.share(now)-rideCalm, 0)
	if !neighbours {
		packets += rideLeast
	}
	return m.packets(packets, 0)
}

// busy is how many times as long something may take as on a calm channel.
func (m *Mesh) busy(now time.Time) float64 { return 1 + busyPatience*m.load.share(now) }

// roundTrip is how long a message and its acknowledgement take over some hops when
// nothing is lost.
func (m *Mesh) roundTrip(hops int, now time.Time) time.Duration {
	hop := 2*m.cfg.Airtime(usualSize) + m.cfg.Airtime(ackSize) + m.packets(turnPackets, turnLeast)
	return time.Duration(float64(hop)*m.busy(now)) * time.Duration(max(hops, 1)+1)
}
