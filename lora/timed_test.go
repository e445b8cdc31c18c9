package lora

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/mesh"
	"lorrent/lora/modem"
)

// timedPort is a radio whose board waits for the channel, which is not free before
// the test says so.
type timedPort struct {
	*ether.Port
	free chan struct{}

	mu        sync.Mutex
	waiting   []modem.Timing // of floods
	withdrawn int
}

func (p *timedPort) SendTimed(ctx context.Context, packet []byte, timing modem.Timing) error {
	if m, err := mesh.Decode(packet); err == nil && m.Type == mesh.Flood {
		p.mu.Lock()
		p.waiting = append(p.waiting, timing)
		p.mu.Unlock()
	}
	select {
	case <-p.free:
		return p.Send(ctx, packet)
	case <-ctx.Done():
		p.mu.Lock()
		p.withdrawn++
		p.mu.Unlock()
		return modem.ErrWithdrawn
	}
}

func (p *timedPort) seen() (waiting []modem.Timing, withdrawn int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting, p.withdrawn
}

// A relay waits on the board, which is told what makes it needless, and is taken back
// when that is heard. What was not sent costs no airtime and is no failure.
func TestBoardIsTakenBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		air := ether.NewAir(ether.Config{Seed: 1})
		s := newStation(t, air, nil)
		board := &timedPort{Port: air.Join("sim", ether.Position{}), free: make(chan struct{})}
		s.open = func(context.Context) (modem.Modem, func(context.Context), error) { return board, nil, nil }
		s.run()
		p := joinByHand(t, air)
		text := p.text(Broadcast, "hello")
		text.TTL = 3
		p.send(text)
		await(t, 20*time.Second, "a relay at the board", func() bool { w, _ := board.seen(); return len(w) == 1 })
		waiting, _ := board.seen()
		got := waiting[0]
		if got.Copies != 2 || got.Slots != 8 || !got.NotBefore.IsZero() ||
			binary.BigEndian.Uint32(got.Key[:]) != p.id() || uint32(binary.BigEndian.Uint16(got.Key[7:])) != text.ID.Sequence {
			t.Errorf("the board is told %+v", got)
		}
		for _, tx := range []uint16{0x1234, 0x2345} {
			text.Tx = tx
			p.send(text)
		}
		await(t, 20*time.Second, "the end of the relay", func() bool { _, n := board.seen(); return n == 1 })
		if status := s.Status(); status.PacketsSent != 0 || status.AirtimeUsed != 0 || !status.Up {
			t.Errorf("status %+v, want nothing sent", status)
		}
		close(board.free)
		s.send(Broadcast, "mine")
		for {
			heard := p.hear()
			if heard == nil {
				t.Fatal("what came next was not sent")
			}
			if heard.Type == mesh.Flood && heard.From == s.node {
				break
			}
		}
		await(t, time.Minute, "that it is done", func() bool { return s.Status().Queued == 0 })
	})
}
