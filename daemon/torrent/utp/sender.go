package utp

import "time"

const (
	maxUnsent     = 256 << 10 // bytes written and not yet sent
	maxPackets    = 8192      // in flight
	freeSmall     = 16        // small packets in flight before further ones wait to grow
	reorderWindow = 3         // packets that may overtake one before it counts as lost (BEP 29)

	// reorderBytes is what deployed peers divide their buffer by to get the
	// number of packets they hold out of order.
	reorderBytes = 1100
	leastReorder = 16
)

type fate uint8

const (
	inFlight fate = iota
	missing       // to be sent again
	arrived
)

// sent is one packet with a sequence number.
type sent struct {
	kind   kind
	fate   fate
	small  bool
	sends  int
	probe  int // size it was padded to; 0 without padding
	length int // bytes of payload
	offset uint64
	order  uint64 // of its last transmission
	at     time.Duration
}

type transmission struct {
	order uint64
	seq   uint16
}

// sender is the outgoing half of a stream: bytes written, cut into packets,
// kept until acknowledged, and found lost.
type sender struct {
	queue queue  // written, not acknowledged in order
	head  uint64 // offset of the queue's first byte in the stream
	cut   uint64 // offset of the first byte not yet in a packet

	ring      []sent // by sequence number, a power of two long
	una, next uint16 // oldest not acknowledged, next to use
	flight    int    // bytes sent and neither acknowledged nor lost
	packets   int    // as many packets
	small     int    // of them small

	order   uint64         // of the last transmission
	reached uint64         // highest order known to have arrived
	log     []transmission // in order, not yet judged
	resend  []uint16       // lost, oldest first
	copies  int            // state packets in a row that acknowledge nothing new

	retransmitted uint64
}

func newSender(pool *chunkPool, seq uint16) sender {
	return sender{queue: queue{pool: pool}, ring: make([]sent, 16), una: seq, next: seq}
}

func (s *sender) at(seq uint16) *sent { return &s.ring[int(seq)&(len(s.ring)-1)] }

// outstanding is the number of packets not acknowledged in order.
func (s *sender) outstanding() int { return int(s.next - s.una) }

func (s *sender) unsent() int { return int(s.head + uint64(s.queue.length) - s.cut) }

// write takes as much of p as may wait to be sent.
func (s *sender) write(p []byte) int {
	n := min(len(p), maxUnsent-s.unsent())
	if n <= 0 {
		return 0
	}
	s.queue.append(p[:n])
	return n
}

// add gives the next length unsent bytes, or a packet without payload, a
// sequence number.
func (s *sender) add(k kind, length int, small bool) uint16 {
	if s.outstanding() == len(s.ring) {
		grown := make([]sent, 2*len(s.ring))
		for seq := s.una; seq != s.next; seq++ {
			grown[int(seq)&(len(grown)-1)] = *s.at(seq)
		}
		s.ring = grown
	}
	seq := s.next
	*s.at(seq) = sent{kind: k, fate: missing, small: small, length: length, offset: s.cut}
	s.cut += uint64(length)
	s.next++
	return seq
}

// sending takes note that seq is sent now.
func (s *sender) sending(now time.Duration, seq uint16) *sent {
	p := s.at(seq)
	if p.fate == missing {
		p.fate = inFlight
		s.flight += p.length
		s.packets++
		if p.small {
			s.small++
		}
	}
	if p.sends++; p.sends > 1 {
		s.retransmitted++
	}
	s.order++
	p.order, p.at = s.order, now
	s.log = append(s.log, transmission{s.order, seq})
	return p
}

func (s *sender) leave(p *sent, f fate) {
	if p.fate == inFlight {
		s.flight -= p.length
		s.packets--
		if p.small {
			s.small--
		}
	}
	p.fate = f
}

// acknowledgement is what one packet from the peer said of ours.
type acknowledgement struct {
	bytes, packets int           // newly acknowledged
	advanced       bool          // the oldest packet was among them
	roundTrip      time.Duration // of the one sent last, 0 when none was sent only once
	late           bool          // one arrived although it had been given up, before it was sent again
	probe          int           // size of the probe that arrived, 0 for none
}

// acknowledge takes an acknowledgement of every packet up to ack and of those
// in mask. lowRoundTrip tells a first transmission from a second one.
func (s *sender) acknowledge(now time.Duration, ack uint16, mask []byte, lowRoundTrip time.Duration) acknowledgement {
	var a acknowledgement
	var newest uint64
	settle := func(p *sent) {
		if p.fate == arrived {
			return
		}
		a.bytes += p.length
		a.packets++
		if p.probe != 0 {
			a.probe = p.probe
		}
		a.late = a.late || p.fate == missing && p.sends == 1
		age := now - p.at
		if p.sends == 1 || age >= lowRoundTrip {
			s.reached = max(s.reached, p.order)
		}
		if p.sends == 1 && p.order > newest {
			newest, a.roundTrip = p.order, age
		}
		s.leave(p, arrived)
	}
	for s.una != s.next && !before(ack, s.una) {
		settle(s.at(s.una))
		s.una++
		a.advanced = true
	}
	for i := range len(mask) * 8 {
		seq := ack + 2 + uint16(i)
		if !before(seq, s.next) {
			break
		}
		if sackBit(mask, i) && !before(seq, s.una) {
			settle(s.at(seq))
		}
	}
	s.release()
	return a
}

// release gives back the bytes acknowledged in order.
func (s *sender) release() {
	end := s.cut
	if s.una != s.next {
		end = s.at(s.una).offset
	}
	if n := int(end - s.head); n > 0 {
		s.queue.discard(n)
		s.head = end
	}
}

// judge finds the packets that were overtaken by reorderWindow others, and
// calls lost for each. What is sent again may be lost again and is found again:
// packets are compared by their transmissions, not by their numbers.
func (s *sender) judge(lost func(seq uint16, p *sent)) {
	judged := 0
	for _, t := range s.log {
		p := s.at(t.seq)
		current := !before(t.seq, s.una) && p.order == t.order && p.fate == inFlight
		if current && t.order+reorderWindow > s.reached {
			break
		}
		judged++
		if current {
			s.lose(t.seq)
			lost(t.seq, p)
		}
	}
	s.log = s.log[:copy(s.log, s.log[judged:])]
}

func (s *sender) lose(seq uint16) {
	s.leave(s.at(seq), missing)
	s.resend = append(s.resend, seq)
}

// loseAll gives up on everything in flight, after a time-out.
func (s *sender) loseAll() {
	s.resend, s.log = s.resend[:0], s.log[:0]
	for seq := s.una; seq != s.next; seq++ {
		if s.at(seq).fate != arrived {
			s.lose(seq)
		}
	}
}

// nextLost is the oldest packet to send again.
func (s *sender) nextLost() (uint16, bool) {
	drop := 0
	for drop < len(s.resend) && (before(s.resend[drop], s.una) || s.at(s.resend[drop]).fate != missing) {
		drop++
	}
	if drop > 0 {
		s.resend = s.resend[:copy(s.resend, s.resend[drop:])]
	}
	if len(s.resend) == 0 {
		return 0, false
	}
	return s.resend[0], true
}

// newestInFlight is the packet in flight with the highest number.
func (s *sender) newestInFlight() (uint16, bool) {
	for seq := s.next; seq != s.una; {
		seq--
		if s.at(seq).fate == inFlight {
			return seq, true
		}
	}
	return 0, false
}
