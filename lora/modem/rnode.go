package modem

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"lorrent/lora/kiss"
	"lorrent/lora/rnode"
)

// linkByte stands for the first byte of a packet: RNode firmware makes it
// itself, four bits of it random, and takes it off what it hears.
const linkByte = 0xC0

// rnodeBoard drives a board with RNode firmware. What that cannot do: report
// the end of a transmission (see meter), cancel one, or another preamble and
// sync word than its own.
type rnodeBoard struct {
	*line
	answers chan rnode.Frame // from the reader to the exchange under way
	meter   meter
	up      atomic.Bool // it has answered, so a restart from now on is one

	// owned by the reader
	rssidBm, snrdB float64 // of the packet to come, NaN when not told

	// owned by who has the turn
	sent       <-chan struct{} // the end of a transmission not seen to yet; else nil
	onAir      time.Duration   // of that one
	onAirUntil time.Time       // sent comes by then
}

// startRNode is start for RNode firmware.
func startRNode(ctx context.Context, name string, l port) (*rnodeBoard, error) {
	b := &rnodeBoard{
		line: newLine(name, l), answers: make(chan rnode.Frame, 16),
		rssidBm: math.NaN(), snrdB: math.NaN(),
	}
	b.running.Go(func() { read(b.line, kiss.NewDecoder(b.link), rnode.Parse, b.dispatch) })
	if err := b.hello(ctx); err != nil {
		b.Close()
		return nil, err
	}
	b.up.Store(true)
	b.running.Go(b.watch)
	b.release()
	return b, nil
}

// hello asks until the board says that it is one. It may be starting, and the
// first request may end a half frame of a process before this one.
func (b *rnodeBoard) hello(ctx context.Context) error {
	request := rnode.Byte(rnode.CommandDetect, rnode.DetectRequest).Append(nil)
	return b.knock(ctx, request, func() bool {
		return accepts(b.answers, func(f rnode.Frame) bool {
			return f.Command == rnode.CommandDetect && f.Value() == rnode.DetectReply
		})
	})
}

// dispatch never blocks: the reader must go on whatever callers do.
func (b *rnodeBoard) dispatch(f rnode.Frame) {
	switch f.Command {
	case rnode.CommandRSSI:
		b.rssidBm = f.RSSIdBm()
	case rnode.CommandSNR:
		b.snrdB = f.SNRdB()
	case rnode.CommandData:
		b.heard(f.Body)
	case rnode.CommandChannel:
		b.meter.report(f.Channel().Airtime, time.Now())
	case rnode.CommandReset:
		if b.up.Load() {
			b.fail(fmt.Errorf("%w: it restarted", ErrGone))
		}
	default:
		offer(b.line, b.answers, f)
	}
}

// heard queues a packet. One that was split is not of our format.
func (b *rnodeBoard) heard(body []byte) {
	rssi, snr := b.rssidBm, b.snrdB
	b.rssidBm, b.snrdB = math.NaN(), math.NaN()
	if len(body) > rnode.MaxPacket {
		b.badFrames.Add(1)
		return
	}
	b.in.putWhole(Received{Packet: append([]byte{linkByte}, body...), RSSIdBm: rssi, SNRdB: snr, At: time.Now()})
}

// watch asks an idle board now and then whether it still has its settings:
// one behind a USB serial chip may restart without a word.
func (b *rnodeBoard) watch() {
	b.every(checkEvery, func(ctx context.Context) { b.check(ctx, b.settle, b.verify) })
}

// Configure implements Modem. The board chooses the preamble, which receivers
// need not agree on; its sync word is always 0x12. Settings a board did not
// take leave it unfit to send until the next Configure.
func (b *rnodeBoard) Configure(ctx context.Context, r Radio) error {
	return b.configure(ctx, r, rnodeFit, b.settle, b.apply)
}

// rnodeFit checks what RNode firmware would get wrong without a word.
func rnodeFit(r Radio) error {
	if err := r.validate(); err != nil {
		return err
	}
	if r.TxPowerDBm < 0 || r.TxPowerDBm > 37 { // a negative one is taken for the highest
		return fmt.Errorf("power of %d dBm, but RNode firmware wants 0 to 37", r.TxPowerDBm)
	}
	if s := r.Airtime().SymbolTime(); s >= 16*time.Millisecond && s < 17*time.Millisecond {
		return fmt.Errorf("SF%d at %d Hz: RNode firmware leaves out the low data rate optimisation there, and nobody else would understand it",
			r.SpreadingFactor, r.BandwidthHz)
	}
	return nil
}

