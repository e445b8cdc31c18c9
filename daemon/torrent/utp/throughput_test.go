package utp

import (
	"testing"
	"time"
)

// goodput is the share of the path's rate that arrives as payload between
// seconds 5 and 15 of a one-way transfer in virtual time.
func goodput(t *testing.T, ab, ba path) (share float64, s *simulation) {
	t.Helper()
	s = newSimulation(t, 1, ab, ba)
	s.hurry = true
	s.a.toWrite = make([]byte, 220<<20)
	s.dial(4 << 20)
	// The peer's buffer is given in deliver: let it grow as a Socket does.
	s.run(time.Minute, func() bool { return s.b.stream != nil })
	s.b.recv.limit = 4 << 20
	received := 0
	forget := func() {
		received += s.b.received.Len()
		s.b.received.Reset()
	}
	s.run(time.Minute, func() bool { forget(); return s.now > 6*time.Second })
	received = 0
	s.run(time.Minute, func() bool { forget(); return s.now > 16*time.Second })
	return float64(received) / 10 / ab.rate, s
}

// TestGoodput holds the congestion control to what it is for: full use of a
// path, also of one that loses packets for other reasons than a full queue.
func TestGoodput(t *testing.T) {
	const mbit = 1e6 / 8
	for name, c := range map[string]struct {
		rate       float64
		delay      time.Duration
		queue      int
		loss       float64
		least      float64
		shortQueue time.Duration // the queue may not be longer at the end
		mtu        int
	}{
		"clean":          {rate: 100 * mbit, delay: 25 * time.Millisecond, queue: 1 << 20, least: 0.93, shortQueue: 110 * time.Millisecond},
		"one percent":    {rate: 100 * mbit, delay: 25 * time.Millisecond, queue: 1 << 20, loss: 0.01, least: 0.85, shortQueue: 110 * time.Millisecond},
		"deep queue":     {rate: 10 * mbit, delay: 10 * time.Millisecond, queue: 8 << 20, least: 0.93, shortQueue: 130 * time.Millisecond},
		"shallow queue":  {rate: 100 * mbit, delay: 10 * time.Millisecond, queue: 60 << 10, least: 0.6, shortQueue: 20 * time.Millisecond},
		"slow":           {rate: 1 * mbit, delay: 30 * time.Millisecond, queue: 1 << 20, least: 0.93, shortQueue: 160 * time.Millisecond},
		"narrow (PPPoE)": {rate: 50 * mbit, delay: 15 * time.Millisecond, queue: 1 << 20, mtu: 1464, least: 0.93, shortQueue: 110 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			ab := path{rate: c.rate, delay: c.delay, queue: c.queue, loss: c.loss, mtu: c.mtu}
			ba := path{rate: c.rate, delay: c.delay, queue: c.queue, loss: c.loss}
			share, s := goodput(t, ab, ba)
			queue := s.a.out.free - s.now
			t.Logf("%.3f of the rate, queue %v, %d of %d packets dropped, %d sent again, window %d, packets of %d",
				share, queue, s.a.out.dropped, s.a.out.packets, s.a.send.retransmitted, s.a.control.window, s.a.mtu.size)
			if share < c.least {
				t.Errorf("%.3f of the rate, want %.2f: %v", share, c.least, s.a.describe())
			}
			if lost := float64(s.a.out.dropped) / float64(s.a.out.packets); lost > c.loss+0.006 {
				t.Errorf("%.3f of the packets were dropped, %.3f by the network", lost, c.loss)
			}
			if queue > c.shortQueue {
				t.Errorf("queue of %v, want %v at most", queue, c.shortQueue)
			}
		})
	}
}
