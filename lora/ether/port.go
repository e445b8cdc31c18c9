package ether

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"lorrent/lora/modem"
)

// ErrClosed is the error of a port that was closed.
var ErrClosed = errors.New("the port on the air is closed")

// Back-off of listen before talk, in slots of four symbols.
const (
	firstWindow = 8
	lastWindow  = 64
	maxInbox    = 64 // received packets kept for Receive; the oldest goes first
)

// Port is a station's radio on the air. It is a modem.Modem.
type Port struct {
	// immutable after newPort
	name    string
	at      Position
	cfg     Config
	carrier carrier
	turn    chan struct{} // holds one: the right to transmit
	wake    chan struct{} // holds one: a signal began
	closed  chan struct{}
	leave   sync.Once

	mu         sync.Mutex // guards what follows
	random     *rand.Rand
	radio      modem.Radio
	configured bool
	receiver   receiver
	inbox      []modem.Received
	failure    error // why closed is closed
}

func newPort(name string, at Position, cfg Config, random *rand.Rand, c carrier) *Port {
	return &Port{
		name: name, at: at, cfg: cfg, carrier: c, random: random,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// String is the name given at Join.
func (p *Port) String() string { return p.name }

// Configure sets the radio. The error names a setting that no radio has.
func (p *Port) Configure(_ context.Context, r modem.Radio) error {
	if TimeOnAir(r, 1) <= 0 || r.CodingRate < 5 || r.CodingRate > 8 || r.PreambleSymbols < 0 {
		return fmt.Errorf("configure %s: settings %+v are out of range", p.name, r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.radio, p.configured, p.receiver.signals = r, true, nil
	return nil
}

// Send waits for a free channel and transmits. It returns at the end of the
// transmission.
func (p *Port) Send(ctx context.Context, packet []byte) error {
	if len(packet) == 0 || len(packet) > modem.MaxPacket {
		return fmt.Errorf("send on %s: packet of %d bytes, want 1 to %d", p.name, len(packet), modem.MaxPacket)
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-p.closed:
		return p.err()
	case <-ctx.Done():
		return ctx.Err()
	}
	t, err := p.seize(ctx, packet)
	if err != nil {
		return fmt.Errorf("send on %s: %w", p.name, err)
	}
	if err := p.carrier.cast(p, t); err != nil {
		return fmt.Errorf("send on %s: %w", p.name, err)
	}
	return p.pass(ctx, t.duration())
}

// seize listens, backs off while the channel is taken, and takes it. It never
// talks over others; ctx bounds the wait.
func (p *Port) seize(ctx context.Context, packet []byte) (transmission, error) {
	p.mu.Lock()
	radio, configured := p.radio, p.configured
	p.mu.Unlock()
	if !configured {
		return transmission{}, errors.New("the radio is not configured")
	}
	symbol := p.scale(radio.Airtime().SymbolTime())
	duration := p.scale(TimeOnAir(radio, len(packet)))
	for window := firstWindow; ; window = min(2*window, lastWindow) {
		if err := p.pass(ctx, 4*symbol*time.Duration(p.draw(window))); err != nil {
			return transmission{}, err
		}
		now := time.Now()
		p.mu.Lock()
		until, taken := p.receiver.busy(now, 2*symbol)
		if !taken {
			p.receiver.transmit(now, now.Add(duration))
		}
		p.mu.Unlock()
		if !taken {
			return transmission{packet: packet, radio: radio, from: p.at, micros: duration.Microseconds()}, nil
		}
		if err := p.pass(ctx, until.Sub(now)); err != nil {
			return transmission{}, err
		}
	}
}

// hear lets a transmission arrive that begins now.
func (p *Port) hear(t transmission) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.configured || !sameChannel(p.radio, t.radio) {
		return
	}
	rssi, snr := strength(t.radio, t.from, p.at)
	limit := snrLimitdB[p.radio.SpreadingFactor-5]
	if snr < limit-sensedB {
		return
	}
	now := time.Now()
	p.collect(now)
	p.receiver.begin(signal{
		packet: t.packet, start: now, end: now.Add(t.duration()), rssi: rssi, snr: snr,
		lost: snr < limit || p.random.Float64() < p.cfg.Loss,
	})
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Receive waits for the next packet.
func (p *Port) Receive(ctx context.Context) (modem.Received, error) {
	for {
		r, ok, wait := p.take()
		if ok {
			return r, nil
		}
		if err := p.await(ctx, wait, p.wake); err != nil {
			return modem.Received{}, err
		}
	}
}

// take returns the oldest packet received, or else how long the next signal
// lasts: a negative time when there is none.
func (p *Port) take() (r modem.Received, ok bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.collect(now)
	if len(p.inbox) > 0 {
		r, p.inbox = p.inbox[0], p.inbox[1:]
		return r, true, 0
	}
	if end, any := p.receiver.nextEnd(); any {
		return r, false, end.Sub(now)
	}
	return r, false, -1
}

// collect moves what was received into the inbox. The caller holds mu.
func (p *Port) collect(now time.Time) {
	for _, s := range p.receiver.finished(now) {
		if len(p.inbox) >= maxInbox {
			p.inbox = p.inbox[1:]
		}
		p.inbox = append(p.inbox, modem.Received{
			Packet: append([]byte(nil), s.packet...), RSSIdBm: s.rssi, SNRdB: s.snr, At: s.end,
		})
	}
}

// pass lets d pass, unless ctx or the port ends first.
func (p *Port) pass(ctx context.Context, d time.Duration) error {
	return p.await(ctx, max(d, 0), nil)
}

// await returns after d (never, when negative) or on wake.
func (p *Port) await(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	var elapsed <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-p.closed:
		return p.err()
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-elapsed:
	}
	return nil
}

// Close leaves the air. Send and Receive end with ErrClosed.
func (p *Port) Close() error {
	p.end(ErrClosed)
	var err error
	p.leave.Do(func() { err = p.carrier.leave(p) })
	return err
}

// end makes Send and Receive fail; the first reason counts.
func (p *Port) end(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = reason
		close(p.closed)
	}
}

func (p *Port) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// draw is a random number below n.
func (p *Port) draw(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.random.IntN(n)
}

func (p *Port) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) / p.cfg.speedup())
}

func (t transmission) duration() time.Duration { return time.Duration(t.micros) * time.Microsecond }