// setting is a frame that sets something, and how far from it the board's
// value may be.
type setting struct {
	what      string
	frame     rnode.Frame
	tolerance uint32
}

func (r Radio) settings() []setting {
	return []setting{
		{"frequency", rnode.Uint32(rnode.CommandFrequency, r.FrequencyHz), 100}, // the chip's steps are 61 Hz
		{"bandwidth", rnode.Uint32(rnode.CommandBandwidth, r.BandwidthHz), 0},
		{"power", rnode.Byte(rnode.CommandTxPower, byte(r.TxPowerDBm)), 0},
		{"spreading factor", rnode.Byte(rnode.CommandSF, byte(r.SpreadingFactor)), 0},
		{"coding rate", rnode.Byte(rnode.CommandCR, byte(r.CodingRate)), 0},
	}
}

// openSettings undo what another program may have set, and what would keep
// packets from coming or going.
var openSettings = []setting{
	{"promiscuous mode", rnode.Byte(rnode.CommandPromisc, 0), 0},
	{"airtime limit", rnode.Uint16(rnode.CommandShortLock, 0), 0},
	{"hourly airtime limit", rnode.Uint16(rnode.CommandLongLock, 0), 0},
}

// apply restarts the radio with the settings. It needs the turn.
func (b *rnodeBoard) apply(ctx context.Context) error {
	off, on := rnode.Byte(rnode.CommandRadioState, 0), rnode.Byte(rnode.CommandRadioState, 1)
	if _, err := b.ask(ctx, off); err != nil {
		return fmt.Errorf("turn radio off: %w", err)
	}
	for _, s := range append(b.radio.settings(), openSettings...) {
		got, err := b.ask(ctx, s.frame)
		if err != nil {
			return fmt.Errorf("set %s: %w", s.what, err)
		}
		if err := s.check(got); err != nil {
			return err
		}
	}
	b.meter.reset()
	state, err := b.ask(ctx, on)
	if err != nil {
		return fmt.Errorf("turn radio on: %w", err)
	}
	if state.Value() != 1 {
		return errors.New("the radio stays off: the board has not been provisioned (rnodeconf --autoinstall does that)")
	}
	return b.verify(ctx)
}

func (s setting) check(got rnode.Frame) error {
	have, want := got.Value(), s.frame.Value()
	if max(have, want)-min(have, want) > s.tolerance {
		return fmt.Errorf("board took another %s than it was given: %d, want %d", s.what, have, want)
	}
	return nil
}

// verify reads the settings back. It needs the turn.
func (b *rnodeBoard) verify(ctx context.Context) error {
	state, err := b.ask(ctx, rnode.Byte(rnode.CommandRadioState, rnode.Ask))
	if err != nil {
		return fmt.Errorf("read settings back: %w", err)
	}
	if state.Value() != 1 {
		return errors.New("the radio is off")
	}
	for _, s := range b.radio.settings() {
		query := rnode.Uint32(s.frame.Command, 0)
		if len(s.frame.Body) == 1 {
			query = rnode.Byte(s.frame.Command, rnode.Ask)
		}
		got, err := b.ask(ctx, query)
		if err != nil {
			return fmt.Errorf("read %s back: %w", s.what, err)
		}
		if err := s.check(got); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a request and waits for the frame with the same command. It asks
// again when the board is silent. It needs the turn. A board that stays silent
// is ErrGone.
func (b *rnodeBoard) ask(ctx context.Context, request rnode.Frame) (rnode.Frame, error) {
	for range replyTries {
		for len(b.answers) > 0 { // of exchanges given up
			<-b.answers
		}
		if err := b.write(request.Append(nil)); err != nil {
			return rnode.Frame{}, err
		}
		f, ok, err := b.answer(ctx, request.Command)
		if ok || err != nil {
			return f, err
		}
	}
	b.fail(fmt.Errorf("%w: no answer within %v", ErrGone, replyTries*replyWait))
	return rnode.Frame{}, b.err()
}

// answer waits for one try.
func (b *rnodeBoard) answer(ctx context.Context, c rnode.Command) (f rnode.Frame, ok bool, err error) {
	limit := time.NewTimer(replyWait)
	defer limit.Stop()
	for {
		select {
		case f = <-b.answers:
			switch f.Command {
			case c:
				return f, true, nil
			case rnode.CommandError:
				if code := rnode.ErrorCode(f.Value()); code != rnode.ErrorMemoryLow {
					return f, false, code
				}
			}
		case <-limit.C:
			return f, false, nil
		case <-b.gone:
			return f, false, b.err()
		case <-ctx.Done():
			return f, false, ctx.Err()
		}
	}
}
