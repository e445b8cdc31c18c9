package utp

import "time"

// turnPackets is how many packets a stream may send before others get a turn.
const turnPackets = 4 * maxSegments

// poll appends to out, which must not be full, what the stream has to send
// now. It reports whether another turn would send more.
func (s *stream) poll(now time.Duration, out *outbox) (more bool) {
	s.expire(now)
	s.paced = false
	if s.state == ended {
		if s.resetDue {
			s.resetDue = false
			s.putControl(now, out, kindReset)
		}
		return false
	}
	s.pace.update(now, s.control.window, s.mtu.size, s.rtt.estimate(), s.control.slowStart)
	if tail, ok := s.tailAt(); ok && s.send.packets > 0 && now >= tail {
		s.tailTried = true
		if seq, ok := s.send.newestInFlight(); ok {
			s.putData(now, out, seq)
		}
	}
	for range turnPackets {
		if out.full() {
			return true
		}
		seq, ok := s.next(now)
		if !ok {
			if s.recv.ackNow || s.recv.pending > 0 && now >= s.recv.ackAt || now-s.spoke >= keepAlive {
				s.putControl(now, out, kindState)
			}
			return false
		}
		s.putData(now, out, seq)
	}
	return true
}

// next is the packet to send now: a lost one before a new one. It makes new
// ones out of the bytes waiting.
func (s *stream) next(now time.Duration) (uint16, bool) {
	if seq, ok := s.send.nextLost(); ok {
		return seq, s.fits(s.send.at(seq).length)
	}
	if s.state != connected || s.send.outstanding() >= s.peerReorder {
		return 0, false
	}
	unsent := s.send.unsent()
	if unsent == 0 {
		if s.closing && !s.finSent {
			s.finSent, s.finSeq = true, s.send.add(kindFin, 0, false)
			return s.finSeq, true
		}
		return 0, false
	}
	room := s.mtu.size - headerLen
	length := min(unsent, room)
	small := length < room
	if small && s.send.small >= freeSmall && !s.closing {
		return 0, false
	}
	if allowed := s.peerAllows(now, length); allowed < length {
		length, small = allowed, true
	}
	if length == 0 || !s.fits(length) {
		return 0, false
	}
	return s.send.add(kindData, length, small), true
}

// fits asks the congestion window and the pacer.
func (s *stream) fits(length int) bool {
	if s.send.flight > 0 && s.send.flight+length > s.control.window {
		return false
	}
	s.paced = !s.pace.allows()
	return !s.paced
}

// peerAllows is how many of length bytes the peer's window lets through. With
// bytes in flight it is all or nothing: crumbs would beget crumbs. A closed
// window is tried now and then, since the packet that opens it may be lost.
func (s *stream) peerAllows(now time.Duration, length int) int {
	switch {
	case s.send.flight+length <= s.peerWindow:
		s.persistAt = 0
		return length
	case s.send.flight > 0:
		return 0
	case s.peerWindow > 0:
		return s.peerWindow
	case s.persistAt == 0:
		s.persistAt = now + s.rtt.timeout()
		return 0
	case now < s.persistAt:
		return 0
	}
	s.persistAt = 0
	return length
}

// putData sends packet seq, for the first time or again.
func (s *stream) putData(now time.Duration, out *outbox, seq uint16) {
	p := s.send.sending(now, seq)
	if p.probe != 0 { // again: the larger size did not get through
		s.mtu.missing(now, p.probe)
		p.probe = 0
	}
	size := headerLen + p.length
	if p.sends == 1 {
		s.progress = now
		if want := s.mtu.wanted(now); want > size && p.length > 0 && !p.small && s.control.window > 3*want {
			p.probe = want
			s.mtu.sent(want)
		}
	}
	b := out.packet(max(size, p.probe), size > s.mtu.size)
	extension := byte(0)
	if p.probe != 0 {
		extension = extensionPadding
		putPadding(b[headerLen : len(b)-p.length])
	}
	h := s.header(now, p.kind, seq)
	if p.kind == kindSyn {
		h.id = s.recvID
	}
	h.putHeader(b, extension)
	s.send.queue.copyAt(b[len(b)-p.length:], int(p.offset-s.send.head))

	s.pace.spend(len(b))
	if s.send.packets == 1 {
		s.rtoAt = now + s.rtt.timeout()
	}
	s.spoke = now
	if s.recv.count == 0 { // else the selective acknowledgement is still owed
		s.recv.acknowledged()
	}
}

// putControl sends a packet without a sequence number of its own.
func (s *stream) putControl(now time.Duration, out *outbox, k kind) {
	seq := s.send.next
	if s.finSent {
		seq = s.finSeq // peers drop anything numbered after the FIN
	}
	mask := 0
	if k == kindState {
		mask = sackLen(s.recv.sackSpan())
	}
	h := s.header(now, k, seq)
	if mask == 0 {
		h.putHeader(out.packet(headerLen, false), 0)
	} else {
		b := out.packet(headerLen+2+mask, false)
		h.putHeader(b, extensionSack)
		b[headerLen], b[headerLen+1] = 0, byte(mask)
		s.recv.putSack(b[headerLen+2:])
	}
	s.spoke = now
	s.recv.acknowledged()
}

func (s *stream) header(now time.Duration, k kind, seq uint16) packet {
	return packet{
		kind: k, id: s.sendID, stamp: micros(now), delay: s.echo,
		window: uint32(s.recv.window()), seq: seq, ack: s.recv.ack,
	}
}
