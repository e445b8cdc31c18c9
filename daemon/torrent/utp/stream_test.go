package utp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// pair runs a clean path until both sides are connected.
func pair(t testing.TB) *simulation {
	t.Helper()
	clean := path{delay: 10 * time.Millisecond}
	s := newSimulation(t, 1, clean, clean)
	s.dial(1 << 20)
	s.run(time.Minute, func() bool { return s.b.stream != nil && s.b.established() && s.a.established() })
	return s
}

// TestForgedPackets: whoever knows addresses and ids, but not what is in
// flight, cannot end a connection, nor slip data into it except by chance.
func TestForgedPackets(t *testing.T) {
	for name, forge := range map[string]func(s *stream) packet{
		"reset, old":    func(s *stream) packet { return packet{kind: kindReset, ack: s.send.una - 2} },
		"reset, future": func(s *stream) packet { return packet{kind: kindReset, ack: s.send.next + 1} },
		"data, future":  func(s *stream) packet { return packet{kind: kindData, ack: s.send.next, seq: s.recv.ack + 1} },
		"data, old":     func(s *stream) packet { return packet{kind: kindData, ack: s.send.una - 2000, seq: s.recv.ack + 1} },
		"fin, future":   func(s *stream) packet { return packet{kind: kindFin, ack: s.send.next, seq: s.recv.ack + 1} },
		"fin, far ahead": func(s *stream) packet {
			return packet{kind: kindFin, ack: s.send.next - 1, seq: s.recv.ack + 5000, window: uint32(s.peerWindow)}
		},
		"syn": func(s *stream) packet { return packet{kind: kindSyn, seq: 7} },
		"data, far ahead": func(s *stream) packet {
			return packet{kind: kindData, ack: s.send.next - 1, seq: s.recv.ack + 5000, window: uint32(s.peerWindow)}
		},
		"window, old":         func(s *stream) packet { return packet{kind: kindState, ack: s.send.una - 2} },
		"everything received": func(s *stream) packet { return packet{kind: kindState, ack: s.send.next + 100} },
	} {
		t.Run(name, func(t *testing.T) {
			s := pair(t)
			window := s.b.peerWindow
			p := forge(s.b.stream)
			p.payload = []byte("forged")
			s.b.receive(s.now, &p)
			if s.b.state != connected || s.b.recv.ready.length > 0 || s.b.recv.hasEnd || s.b.recv.count > 0 || s.b.peerWindow != window {
				t.Errorf("took %+v: %v", p, s.b.describe())
			}
		})
	}
}

