package lora

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lorrent/lora/modem"
)

// sendTimeout bounds one transmission: waiting for a free channel included,
// and many times the longest packet.
const sendTimeout = 2 * time.Minute

// port is an open modem with a goroutine for each direction, both run by the
// bridge.
type port struct {
	modem    modem.Modem
	received chan modem.Received
	transmit chan outbound // holds the one packet that the mesh may have on the air
	sent     chan error    // the outcome of each
	failed   chan error    // the link is gone

	takeBack context.CancelFunc // owned by the bridge: of the last packet; nil when the modem cannot
}

// outbound is a packet for the modem.
type outbound struct {
	packet []byte
	timing modem.Timing
	taken  context.Context // ends when it shall not be sent any more
}

func newPort(m modem.Modem) *port {
	return &port{
		modem:    m,
		received: make(chan modem.Received),
		transmit: make(chan outbound, 1),
		sent:     make(chan error, 1),
		failed:   make(chan error, 1),
	}
}

// read passes on what is heard. While the bridge is busy the modem queues, and
// drops its oldest.
func (p *port) read(ctx context.Context) {
	for {
		r, err := p.modem.Receive(ctx)
		if err != nil {
			p.failed <- fmt.Errorf("receive packet: %w", err)
			return
		}
		select {
		case p.received <- r:
		case <-ctx.Done():
			return
		}
	}
}

// put hands a packet to write, which has none.
func (p *port) put(packet []byte, timing modem.Timing) {
	o := outbound{packet: packet, timing: timing, taken: context.Background()}
	if _, timed := p.modem.(modem.Timed); timed {
		o.taken, p.takeBack = context.WithCancel(o.taken)
	}
	p.transmit <- o
}

// cancel takes the packet back that was put last, if the modem can still do so.
func (p *port) cancel() {
	if p.takeBack != nil {
		p.takeBack()
	}
}

// write sends one packet after the other.
func (p *port) write(ctx context.Context) {
	for {
		select {
		case o := <-p.transmit:
			p.sent <- p.send(ctx, o)
		case <-ctx.Done():
			return
		}
	}
}

// send lets the board wait and listen, where it can.
func (p *port) send(ctx context.Context, o outbound) error {
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if timed, is := p.modem.(modem.Timed); is {
		stop := context.AfterFunc(o.taken, cancel)
		defer stop()
		return timed.SendTimed(limited, o.packet, o.timing)
	}
	return p.modem.Send(limited, o.packet)
}

// neverSent says of the outcome of a transmission that nothing was on the air.
func neverSent(err error) bool {
	return errors.Is(err, modem.ErrOverheard) || errors.Is(err, modem.ErrNeverFree) || errors.Is(err, modem.ErrWithdrawn)
}
