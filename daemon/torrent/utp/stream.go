package utp

import (
	"net"
	"syscall"
	"time"
)

type state uint8

const (
	synSent     state = iota
	synReceived       // the peer has not shown yet that it got our answer
	connected
	ended
)

// Limits of a stream's patience.
const (
	maxSyns           = 6
	maxHellos         = 3
	maxTimeouts       = 7                // in a row, with no packet from the peer in between
	handshakeLimit    = 10 * time.Second // for the third packet of a handshake
	idleLimit         = 5 * time.Minute  // without a packet at all
	keepAlive         = 29 * time.Second // home routers forget a UDP flow after 30 s
	closeLimit        = 30 * time.Second // to deliver what is left after Close
	waitLimit         = 3 * time.Second  // for the peer's FIN after ours
	ackSlack          = 1024             // packets by which an acknowledgement may be late
	closedWindowRetry = 10 * time.Second // at most, while the peer takes nothing
	tailDelay         = 20 * time.Millisecond
)

// stream is one connection as a state machine. Times are since an arbitrary
// start. Callers serialise calls, and after receive, write, read, close or at
// deadline call poll, which says what to send.
type stream struct {
	state          state
	recvID, sendID uint16
	peerStart      uint16 // sequence number of the peer's SYN
	err            error  // why it ended, for Read and Write
	resetDue       bool

	send    sender
	recv    receiver
	control congestion
	rtt     roundTrip
	mtu     pathMTU
	pace    pacer

	peerWindow  int
	peerReorder int    // packets the peer holds out of order, as far as we can tell
	echo        uint32 // delay of the peer's last packet

	hello   int           // times the end of our handshake was repeated
	helloAt time.Duration // when to do it again; 0: the peer has heard it

	closing bool // no more writes; FIN follows the last byte
	finSent bool
	finSeq  uint16

	began      time.Duration
	heard      time.Duration // last packet from the peer
	spoke      time.Duration // last packet to it
	progress   time.Duration // last acknowledgement of something new, or something new sent
	rtoAt      time.Duration // valid while packets are in flight
	unanswered int           // time-outs without a packet from the peer
	tailTried  bool          // since the last progress
	persistAt  time.Duration // next try against a closed window; 0: not closed
	paced      bool          // something waits for the pacer alone
	closedAt   time.Duration
	waitEnd    time.Duration // FIN acknowledged: when to stop waiting for the peer's
}

// streamConfig is what a stream is made of. Sequence numbers and ids come from
// the caller, who has the randomness.
type streamConfig struct {
	pool    *chunkPool
	now     time.Duration
	id      uint16 // the one in the SYN
	seq     uint16 // first sequence number of ours
	buffer  int    // largest receive buffer
	mtu     pathMTU
	reserve func(int) bool
}

func newStream(c streamConfig) *stream {
	s := &stream{
		send: newSender(c.pool, c.seq), recv: newReceiver(c.pool, c.buffer), mtu: c.mtu,
		control: newCongestion(c.mtu.size), peerReorder: leastReorder,
		began: c.now, heard: c.now, spoke: c.now, progress: c.now,
	}
	s.recv.reserve, s.recv.since = c.reserve, c.now
	return s
}

// dialStream starts a connection: its first poll sends the SYN.
func dialStream(c streamConfig) *stream {
	s := newStream(c)
	s.state, s.recvID, s.sendID = synSent, c.id, c.id+1
	s.send.resend = append(s.send.resend, s.send.add(kindSyn, 0, false))
	return s
}

// acceptStream answers the SYN with c.id.
func acceptStream(c streamConfig, syn *packet) *stream {
	s := newStream(c)
	s.state, s.recvID, s.sendID = synReceived, c.id+1, c.id
	s.peerStart, s.recv.ack = syn.seq, syn.seq
	s.echo = micros(c.now) - syn.stamp
	s.setPeerWindow(syn.window)
	s.recv.ackNow = true
	return s
}

func micros(now time.Duration) uint32 { return uint32(now / time.Microsecond) }

func (s *stream) setPeerWindow(w uint32) {
	if s.peerWindow = int(min(w, maxWindow)); w > 0 {
		s.persistAt = 0
	}
	s.peerReorder = min(max(s.peerReorder, s.peerWindow/reorderBytes), maxPackets)
}

// write takes bytes to send, as many as there is room for.
func (s *stream) write(p []byte) (int, error) {
	switch {
	case s.err != nil:
		return 0, s.err
	case s.closing || s.state == ended:
		return 0, net.ErrClosed
	}
	return s.send.write(p), nil
}

// read moves received bytes into p. ok is false when there is nothing yet.
func (s *stream) read(now time.Duration, p []byte) (n int, ok bool, err error) {
	switch {
	case s.recv.ready.length > 0:
		return s.recv.consume(now, p, s.rtt.estimate()), true, nil
	case s.recv.ended:
		return 0, true, nil
	case s.err != nil:
		return 0, true, s.err
	}
	return 0, false, nil
}

