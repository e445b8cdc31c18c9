package utp

import "time"

// uninitialisedDelay is sent by some peers in place of "not measured".
const uninitialisedDelay = 1<<31 - 1

// receive takes a packet that carries the stream's id.
func (s *stream) receive(now time.Duration, p *packet) {
	switch {
	case s.state == ended:
		return
	case p.kind == kindReset:
		s.reset(p)
		return
	case p.kind == kindSyn:
		s.recv.ackNow = s.recv.ackNow || s.state == synReceived && p.seq == s.peerStart
		return
	case !s.plausible(p.ack):
		return
	}
	s.helloAt = 0
	if !s.handshake(now, p) {
		return
	}
	s.heard = now
	if p.stamp != 0 {
		s.echo = micros(now) - p.stamp
		s.control.delay.heard(now, s.echo)
	}
	if !before(p.ack, s.send.una-1) {
		if s.peerWindow == 0 && p.window > 0 { // what was sent against the closed window is gone
			s.rtt.timeouts, s.tailTried, s.progress = 0, false, now
			s.rtoAt = now + s.rtt.timeout()
		}
		s.setPeerWindow(p.window)
		s.acknowledge(now, p)
	}
	switch p.kind {
	case kindData:
		s.recv.data(now, p.seq, p.payload)
	case kindFin:
		s.recv.fin(p.seq)
	}
}

// plausible says that a packet acknowledges something that is or was lately in
// flight. Anything else is forged, or very late.
func (s *stream) plausible(ack uint16) bool {
	behind := int16(s.send.next - 1 - ack)
	return behind >= 0 && int(behind) <= s.send.outstanding()+ackSlack
}

// handshake moves on from the states before connected. It reports whether the
// packet is to be looked at any further.
func (s *stream) handshake(now time.Duration, p *packet) bool {
	switch s.state {
	case synSent:
		// Only the answer to the SYN tells where the peer's numbers begin; it
		// does not use up the number it names.
		if p.kind != kindState || p.ack != s.send.una {
			return false
		}
		s.state = connected
		s.recv.ack = p.seq - 1
		// Shows the peer that its answer has come, if nothing else does; and
		// again, since nothing would miss this packet.
		s.recv.ackNow, s.helloAt = true, now+initialRTO
	case synReceived:
		if p.ack != s.send.next-1 {
			return false
		}
		s.state = connected
	}
	return true
}

func (s *stream) reset(p *packet) {
	// The peer names the packet it does not know what to do with.
	behind := int16(s.send.next - p.ack)
	if behind < 0 || int(behind) > s.send.outstanding()+1 {
		return
	}
	if s.state == synSent {
		s.fail(errRefused, false)
		return
	}
	s.fail(errReset, false)
}

// acknowledge lets the peer's acknowledgements act on everything that is sent.
func (s *stream) acknowledge(now time.Duration, p *packet) {
	s.countCopies(p)
	flight := s.send.flight
	a := s.send.acknowledge(now, p.ack, p.sack, s.rtt.low)
	if a.roundTrip > 0 {
		s.rtt.sample(a.roundTrip)
	}
	if p.delay != 0 && p.delay != uninitialisedDelay && s.rtt.smooth != 0 {
		s.control.delay.reported(now, p.delay, s.rtt.latest)
	}
	if a.probe != 0 {
		s.mtu.arrived(a.probe)
	}
	if a.late {
		s.control.spurious()
	}
	if a.packets > 0 {
		s.rtt.timeouts, s.tailTried = 0, false
		s.progress = now
		s.rtoAt = now + s.rtt.timeout()
	}
	if s.send.copies >= reorderWindow && s.send.una != s.send.next {
		// A peer without selective acknowledgements: the oldest is lost, once
		// a round trip.
		if oldest := s.send.at(s.send.una); oldest.fate == inFlight && now-oldest.at >= s.rtt.smooth {
			s.send.reached = max(s.send.reached, oldest.order+reorderWindow)
		}
		s.send.copies = 0
	}
	s.findLosses(a.packets)
	if a.bytes > 0 {
		limited := flight >= s.control.window*3/4
		s.control.acknowledged(a.bytes, flight, s.mtu.size, limited)
	}
	if s.finSent && s.send.una == s.send.next && s.waitEnd == 0 {
		s.waitEnd = now + waitLimit
	}
}

// countCopies counts duplicate acknowledgements (BEP 29): state packets only,
// since data comes with the same acknowledgement while nothing is amiss.
func (s *stream) countCopies(p *packet) {
	switch {
	case p.ack != s.send.una-1:
		s.send.copies = 0
	case p.kind == kindState && p.sack == nil && s.send.packets > 0:
		s.send.copies++
	}
}

func (s *stream) findLosses(delivered int) {
	lost := 0
	var oldest uint16
	s.send.judge(func(seq uint16, p *sent) {
		if p.probe != 0 {
			return // too large, most likely: no sign of a full queue
		}
		if lost++; lost == 1 || before(seq, oldest) {
			oldest = seq
		}
	})
	s.control.count(delivered, lost, s.send.una, s.send.next)
	if lost > 0 {
		s.control.loss(oldest, s.send.next, s.mtu.size)
	}
}
