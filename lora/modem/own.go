package modem

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"lorrent/lora/link"
)

const (
	answerWait = 500 * time.Millisecond // firmware/PROTOCOL.md
	stillHere  = 3 * time.Second        // a board takes a host that is silent for 10 s for gone
)

// ownBoard drives a board with our own firmware. Exchanges are strictly one
// after the other; transmissions are not, since the board tells their ends by
// their ids.
type ownBoard struct {
	*line
	answers chan answer // from the reader to the exchange under way
	up      atomic.Bool // it has answered, so that it has started says that it lost everything
	clock   clock

	pending struct {
		sync.Mutex
		byID map[uint16]chan error // how each transmission ended; holds one
	}
	state atomic.Pointer[link.State] // the latest

	// owned by who has the turn
	board    link.Board
	sequence uint8
	id       uint16 // of the last transmission
}

// answer is one, with the sequence of its command; or a report.
type answer struct {
	sequence uint8
	message  link.Message
}

func parseAnswer(f link.Frame) (answer, error) {
	m, err := link.Parse(f)
	return answer{f.Sequence, m}, err
}

// startOwn is start for our own firmware.
func startOwn(ctx context.Context, name string, l port) (*ownBoard, error) {
	b := &ownBoard{line: newLine(name, l), answers: make(chan answer, 16), id: uint16(rand.Uint32())}
	b.pending.byID = make(map[uint16]chan error)
	b.running.Go(func() { read(b.line, link.NewDecoder(b.link), parseAnswer, b.dispatch) })
	if err := b.hello(ctx); err != nil {
		b.Close()
		return nil, err
	}
	b.up.Store(true)
	b.running.Go(b.attend)
	b.release()
	return b, nil
}

// hello begins a session. What the board had queued for another ends.
func (b *ownBoard) hello(ctx context.Context) error {
	session := rand.Uint32()
	b.sequence = uint8(rand.Uint32())
	request := link.Append([]byte{link.Delimiter}, link.Hello{Version: link.Version, Session: session}, b.sequence)
	var refused error
	sent := time.Now()
	err := b.knock(ctx, request, func() bool {
		return accepts(b.answers, func(a answer) bool {
			switch m := a.message.(type) {
			case link.HelloAnswer:
				if m.Session == session {
					b.board = m.Board
					b.clock.set(m.Board.Time, sent, time.Now())
					return true
				}
			case link.Refused:
				if m.Command == link.TypeHello && a.sequence == b.sequence {
					refused = m.Status
					return true
				}
			}
			return false
		})
	})
	if err == nil && refused != nil {
		return fmt.Errorf("greet board: %w", refused)
	}
	return err
}

// dispatch never blocks: the reader must go on whatever callers do.
func (b *ownBoard) dispatch(a answer) {
	switch m := a.message.(type) {
	case link.Rx:
		b.in.putWhole(Received{
			Packet: m.Packet, RSSIdBm: float64(m.RSSITenths) / 10, SNRdB: float64(m.SNRTenths) / 10, At: time.Now(),
		})
	case link.TxDone:
		b.ended(m.ID, nil)
	case link.TxDropped:
		b.ended(m.ID, dropped(m.Reason))
	case link.StateReport:
		b.state.Store(&m.State)
	case link.Started:
		if b.up.Load() {
			b.fail(fmt.Errorf("%w: it restarted", ErrGone))
		}
	case link.Log:
	default:
		offer(b.line, b.answers, a)
	}
}

// attend keeps the board from taking the host for gone, and the clock right.
func (b *ownBoard) attend() {
	b.every(stillHere, func(ctx context.Context) {
		sent := time.Now()
		m, err := b.ask(ctx, link.Ping{})
		if err != nil {
			b.fail(fmt.Errorf("%w: %w", ErrGone, err))
			return
		}
		b.clock.set(m.(link.PingAnswer).Time, sent, time.Now())
	})
}

// ask sends a command and waits for its answer, three times. It needs the turn.
// A refusal is a link.Status; a board that stays silent is ErrGone.
func (b *ownBoard) ask(ctx context.Context, command link.Message) (link.Message, error) {
	b.sequence++
	frame := link.Append(nil, command, b.sequence)
	for range replyTries {
		if err := b.write(frame); err != nil {
			return nil, err
		}
		m, err := b.answer(ctx, command.Type())
		if m != nil || err != nil {
			return m, err
		}
		// Whatever the frame met, the next one shall not be joined to it.
		frame = append([]byte{link.Delimiter}, frame...)
	}
	b.fail(fmt.Errorf("%w: no answer within %v", ErrGone, replyTries*answerWait))
	return nil, b.err()
}

