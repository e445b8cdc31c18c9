package modem

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/rnode"
)

const (
	// rnodeAllowance is listenAllowance for RNode firmware: four bands of 15
	// slots of at most 100 ms, begun anew whenever somebody else talks.
	rnodeAllowance = 15 * time.Second

	// unreported is how long after its time on air a packet counts as sent when
	// the board does not report airtime at all, as those with an AVR do not.
	unreported = 2 * time.Second

	roomEvery = 100 * time.Millisecond

	// A board does nothing else while it transmits, so that a request during a
	// packet longer than longPacket is answered late.
	longPacket = 700 * time.Millisecond
	probeEvery = 250 * time.Millisecond
)

// Send implements Modem. The first byte of the packet is the link byte of our
// format (firmware/PROTOCOL.md), which the board makes itself. When ctx ends
// while the packet is with the board, it is still sent, for nothing can take it
// back, and the next Send waits for that first. A board that keeps a packet too
// long is told to restart, so that it forgets it, and the modem is ErrGone.
func (b *rnodeBoard) Send(ctx context.Context, packet []byte) error {
	if len(packet) < 2 || len(packet) > MaxPacket {
		return fmt.Errorf("send packet: %d bytes, want 2 to %d", len(packet), MaxPacket)
	}
	if packet[0]&0x0F != 0 {
		return fmt.Errorf("send packet: link byte %02x, but RNode firmware makes the low half 0", packet[0])
	}
	if err := b.ready(ctx, b.settle); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	defer b.release()
	if err := b.room(ctx); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	onAir := airtime.TimeOnAir(b.radio.Airtime(), len(packet))
	b.sent, b.onAir = b.meter.expect(onAir), onAir
	b.onAirUntil = time.Now().Add(sendLimit(b.radio, len(packet)) - listenAllowance + rnodeAllowance)
	if err := b.write(rnode.Packet(packet[1:]).Append(nil)); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	if err := b.transmitted(ctx, onAir+unreported); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	return nil
}

// room waits until the board's queue has room: what does not fit it drops
// without a word. It says so only when asked.
func (b *rnodeBoard) room(ctx context.Context) error {
	limit := time.NewTimer(rnodeAllowance)
	defer limit.Stop()
	again := time.NewTicker(roomEvery)
	defer again.Stop()
	for {
		ready, err := b.ask(ctx, rnode.Byte(rnode.CommandReady, 0))
		if err != nil || ready.Value() != 0 {
			return err
		}
		select {
		case <-again.C:
		case <-limit.C:
			return b.stuck("its queue stays full")
		case <-b.gone:
			return b.err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits for the end of a transmission that an earlier Send gave up on.
// It needs the turn. How that one ended no longer matters to anybody.
func (b *rnodeBoard) settle(ctx context.Context) error {
	if b.sent == nil {
		return nil
	}
	var failed rnode.ErrorCode
	if err := b.transmitted(ctx, time.Until(b.onAirUntil)); err != nil && !errors.As(err, &failed) {
		return err
	}
	return nil
}

// transmitted waits for the end of the transmission and clears sent when it
// came. A board that never reported airtime has presumably sent after the time
// silent. It needs the turn.
func (b *rnodeBoard) transmitted(ctx context.Context, silent time.Duration) error {
	limit := time.NewTimer(time.Until(b.onAirUntil))
	defer limit.Stop()
	presumed := time.NewTimer(silent)
	defer presumed.Stop()
	probe := time.NewTicker(probeEvery)
	defer probe.Stop()
	var asked time.Time // unanswered yet, if not zero
	for {
		select {
		case <-b.sent:
			b.sent = nil
			return nil
		case <-presumed.C:
			if !b.meter.works() {
				b.sent = nil
				return nil
			}
		case <-probe.C:
			if b.onAir < longPacket || !asked.IsZero() {
				continue
			}
			if asked = time.Now(); b.write(rnode.Byte(rnode.CommandReady, 0).Append(nil)) != nil {
				return b.err()
			}
		case f := <-b.answers:
			switch code := rnode.ErrorCode(f.Value()); {
			case f.Command == rnode.CommandError && code != rnode.ErrorMemoryLow:
				b.sent = nil
				return code
			case f.Command == rnode.CommandReady && !asked.IsZero():
				if time.Since(asked) > b.onAir/2 {
					b.sent = nil
					return nil
				}
				asked = time.Time{}
			}
		case <-limit.C:
			return b.stuck("it did not report the end of a transmission in time")
		case <-b.gone:
			return b.err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stuck gives up on a board, and makes it forget what it has not sent.
func (b *rnodeBoard) stuck(how string) error {
	err := fmt.Errorf("%w: %s", ErrGone, how)
	if b.write(rnode.Byte(rnode.CommandReset, rnode.ResetByte).Append(nil)) == nil {
		b.fail(err)
	}
	return err
}

// meter finds the end of transmissions, which RNode firmware does not report,
// in what it does: the share of its airtime, once a second, and once more after
// each transmission. So a transmission has ended when that share has risen, or
// when two reports come closer together than a second. The second finds those
// that end while the window, two times 7.5 s, moves on and the share falls;
// unless the packet is long, see longPacket.
type meter struct {
	mu      sync.Mutex
	reports int
	share   uint16 // the last one
	at      time.Time
	rise    uint16        // by which the share rises at least
	done    chan struct{} // what expect returned, until it is closed
}

const (
	shareUnit  = 1500 * time.Microsecond // 0.01 % of 15 s
	closerThan = 900 * time.Millisecond
)

// reset forgets the reports of a radio that was turned off.
func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports, m.share, m.done = 0, 0, nil
}

// expect returns a channel that is closed once a packet with that time on air,
// which the board gets now, has been sent.
func (m *meter) expect(onAir time.Duration) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = make(chan struct{})
	m.rise = uint16(max(1, min(onAir/shareUnit/2, 10_000)))
	return m.done
}

// works says whether there are reports at all.
func (m *meter) works() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reports > 0
}

func (m *meter) report(share uint16, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	risen := share >= m.share && share-m.share >= m.rise
	extra := m.reports > 0 && now.Sub(m.at) < closerThan
	m.share, m.at = share, now
	m.reports++
	if m.done != nil && (risen || extra) {
		close(m.done)
		m.done = nil
	}
}