func TestReset(t *testing.T) {
	s := pair(t)
	s.b.receive(s.now, &packet{kind: kindData, ack: s.b.send.next - 1, seq: s.b.recv.ack + 1, payload: []byte("last words")})
	s.b.receive(s.now, &packet{kind: kindReset, ack: s.b.send.next - 1})
	b := make([]byte, 100)
	if n, _, err := s.b.read(s.now, b); string(b[:n]) != "last words" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if _, _, err := s.b.read(s.now, b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if _, err := s.b.write(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write: %v", err)
	}
	if out := newOutbox(false); s.b.poll(s.now, out) || len(out.messages) > 0 || !s.b.done() {
		t.Error("a reset connection goes on")
	}
}

func TestRefused(t *testing.T) {
	s := newSimulation(t, 1, path{}, path{})
	s.a.stream = dialStream(s.config(s.a, 1<<20))
	s.a.poll(s.now, newOutbox(false))
	s.a.receive(s.now, &packet{kind: kindReset, ack: s.a.send.una})
	if !errors.Is(s.a.stream.err, syscall.ECONNREFUSED) {
		t.Errorf("error %v", s.a.stream.err)
	}
}

// TestTimeLimits: nobody waits forever for a peer that does not answer.
func TestTimeLimits(t *testing.T) {
	dead := func(packet) bool { return true }
	for name, c := range map[string]struct {
		prepare func(s *simulation) *end
		limit   time.Duration
		want    error
	}{
		"SYN": {func(s *simulation) *end {
			s.a.out.drop = dead
			s.dial(1 << 20)
			return s.a
		}, 70 * time.Second, syscall.ETIMEDOUT},
		"third packet of the handshake": {func(s *simulation) *end {
			s.b.out.drop = dead
			s.dial(1 << 20)
			s.run(time.Minute, func() bool { return s.b.stream != nil })
			s.a.out.drop = dead
			return s.b
		}, 12 * time.Second, syscall.ETIMEDOUT},
		"data": {func(s *simulation) *end {
			s.dial(1 << 20)
			s.run(time.Minute, s.a.ready)
			s.b.out.drop = dead
			s.a.toWrite = make([]byte, 1e6)
			s.turn(s.a)
			return s.a
		}, 3 * time.Minute, syscall.ETIMEDOUT},
		"silence": {func(s *simulation) *end {
			s.dial(1 << 20)
			s.run(time.Minute, s.a.ready)
			s.b.out.drop = dead
			return s.a
		}, 6 * time.Minute, syscall.ETIMEDOUT},
		"FIN": {func(s *simulation) *end {
			s.dial(1 << 20)
			s.run(time.Minute, s.a.ready)
			s.b.out.drop = dead
			s.a.close(s.now)
			s.turn(s.a)
			return s.a
		}, 40 * time.Second, net.ErrClosed},
		"last bytes": {func(s *simulation) *end {
			s.dial(1 << 20)
			s.run(time.Minute, s.a.ready)
			s.b.stopped = true // and its window closes
			s.a.toWrite = make([]byte, 3e5)
			s.turn(s.a)
			s.run(time.Minute, func() bool { return len(s.a.toWrite) == 0 })
			s.a.close(s.now)
			s.turn(s.a)
			return s.a
		}, 40 * time.Second, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSimulation(t, 1, path{delay: 10 * time.Millisecond}, path{delay: 10 * time.Millisecond})
			e := c.prepare(s)
			s.run(s.now+c.limit, func() bool { return e.state == ended })
			if e.stream.err != c.want {
				t.Errorf("ended with %v, want %v", e.stream.err, c.want)
			}
		})
	}
}

func (e *end) ready() bool { return e.stream != nil && e.established() }

// TestKeepAlive: a connection nobody uses lives as long as both sides do.
func TestKeepAlive(t *testing.T) {
	s := pair(t)
	s.run(2*time.Hour, func() bool { return s.now > time.Hour })
	if !s.a.established() || !s.b.established() {
		t.Fatal("idle connection ended")
	}
	if n := s.a.out.packets; n < 100 || n > 200 {
		t.Errorf("%d packets in an idle hour", n)
	}
}

// TestClosedWindow: a reader that stops holds the writer back, and one that
// goes on gets everything, even if the packet that says so is lost.
func TestClosedWindow(t *testing.T) {
	for name, lose := range map[string]bool{"clean": false, "update lost": true} {
		t.Run(name, func(t *testing.T) {
			s := pair(t)
			s.b.stopped = true
			data := randomBytes(s.rand, 2<<20)
			s.a.toWrite = data
			s.turn(s.a)
			s.run(5*time.Minute, func() bool { return s.now > time.Minute })
			if kept := s.b.recv.ready.length + s.b.recv.bytes; kept > s.b.recv.capacity+maxPath || kept < s.b.recv.capacity/2 {
				t.Fatalf("receiver keeps %d bytes, may keep %d", kept, s.b.recv.capacity)
			}
			s.b.stopped = false
			if lose {
				until := s.now + time.Second
				s.b.out.drop = func(packet) bool { return s.now < until }
			}
			s.turn(s.b)
			resumed := s.now
			s.run(10*time.Minute, func() bool { return s.b.received.Len() == len(data) })
			if !bytes.Equal(s.b.received.Bytes(), data) {
				t.Error("other bytes than sent")
			}
			if took := s.now - resumed; took > 2*time.Second && !lose || took > maxRTO+5*time.Second {
				t.Errorf("took %v to go on", took)
			}
		})
	}
}