// answer returns neither message nor error when no answer came in time.
func (b *ownBoard) answer(ctx context.Context, command link.Type) (link.Message, error) {
	limit := time.NewTimer(answerWait)
	defer limit.Stop()
	for {
		select {
		case a := <-b.answers:
			if a.sequence != b.sequence || a.message.Type() != command|link.Answered {
				continue // of an exchange given up
			}
			if m, is := a.message.(link.Refused); is {
				return nil, m.Status
			}
			return a.message, nil
		case <-limit.C:
			return nil, nil
		case <-b.gone:
			return nil, b.err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Configure implements Modem. It leaves the settings in the board's flash as
// well, for the time without a host, in which the board relays.
func (b *ownBoard) Configure(ctx context.Context, r Radio) error {
	none := func(context.Context) error { return nil } // its transmissions end by themselves
	return b.configure(ctx, r, Radio.validate, none, b.apply)
}

// apply needs the turn.
func (b *ownBoard) apply(ctx context.Context) error {
	want := b.radio.forBoard()
	m, err := b.ask(ctx, link.SetRadio{Radio: want})
	if err != nil {
		return fmt.Errorf("set radio: %w", err)
	}
	if got := m.(link.RadioAnswer).Radio; got != want {
		return fmt.Errorf("board took other settings than it was given: %+v, want %+v", got, want)
	}
	if b.board.Capabilities&link.HasFlash == 0 {
		return nil
	}
	m, err = b.ask(ctx, link.AskStored{})
	if err != nil {
		return fmt.Errorf("ask what is stored: %w", err)
	}
	stored := m.(link.StoredAnswer).Stored
	if stored.Generation != 0 && stored.Radio == want {
		return nil // flash wears
	}
	if stored.Generation == 0 {
		stored.Flags = link.RelayAlone
	}
	_, err = b.ask(ctx, link.Store{Flags: stored.Flags, Name: stored.Name})
	if err != nil && !errors.Is(err, link.FlashFailed) { // which the host can do without
		return fmt.Errorf("store settings: %w", err)
	}
	return nil
}

// forBoard are the settings as the board takes them.
func (r Radio) forBoard() link.Radio {
	l := link.Radio{
		FrequencyHz: r.FrequencyHz, BandwidthHz: r.BandwidthHz,
		SpreadingFactor: uint8(r.SpreadingFactor), CodingRate: uint8(r.CodingRate),
		PreambleSymbols: uint8(min(max(r.PreambleSymbols, 6), 255)), SyncWord: r.SyncWord, TxPowerDBm: int8(r.TxPowerDBm),
		DutyCycle: noLimit,
		Dwell:     uint8(min(r.Dwell/(10*time.Millisecond), 255)),
	}
	if l.SyncWord == 0 {
		l.SyncWord = boardSyncWord
	}
	if r.DutyCycle > 0 {
		l.DutyCycle = uint16(min(max(r.DutyCycle*noLimit, 1), noLimit))
	}
	return l
}

const noLimit = 10_000

// State is what the board last said about itself: its airtime, load and noise
// of the channel, battery. It says so every five seconds.
func (b *ownBoard) State() (s link.State, ok bool) {
	if p := b.state.Load(); p != nil {
		return *p, true
	}
	return s, false
}

// Screen is a modem whose board may have one.
type Screen interface {
	// Show puts something on the screen. Boards without one refuse or forget it.
	Show(ctx context.Context, d link.Display) error
}

// Show implements Screen.
func (b *ownBoard) Show(ctx context.Context, d link.Display) error {
	if len(d.Text) > link.MaxText {
		return fmt.Errorf("show text: %d bytes, want %d at most", len(d.Text), link.MaxText)
	}
	if err := b.exchange(ctx, d); err != nil {
		return fmt.Errorf("show text: %w", err)
	}
	return nil
}

// clock relates the board's to the host's.
type clock struct {
	mu    sync.Mutex
	board uint32 // ms
	host  time.Time
}

// set notes the board's time at some moment between two of the host's.
func (c *clock) set(board uint32, earliest, latest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.board, c.host = board, earliest.Add(latest.Sub(earliest)/2)
}

// at is the board's time at one of the host's; 0, now, when that is over.
func (c *clock) at(t time.Time) uint32 {
	if t.IsZero() || !t.After(time.Now()) {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(1, c.board+uint32(t.Sub(c.host).Milliseconds()))
}