func (s *stream) readable() bool {
	return s.recv.ready.length > 0 || s.recv.ended || s.err != nil
}

// writable says that a waiting writer has enough room to be worth waking.
func (s *stream) writable() bool { return s.send.unsent() <= maxUnsent/2 || s.err != nil }

// close sends what is left and says goodbye. Nothing more is delivered.
func (s *stream) close(now time.Duration) {
	if s.closing || s.state == ended {
		return
	}
	s.closing, s.closedAt = true, now
	s.recv.abandon()
	if s.state == synSent {
		s.fail(net.ErrClosed, false)
	}
}

// fail ends the stream at once.
func (s *stream) fail(err error, reset bool) {
	if s.state == ended {
		return
	}
	s.state, s.err, s.resetDue = ended, err, reset
	s.send.queue.discard(s.send.queue.length)
	s.send.ring, s.send.log, s.send.resend = nil, nil, nil
	s.recv.held = nil
	if s.closing {
		s.recv.abandon()
	}
}

var (
	errRefused error = syscall.ECONNREFUSED
	errReset   error = syscall.ECONNRESET
	errSilent  error = syscall.ETIMEDOUT
)

// expire does what is due by now.
func (s *stream) expire(now time.Duration) {
	switch {
	case s.state == ended:
		return
	case s.state == synReceived && now-s.began >= handshakeLimit:
		s.fail(errSilent, false)
	case s.closing && now-s.closedAt >= closeLimit:
		s.fail(net.ErrClosed, true)
	case s.waitEnd > 0 && (now >= s.waitEnd || s.recv.ended && !s.recv.ackNow):
		s.fail(net.ErrClosed, false)
	case now-s.heard >= idleLimit:
		s.fail(errSilent, true)
	case s.send.packets > 0 && now >= s.rtoAt:
		s.timeout(now)
	}
	if s.helloAt > 0 && now >= s.helloAt {
		s.recv.ackNow = true
		s.hello++
		s.helloAt = now + initialRTO<<s.hello
		if s.hello == maxHellos {
			s.helloAt = 0
		}
	}
}

// timeout gives up on everything in flight: nothing was answered in time.
func (s *stream) timeout(now time.Duration) {
	oldest := s.send.at(s.send.una)
	s.rtt.timeouts++
	if s.unanswered++; s.heard >= oldest.at {
		s.unanswered = 0
	}
	if s.state == synSent && oldest.sends >= maxSyns || s.unanswered >= maxTimeouts {
		s.fail(errSilent, s.state != synSent)
		return
	}
	if s.rtt.timeouts >= 2 && oldest.length > 0 && s.state == connected {
		s.mtu.blackHole(now)
	}
	s.control.timeout(s.send.next, s.mtu.size, s.rtt.timeouts == 1)
	s.send.loseAll()
	s.rtoAt = now + s.rtt.timeout()
	if s.peerWindow == 0 {
		s.rtoAt = min(s.rtoAt, now+closedWindowRetry)
	}
}

// deadline is the next time at which poll has something to do, and whether
// there is one.
func (s *stream) deadline(now time.Duration) (time.Duration, bool) {
	if s.state == ended {
		return now, s.resetDue
	}
	at := min(s.heard+idleLimit, s.spoke+keepAlive)
	if s.state == synReceived {
		at = min(at, s.began+handshakeLimit)
	}
	if s.helloAt > 0 {
		at = min(at, s.helloAt)
	}
	if s.closing {
		at = min(at, s.closedAt+closeLimit)
	}
	if s.waitEnd > 0 {
		at = min(at, s.waitEnd)
	}
	if s.recv.pending > 0 {
		at = min(at, s.recv.ackAt)
	}
	if s.send.packets > 0 {
		at = min(at, s.rtoAt)
		if tail, ok := s.tailAt(); ok {
			at = min(at, tail)
		}
	}
	if s.persistAt > 0 {
		at = min(at, s.persistAt)
	}
	if s.paced {
		at = min(at, now+s.pace.wait())
	}
	return at, true
}

// tailAt is when to send the last packet once more: if the end of a burst is
// lost, nothing follows it that would show the loss before the time-out does.
func (s *stream) tailAt() (time.Duration, bool) {
	if s.tailTried || s.state != connected || s.rtt.smooth == 0 {
		return 0, false
	}
	return s.progress + 2*s.rtt.smooth + 4*s.rtt.variance + tailDelay, true
}

// established says that the peer has proved to be there.
func (s *stream) established() bool { return s.state == connected }

// done says that the stream may be forgotten.
func (s *stream) done() bool { return s.state == ended && !s.resetDue }