// TestDelayedAcknowledgement: one for every other packet, 10 ms for a lone one.
func TestDelayedAcknowledgement(t *testing.T) {
	s := pair(t)
	states := 0
	s.b.out.drop = func(p packet) bool {
		if p.kind == kindState {
			states++
		}
		return false
	}
	sent := s.now
	s.a.toWrite = []byte("lone")
	s.turn(s.a)
	s.run(time.Minute, func() bool { return states == 1 })
	if wait := s.now - sent - 10*time.Millisecond; wait < ackDelay || wait > ackDelay+2*time.Millisecond {
		t.Errorf("lone packet acknowledged after %v", wait)
	}
	s.run(time.Minute, func() bool { return s.a.send.una == s.a.send.next })
	states = 0
	packets := s.a.out.packets
	s.a.toWrite = make([]byte, 1e6)
	s.turn(s.a)
	s.run(time.Minute, func() bool { return s.b.received.Len() == 1e6+4 })
	if n := s.a.out.packets - packets; states > n/2+5 || states < n/3 {
		t.Errorf("%d packets got %d acknowledgements", n, states)
	}
}

// TestFastRetransmit: a loss, and the loss of its repair, cost round trips and no time-out.
func TestFastRetransmit(t *testing.T) {
	s := pair(t)
	s.a.toWrite = make([]byte, 3e5)
	lose, victim := 3, uint16(0)
	s.a.out.drop = func(p packet) bool {
		if victim == 0 && p.kind == kindData && s.a.send.order > 50 {
			victim = p.seq
		}
		if p.kind == kindData && p.seq == victim && lose > 0 {
			lose--
			return true
		}
		return false
	}
	began := s.now
	s.turn(s.a)
	s.run(time.Minute, func() bool { return s.b.received.Len() == 3e5 })
	if took := s.now - began; lose > 0 || took > 300*time.Millisecond {
		t.Errorf("three losses of one packet: took %v, %d losses left", took, lose)
	}
}

// TestNoSack: a peer that acknowledges in order only gets its losses repaired
// by the third duplicate.
func TestNoSack(t *testing.T) {
	s := pair(t)
	a, out := s.a.stream, newOutbox(false)
	a.write(make([]byte, 20000))
	a.poll(s.now, out)
	oldest := a.send.una
	for i := range 4 {
		if got := a.send.at(oldest).sends; got != 1 {
			t.Fatalf("sent %d times after %d duplicates", got, i)
		}
		s.now += 10 * time.Millisecond
		a.receive(s.now, &packet{kind: kindState, ack: oldest - 1, window: 1 << 20})
		if i == 2 {
			break
		}
		a.poll(s.now, out)
	}
	a.poll(s.now, out)
	if got := a.send.at(oldest).sends; got != 2 {
		t.Errorf("sent %d times after three duplicates", got)
	}
}

// TestReorderingIsNoLoss: packets that overtake each other a little are not sent again.
func TestReorderingIsNoLoss(t *testing.T) {
	s := pair(t)
	s.a.out.rate, s.a.out.queue = 1e6, 1e6
	s.a.out.jitter = 1500 * time.Microsecond // one packet's time is 1.5 ms
	s.a.toWrite = make([]byte, 1e6)
	s.turn(s.a)
	s.run(time.Minute, func() bool { return s.b.received.Len() == 1e6 })
	if n := s.a.send.retransmitted; n > 2 {
		t.Errorf("%d packets sent again for nothing", n)
	}
}

// TestPause: a path that stands still and then delivers everything takes no
// window away.
func TestPause(t *testing.T) {
	s := pair(t)
	s.a.out.rate, s.a.out.queue = 1e6, 4<<20
	s.a.toWrite = make([]byte, 8<<20)
	s.turn(s.a)
	s.run(time.Minute, func() bool { return s.now > 3*time.Second })
	window := s.a.control.window
	s.a.out.free = s.now + 1500*time.Millisecond
	s.run(time.Minute, func() bool { return s.a.rtt.timeouts > 0 })
	if s.a.control.window > maxPath {
		t.Fatalf("window %d after a time-out", s.a.control.window)
	}
	// The pause looks like a queue, for a round trip.
	s.run(time.Minute, func() bool { return s.a.rtt.timeouts == 0 && s.a.control.undo == 0 })
	if got := s.a.control.window; got < window/2 {
		t.Errorf("window %d after a pause, was %d", got, window)
	}
	s.run(time.Minute, func() bool { return s.b.received.Len() == 8<<20 })
}

