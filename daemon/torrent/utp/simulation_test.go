package utp

import (
	"bytes"
	"container/heap"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// path is one direction of a simulated network.
type path struct {
	delay     time.Duration
	jitter    time.Duration // up to this much more, at random: reorders
	rate      float64       // bytes a second, 0 unlimited
	queue     int           // bytes that wait for the rate; more is dropped
	loss, dup float64       // shares of packets
	mtu       int           // largest UDP payload that passes, 0 unlimited
	drop      func(packet) bool

	free    time.Duration // when the link is idle again
	dropped int
	packets int
}

type event struct {
	at   time.Duration
	n    int // keeps the order of equal times
	call func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// end is one side of a simulated connection, with the application on it.
type end struct {
	*stream
	out      path
	peer     *end
	clock    time.Duration // this side's clock is ahead by this much
	drift    float64       // and runs faster by this share
	toWrite  []byte
	received bytes.Buffer
	maxRead  int // bytes a read takes; 0: as much as there is
	stopped  bool
	eof      bool
	err      error
	wake     time.Duration // scheduled next poll
}

// simulation runs two streams against each other in virtual time.
type simulation struct {
	t      testing.TB
	rand   *rand.Rand
	now    time.Duration
	queue  events
	n      int
	a, b   *end
	outbox *outbox
	buffer []byte
	hurry  bool // leave the invariants to others
}

func newSimulation(t testing.TB, seed uint64, ab, ba path) *simulation {
	s := &simulation{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Second,
		outbox: newOutbox(false), buffer: make([]byte, 64<<10),
	}
	s.a, s.b = &end{out: ab}, &end{out: ba}
	s.a.peer, s.b.peer = s.b, s.a
	return s
}

// newSequence is close to the wrap-around more often than not.
func (s *simulation) newSequence() uint16 {
	if s.rand.IntN(2) == 0 {
		return uint16(-s.rand.IntN(64))
	}
	return uint16(s.rand.Uint32())
}

func (s *simulation) config(e *end, buffer int) streamConfig {
	return streamConfig{
		pool: new(chunkPool), now: e.time(s.now), id: s.newSequence(), seq: s.newSequence(), buffer: buffer,
		mtu: newPathMTU(netip.MustParseAddr("192.0.2.1"), 1500),
	}
}

func (e *end) time(now time.Duration) time.Duration {
	return now + e.clock + time.Duration(float64(now)*e.drift)
}

func (s *simulation) dial(buffer int) {
	s.a.stream = dialStream(s.config(s.a, buffer))
	s.turn(s.a)
}

func (s *simulation) at(when time.Duration, call func()) {
	s.n++
	heap.Push(&s.queue, event{max(when, s.now), s.n, call})
}

// turn lets the application and the stream of one side do what they can.
func (s *simulation) turn(e *end) {
	if e.stream == nil {
		return
	}
	now := e.time(s.now)
	buffer := s.buffer
	if e.maxRead > 0 {
		buffer = buffer[:e.maxRead]
	}
	for !e.stopped && !e.eof && e.err == nil {
		n, ok, err := e.read(now, buffer)
		if !ok {
			break
		}
		e.err = err
		e.eof = n == 0 && err == nil
		e.received.Write(buffer[:n])
	}
	for len(e.toWrite) > 0 && e.established() {
		n, err := e.write(e.toWrite[:min(len(e.toWrite), 1+s.rand.IntN(50000))])
		if err != nil || n == 0 {
			break
		}
		e.toWrite = e.toWrite[n:]
	}
	for more := true; more; {
		more = e.poll(now, s.outbox)
		s.send(e)
	}
	if !s.hurry {
		check(s.t, e.stream)
	}
	if when, ok := e.deadline(now); ok {
		// A little late, as timers are.
		at := s.now + time.Duration(float64(when-now)/(1+e.drift)) + time.Duration(s.rand.IntN(1000))*time.Microsecond
		if e.wake <= s.now || at < e.wake {
			e.wake = at
			s.at(at, func() {
				if e.wake == at {
					s.turn(e)
				}
			})
		}
	}
}

// send puts what is in the outbox on the path.
func (s *simulation) send(e *end) {
	for _, m := range s.outbox.messages {
		for start := m.start; start < m.end; start += m.segment {
			b := bytes.Clone(s.outbox.buffer[start:min(start+m.segment, m.end)])
			s.carry(e, b, m.fragment)
			if s.rand.Float64() < e.out.dup {
				s.carry(e, b, m.fragment)
			}
		}
	}
	s.outbox.reset()
}

func (s *simulation) carry(e *end, b []byte, fragment bool) {
	p, err := parsePacket(b)
	if err != nil {
		s.t.Fatalf("sent a packet that does not parse: %v", err)
	}
	out := &e.out
	out.packets++
	switch {
	case out.mtu > 0 && len(b) > out.mtu && !fragment,
		s.rand.Float64() < out.loss,
		out.drop != nil && out.drop(p):
		out.dropped++
		return
	}
	when := s.now
	if out.rate > 0 {
		if wait := out.free - s.now; wait > 0 && int(wait.Seconds()*out.rate) > out.queue {
			out.dropped++
			return
		}
		out.free = max(out.free, s.now) + time.Duration(float64(len(b)+28)/out.rate*1e9)
		when = out.free
	}
	when += out.delay
	if out.jitter > 0 {
		when += time.Duration(s.rand.Int64N(int64(out.jitter)))
	}
	s.at(when, func() { s.deliver(e.peer, b) })
}

func (s *simulation) deliver(e *end, b []byte) {
	p, err := parsePacket(b)
	if err != nil {
		s.t.Fatal(err)
	}
	if e.stream == nil || e.state == ended && e == s.b && !s.a.established() {
		if p.kind != kindSyn {
			return
		}
		c := s.config(e, 1<<20)
		c.id = p.id
		e.stream = acceptStream(c, &p)
	} else if p.kind == kindSyn && p.id+1 != e.recvID || p.kind != kindSyn && p.id != e.recvID {
		s.t.Fatalf("%v packet for id %d arrived at %d", p.kind, p.id, e.recvID)
	} else {
		e.receive(e.time(s.now), &p)
	}
	s.turn(e)
}

// run goes on until done, and fails the test at limit.
func (s *simulation) run(limit time.Duration, done func() bool) {
	s.t.Helper()
	for !done() {
		if len(s.queue) == 0 || s.queue[0].at > limit {
			s.t.Fatalf("not done at %v: a sent %d, b received %d of it, b sent %d, a received %d; a %+v\nb %+v", s.now,
				s.a.out.packets, s.b.received.Len(), s.b.out.packets, s.a.received.Len(), s.a.describe(), s.b.describe())
		}
		next := heap.Pop(&s.queue).(event)
		s.now = next.at
		next.call()
	}
}

func (e *end) describe() map[string]any {
	if e.stream == nil {
		return nil
	}
	return map[string]any{
		"state": e.state, "err": e.stream.err, "una": e.send.una, "next": e.send.next, "flight": e.send.flight,
		"unsent": e.send.unsent(), "window": e.control.window, "peer window": e.peerWindow, "ack": e.recv.ack,
		"held": e.recv.count, "resend": len(e.send.resend), "rto": e.rtoAt, "rtt": e.rtt.smooth, "mtu": e.mtu,
		"slow start": e.control.slowStart, "queue": e.control.delay.current(), "retransmitted": e.send.retransmitted,
	}
}

// check fails the test when a stream contradicts itself or keeps too much.
func check(t testing.TB, s *stream) {
	t.Helper()
	if s.state == ended {
		return
	}
	flight, packets, small := 0, 0, 0
	for seq := s.send.una; seq != s.send.next; seq++ {
		if p := s.send.at(seq); p.fate == inFlight {
			flight += p.length
			packets++
			if p.small {
				small++
			}
		}
	}
	held, heldBytes := 0, 0
	for _, p := range s.recv.held {
		if p != nil {
			held++
			heldBytes += len(p)
		}
	}
	switch {
	case flight != s.send.flight || packets != s.send.packets || small != s.send.small:
		t.Fatalf("flight %d bytes %d packets %d small, counted %d, %d, %d",
			s.send.flight, s.send.packets, s.send.small, flight, packets, small)
	case held != s.recv.count || heldBytes != s.recv.bytes:
		t.Fatalf("held %d packets %d bytes, counted %d, %d", s.recv.count, s.recv.bytes, held, heldBytes)
	case s.recv.ready.length > s.recv.capacity+maxPath || heldBytes > s.recv.capacity || len(s.recv.held) > 2*maxAhead:
		t.Fatalf("receive buffer of %d: %d bytes ready, %d held, %d slots",
			s.recv.capacity, s.recv.ready.length, heldBytes, len(s.recv.held))
	case s.send.unsent() > maxUnsent || s.send.outstanding() > maxPackets || s.control.window > maxWindow:
		t.Fatalf("%d bytes unsent, %d packets outstanding, window %d", s.send.unsent(), s.send.outstanding(), s.control.window)
	case len(s.send.log) > 8*maxPackets || len(s.send.resend) > maxPackets:
		t.Fatalf("%d transmissions logged, %d to resend", len(s.send.log), len(s.send.resend))
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// exchange sends want bytes in each direction and closes both sides.
func (s *simulation) exchange(fromA, fromB []byte, limit time.Duration) {
	s.t.Helper()
	s.a.toWrite, s.b.toWrite = fromA, fromB
	s.dial(1 << 20)
	s.run(limit, func() bool {
		return s.a.received.Len() >= len(fromB) && s.b.received.Len() >= len(fromA)
	})
	if !bytes.Equal(s.b.received.Bytes(), fromA) || !bytes.Equal(s.a.received.Bytes(), fromB) {
		s.t.Fatal("bytes received are not the bytes sent")
	}
	s.a.close(s.a.time(s.now))
	s.turn(s.a)
	s.run(s.now+time.Hour, func() bool { return s.b.eof || s.b.err != nil })
	if s.b.err != nil {
		s.t.Fatalf("peer of a closed connection got %v, want %v", s.b.err, io.EOF)
	}
	s.b.close(s.b.time(s.now))
	s.turn(s.b)
	s.run(s.now+time.Hour, func() bool { return s.a.state == ended && s.b.state == ended })
}

// TestAnyNetwork: whatever a network loses, doubles, delays and reorders, the
// bytes received are the bytes sent, and both sides come to an end.
func TestAnyNetwork(t *testing.T) {
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 300
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 0))
		randomPath := func() path {
			p := path{
				delay: time.Duration(r.IntN(100)) * time.Millisecond,
				loss:  float64(r.IntN(4)) * 0.05 * r.Float64(),
				dup:   float64(r.IntN(3)) * 0.1 * r.Float64(),
				mtu:   []int{0, 1472, 1400, 1200, 548}[r.IntN(5)],
			}
			if r.IntN(2) == 0 {
				p.jitter = time.Duration(1 + r.IntN(50e6))
			}
			if r.IntN(3) == 0 {
				p.rate, p.queue = 20e3+1e6*r.Float64(), 5000+r.IntN(100000)
			}
			return p
		}
		s := newSimulation(t, seed, randomPath(), randomPath())
		s.a.clock, s.b.clock = time.Duration(r.Int64N(1e15)), time.Duration(r.Int64N(1e15))
		s.a.drift = (r.Float64() - 0.5) * 1e-3
		if r.IntN(4) == 0 {
			s.b.maxRead = 1 + r.IntN(5000)
		}
		size := func() int { return 1 + r.IntN(1<<r.IntN(19)) }
		s.exchange(randomBytes(r, size()), randomBytes(r, size()), 30*time.Minute)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
