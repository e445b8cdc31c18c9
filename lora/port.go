package lora

import (
	"context"
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
	transmit chan []byte // holds the one packet that the mesh may have on the air
	sent     chan error  // the outcome of each
	failed   chan error  // the link is gone
}

func newPort(m modem.Modem) *port {
	return &port{
		modem:    m,
		received: make(chan modem.Received),
		transmit: make(chan []byte, 1),
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

// write sends one packet after the other.
func (p *port) write(ctx context.Context) {
	for {
		select {
		case packet := <-p.transmit:
			limited, cancel := context.WithTimeout(ctx, sendTimeout)
			err := p.modem.Send(limited, packet)
			cancel()
			p.sent <- err
		case <-ctx.Done():
			return
		}
	}
}