// TestPathMTU finds what the path carries, and survives a path that changes.
func TestPathMTU(t *testing.T) {
	for name, c := range map[string]struct{ mtu, later, atLeast int }{
		"Ethernet":     {1500, 0, 1472},
		"PPPoE":        {1492, 0, 1450},
		"tunnel":       {1400, 0, 1360},
		"IPv6 minimum": {1280, 0, 1240},
		"dial-up":      {576, 0, 548},
		"shrinks":      {1500, 1300, 1200},
	} {
		t.Run(name, func(t *testing.T) {
			narrow := path{delay: 5 * time.Millisecond, rate: 1e6, queue: 1e5, mtu: c.mtu - 28}
			s := newSimulation(t, 1, narrow, narrow)
			s.a.toWrite = make([]byte, 2<<20)
			s.dial(1 << 20)
			s.run(time.Minute, func() bool { return s.b.received.Len() > 1<<20 })
			if c.later > 0 {
				s.a.out.mtu = c.later - 28
			}
			s.run(time.Minute, func() bool { return s.b.received.Len() == 2<<20 })
			if got := s.a.mtu.size; got < c.atLeast || got > s.a.out.mtu {
				t.Errorf("packets of %d, the path carries %d", got, s.a.out.mtu)
			}
		})
	}
	for addr, want := range map[string]int{"192.0.2.1": 1472, "2001:db8::1": 1452, "::ffff:192.0.2.1": 1472} {
		m := newPathMTU(netip.MustParseAddr(addr), 65536)
		if m.most != want {
			t.Errorf("%s: packets of up to %d, want %d", addr, m.most, want)
		}
	}
}

// FuzzStream feeds a connected stream packets that pass its first checks by
// construction, and whatever an application may do in between.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0, 9})
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		f.Add(randomBytes(r, 400))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		now := time.Second
		c := streamConfig{
			pool: new(chunkPool), now: now, id: 1, seq: 65530, buffer: 64 << 10,
			mtu: newPathMTU(netip.MustParseAddr("192.0.2.1"), 1500),
		}
		s := acceptStream(c, &packet{kind: kindSyn, id: 1, seq: 65533, window: 1 << 20})
		out, buffer := newOutbox(true), make([]byte, 3000)
		take := func(n int) uint64 {
			var b [8]byte
			script = script[copy(b[:n], script):]
			return binary.LittleEndian.Uint64(b[:])
		}
		for len(script) > 0 {
			op := take(1)
			now += time.Duration(take(2)) * time.Duration(1+op>>4<<14)
			switch op & 7 {
			case 0:
				s.write(buffer[:take(2)%3000])
			case 1:
				s.read(now, buffer)
			case 2:
				if op == 2 {
					s.close(now)
				}
			default:
				p := packet{
					kind: kind(take(1) % 5), stamp: uint32(take(2)), delay: uint32(take(2)), window: uint32(take(3)),
					seq: s.recv.ack + uint16(take(2))%5000 - 300, ack: s.send.una - 3,
				}
				p.ack += uint16(take(1)) % uint16(s.send.outstanding()+5)
				p.payload = buffer[:take(2)%1500]
				if n := take(1) % 64; n > 0 && int(n) <= len(script) {
					p.sack = script[:n]
				}
				s.receive(now, &p)
			}
			for more := true; more; {
				more = s.poll(now, out)
				out.reset()
			}
			check(t, s)
			if at, ok := s.deadline(now); ok && s.done() {
				t.Fatalf("ended, but wants another look at %v", at)
			}
		}
	})
}
