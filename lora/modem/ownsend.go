package modem

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/link"
)

// Errors of transmissions that the board decided not to make. They concern one
// packet.
var (
	// ErrOverheard says that others have sent the packet often enough.
	ErrOverheard = errors.New("others have sent it")
	// ErrNeverFree says that the channel, or the duty cycle, never had room.
	ErrNeverFree = errors.New("no room on the air")
	// ErrWithdrawn says that the packet was taken back in time.
	ErrWithdrawn = errors.New("taken back")
)

// Timing is when a board may transmit a packet, and when it need not.
type Timing struct {
	NotBefore time.Time // zero: now; an hour ahead at most
	Slots     int       // first window of the back-off, 1 to 255; 0: the board's choice
	// So many packets of Key heard since make the transmission needless; 0: none does.
	Copies int
	Key    [9]byte // source, epoch and sequence of a packet
}

// Timed is a modem whose board waits and listens next to the radio.
type Timed interface {
	Modem
	// SendTimed is Send at a time. ErrOverheard says that it was needless. When
	// ctx ends the board is told to drop the packet: ErrWithdrawn. Only if that is too
	// late it is sent, and then SendTimed waits for it and succeeds. Of another error
	// it is not known whether it was sent.
	SendTimed(ctx context.Context, packet []byte, t Timing) error
}

const (
	boardPatience = 2 * time.Minute // after which a board drops a packet by itself
	askAgain      = 5 * time.Second // what became of a packet: its report may be lost
	withdrawWait  = 2 * time.Second
)

// Send implements Modem.
func (b *ownBoard) Send(ctx context.Context, packet []byte) error {
	return b.SendTimed(ctx, packet, Timing{})
}

// SendTimed implements Timed.
func (b *ownBoard) SendTimed(ctx context.Context, packet []byte, t Timing) error {
	if len(packet) == 0 || len(packet) > MaxPacket {
		return fmt.Errorf("send packet: %d bytes, want 1 to %d", len(packet), MaxPacket)
	}
	if t.Slots < 0 || t.Slots > 255 || t.Copies < 0 || t.Copies > 255 {
		return fmt.Errorf("send packet: %d slots, %d copies, want 0 to 255", t.Slots, t.Copies)
	}
	tx, end, limit, err := b.queue(ctx, packet, t)
	if err == nil {
		defer b.forget(tx.ID)
		err = b.outcome(ctx, tx, end, limit)
	}
	if err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	return nil
}

// queue hands a packet to the board.
func (b *ownBoard) queue(ctx context.Context, packet []byte, t Timing) (tx link.Tx, end chan error, limit time.Time, err error) {
	if err := b.take(ctx); err != nil {
		return tx, nil, limit, err
	}
	defer b.release()
	if !b.configured {
		return tx, nil, limit, errors.New("radio is not configured")
	}
	b.id++
	tx = link.Tx{
		ID: b.id, NotBefore: b.clock.at(t.NotBefore), Slots: uint8(t.Slots),
		Copies: uint8(t.Copies), Key: t.Key, Packet: packet,
	}
	end = b.expect(tx.ID)
	if _, err := b.ask(ctx, tx); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ErrGone) {
			return tx, end, limit, nil // perhaps it has it: outcome takes it back
		}
		b.forget(tx.ID)
		return tx, nil, limit, err
	}
	limit = time.Now().Add(max(time.Until(t.NotBefore), 0) + boardPatience +
		airtime.TimeOnAir(b.radio.Airtime(), len(packet)) + 2*askAgain)
	return tx, end, limit, nil
}

// outcome waits for the end of a transmission.
func (b *ownBoard) outcome(ctx context.Context, tx link.Tx, end chan error, limit time.Time) error {
	late := time.NewTimer(time.Until(limit))
	defer late.Stop()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		if ctx.Err() != nil {
			return b.withdraw(ctx, tx.ID, end)
		}
		select {
		case err := <-end:
			return err
		case <-again.C: // a transmission that is over is not repeated, its report is
			if err := b.exchange(ctx, tx); err != nil && ctx.Err() == nil {
				return err
			}
		case <-late.C:
			b.fail(fmt.Errorf("%w: it did not report the end of a transmission in time", ErrGone))
			return b.err()
		case <-b.gone:
			return b.err()
		case <-ctx.Done():
		}
	}
}

// withdraw takes a packet back, or, when it is on the air, waits for its end.
func (b *ownBoard) withdraw(ctx context.Context, id uint16, end chan error) error {
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawWait)
	defer cancel()
	err := b.exchange(brief, link.Cancel{ID: id})
	if err != nil && !errors.Is(err, link.NoSuchID) {
		return errors.Join(ctx.Err(), err)
	}
	select {
	case err := <-end:
		if errors.Is(err, errCancelled) {
			return fmt.Errorf("%w: %w", ErrWithdrawn, ctx.Err())
		}
		return err
	case <-brief.Done():
	case <-b.gone:
	}
	return ctx.Err()
}

// exchange is ask with the turn, for commands whose answer says nothing.
func (b *ownBoard) exchange(ctx context.Context, command link.Message) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.release()
	_, err := b.ask(ctx, command)
	return err
}

// expect returns where the end of a transmission will be told.
func (b *ownBoard) expect(id uint16) chan error {
	end := make(chan error, 1)
	b.pending.Lock()
	defer b.pending.Unlock()
	b.pending.byID[id] = end
	return end
}

func (b *ownBoard) forget(id uint16) {
	b.pending.Lock()
	defer b.pending.Unlock()
	delete(b.pending.byID, id)
}

// ended tells the end of a transmission, which may be reported twice, to who
// waits for it.
func (b *ownBoard) ended(id uint16, err error) {
	b.pending.Lock()
	defer b.pending.Unlock()
	if end := b.pending.byID[id]; end != nil {
		select {
		case end <- err:
		default:
		}
	}
}

var errCancelled = errors.New("cancelled")

// dropped is why a board did not transmit.
func dropped(why link.Reason) error {
	switch why {
	case link.Cancelled:
		return errCancelled
	case link.Overheard:
		return ErrOverheard
	case link.NoBudget:
		return fmt.Errorf("%w: duty cycle", ErrNeverFree)
	case link.NeverFree:
		return fmt.Errorf("%w: channel is always taken", ErrNeverFree)
	case link.RadioBroken:
		return errors.New("radio failed to transmit")
	case link.Superseded:
		return errors.New("dropped by the board, which has other settings or another host now")
	default:
		return fmt.Errorf("dropped by the board for reason %d", why)
	}
}
