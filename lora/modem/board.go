package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"lorrent/lora/kiss"
)

// Errors callers may branch on.
var (
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("modem is closed")
	// ErrGone says that the link to the board is gone, or the board behind it,
	// and that the modem has to be opened anew. Errors of Send that are not
	// ErrGone concern one packet.
	ErrGone = errors.New("board is gone")
	// ErrLocked says that another process uses the serial port.
	ErrLocked = errors.New("in use by another process")
)

const (
	pingEvery  = 500 * time.Millisecond
	openWait   = 10 * time.Second // a board that restarts when opened takes 1 to 4 s
	replyWait  = time.Second
	replyTries = 3
	writeWait  = 2 * time.Second // for the longest frame, 45 ms at 115200 Bd
	checkEvery = 20 * time.Second
)

// link is a board's byte stream. Close must unblock Read and Write.
type link interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// Counters tells what a board's link has lost since it was opened.
type Counters struct {
	Dropped   uint64 // packets heard that nobody received in time
	BadFrames uint64 // frames that were broken or made no sense
}

// board drives a MeshCore KISS modem. The board takes one request at a time
// and its answers do not name the request, so exchanges are strictly one
// after the other.
type board struct {
	// immutable after start
	name string
	link link
	in   *inbox

	answers chan kiss.Message // from the reader to the exchange under way
	gone    chan struct{}     // closed by fail
	running sync.WaitGroup    // reader and watch

	badFrames atomic.Uint64
	skipped   atomic.Uint64

	// guarded by mu
	mu    sync.Mutex
	cause error // why gone is closed

	turn chan struct{} // holds one token; who has taken it owns the fields below

	radio      Radio // in effect when configured
	configured bool
	onAirUntil time.Time // TxDone of an earlier packet is due by then; zero when none is
	inStep     bool      // every packet taken by the board is accounted for
}

// start runs the reader on a link and waits until the board behind it
// answers. It owns the link from here on, also when it fails.
func start(ctx context.Context, name string, l link) (*board, error) {
	b := &board{
		name:    name,
		link:    l,
		in:      newInbox(),
		answers: make(chan kiss.Message, 16),
		gone:    make(chan struct{}),
		turn:    make(chan struct{}, 1),
	}
	b.running.Go(b.read)
	if err := b.hello(ctx); err != nil {
		b.Close()
		return nil, err
	}
	b.running.Go(b.watch)
	b.turn <- struct{}{}
	return b, nil
}

func (b *board) String() string { return b.name }

// Counters tells what was lost since the board was opened.
func (b *board) Counters() Counters {
	return Counters{Dropped: b.in.droppedCount(), BadFrames: b.badFrames.Load() + b.skipped.Load()}
}

// Close implements Modem. Packets not yet received are discarded.
func (b *board) Close() error {
	b.fail(ErrClosed)
	b.running.Wait()
	b.in.clear()
	return nil
}

// Receive implements Modem. A packet whose signal strength did not follow
// within half a second comes without it. What was heard before the link went
// is still received; then the error says why it went.
func (b *board) Receive(ctx context.Context) (Received, error) {
	r, ok, err := b.in.take(ctx, b.gone)
	if err != nil {
		return Received{}, fmt.Errorf("receive packet: %w", err)
	}
	if !ok {
		return Received{}, fmt.Errorf("receive packet from %s: %w", b.name, b.err())
	}
	return r, nil
}

// fail ends the link. The first cause is kept.
func (b *board) fail(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		return
	}
	b.cause = cause
	close(b.gone)
	// Nothing can be done about a port that does not close cleanly.
	_ = b.link.Close()
}

func (b *board) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// read takes frames off the link until it ends.
func (b *board) read() {
	frames := kiss.NewDecoder(b.link)
	for {
		frame, err := frames.Next()
		if err != nil {
			b.fail(fmt.Errorf("%w: read: %w", ErrGone, err))
			return
		}
		b.skipped.Store(frames.Skipped())
		message, err := kiss.Parse(frame)
		if err != nil {
			b.badFrames.Add(1)
			continue
		}
		b.dispatch(message)
	}
}

// dispatch never blocks: the reader must go on whatever callers do.
func (b *board) dispatch(message kiss.Message) {
	switch m := message.(type) {
	case kiss.Data:
		b.in.put(m, time.Now())
	case kiss.RxMeta:
		if !b.in.describe(float64(m.RSSIdBm), float64(m.SNRQuarters)/4) {
			b.badFrames.Add(1)
		}
	default:
		select {
		case b.answers <- message:
		default: // a board that babbles answers to nothing
			b.badFrames.Add(1)
		}
	}
}

// watch asks an idle board now and then whether it still has its settings. A
// board behind a USB serial chip may restart without the host noticing, and
// then listens on its default frequency.
func (b *board) watch() {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-b.gone:
			return
		case <-ticker.C:
		}
		select {
		case <-b.turn:
			b.check(context.Background()) // ends with the link, like all exchanges
			b.turn <- struct{}{}
		default: // in use, so its answers are seen to
		}
	}
}

// check needs the turn.
func (b *board) check(ctx context.Context) {
	if !b.configured || b.settle(ctx) != nil {
		return
	}
	if err := b.verify(ctx); err != nil {
		b.fail(fmt.Errorf("%w: %w", ErrGone, err))
	}
}

// take waits for the turn to talk to the board.
func (b *board) take(ctx context.Context) error {
	select {
	case <-b.gone:
		return b.err()
	default:
	}
	select {
	case <-b.turn:
		return nil
	case <-b.gone:
		return b.err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *board) release() { b.turn <- struct{}{} }
