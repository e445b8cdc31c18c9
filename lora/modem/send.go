package modem

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/kiss"
)

// listenAllowance covers the board's slotted wait once the channel is clear:
// forty slots of 100 ms, of which it takes each with one chance in four, are
// exceeded once in 100,000 times; and the link's own delay.
const listenAllowance = 5 * time.Second

// sendLimit is how long a board may take from the host's frame to its TxDone:
// the packet's own time on air twice, two of the longest packets of others
// that it has to let pass, and what it needs to find the gap.
func sendLimit(r Radio, packetBytes int) time.Duration {
	params := r.Airtime()
	params.PreambleSymbols = max(params.PreambleSymbols, boardPreamble)
	return 2*airtime.TimeOnAir(params, packetBytes) + 2*airtime.TimeOnAir(params, MaxPacket) + listenAllowance
}

// Send implements Modem. When ctx ends while the packet is with the board,
// Send returns but the packet may still be sent, and the next Send waits for
// that first. A board that never reports a packet's end is told to restart,
// since firmware is known whose transmitter hangs for good, and the modem is
// ErrGone.
func (b *board) Send(ctx context.Context, packet []byte) error {
	if len(packet) == 0 || len(packet) > MaxPacket {
		return fmt.Errorf("send packet: %d bytes, want 1 to %d", len(packet), MaxPacket)
	}
	if err := b.ready(ctx, b.settle); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	defer b.release()
	b.forget()
	b.onAirUntil = time.Now().Add(sendLimit(b.radio, len(packet)))
	if err := b.write(kiss.Data(packet).Append(nil)); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	if err := b.transmitted(ctx); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	return nil
}

// settle waits for the end of a transmission that an earlier Send gave up on.
// It needs the turn. How that one ended no longer matters to anybody.
func (b *board) settle(ctx context.Context) error {
	for !b.onAirUntil.IsZero() {
		err := b.transmitted(ctx)
		if !b.onAirUntil.IsZero() && (!errors.Is(err, kiss.ErrorBusy) || errors.Is(err, ErrGone)) {
			return err
		}
	}
	return nil
}

// transmitted waits for TxDone and clears onAirUntil when it came. It needs
// the turn.
//
// A board says busy for two reasons: it has a packet already and did not take
// this one, or it had no room to pass on one it heard meanwhile. While every
// packet is accounted for it can only be the second, and TxDone still comes.
func (b *board) transmitted(ctx context.Context) error {
	limit := time.NewTimer(time.Until(b.onAirUntil))
	defer limit.Stop()
	busy := false
	for {
		m, ok, err := b.answer(ctx, limit.C)
		if err != nil {
			return err
		}
		if !ok {
			return b.stuck(busy)
		}
		switch m := m.(type) {
		case kiss.TxDone:
			b.onAirUntil = time.Time{}
			b.inStep = true
			if !m {
				return errors.New("radio failed to transmit")
			}
			return nil
		case kiss.Failure:
			code := kiss.ErrorCode(m)
			if code != kiss.ErrorBusy {
				b.onAirUntil = time.Time{}
				return code
			}
			if !b.inStep {
				// Left by a process before this one; its TxDone is awaited
				// before the next packet.
				return code
			}
			busy = true
		}
	}
}

// stuck gives up on a board that has a packet and does not say what became
// of it.
func (b *board) stuck(busy bool) error {
	err := fmt.Errorf("%w: it did not report the end of a transmission in time", ErrGone)
	if busy {
		err = fmt.Errorf("%w: %w", err, kiss.ErrorBusy)
	}
	if b.write(kiss.Query(kiss.SubReboot).Append(nil)) == nil {
		b.fail(err)
	}
	return err
}
