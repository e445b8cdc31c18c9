package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
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

// port is a board's byte stream. Close must unblock Read and Write.
type port interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// Counters tells what a board's link has lost since it was opened.
type Counters struct {
	Dropped   uint64 // packets heard that nobody received in time
	BadFrames uint64 // frames that were broken or made no sense
}

// line is what every driver of a board has: the link, what was heard, how it
// all ended, and the turn to talk. The driver runs a reader on it.
type line struct {
	// immutable after newLine
	name string
	link port
	in   *inbox

	gone    chan struct{}  // closed by fail
	running sync.WaitGroup // what the driver runs

	badFrames atomic.Uint64
	skipped   atomic.Uint64

	// guarded by mu
	mu    sync.Mutex
	cause error // why gone is closed

	wake chan struct{} // holds one token: the reader has something for knock

	// turn holds one token. Who has taken it may talk to the board and owns
	// what the driver says it does.
	turn chan struct{}

	// owned by who has the turn
	radio      Radio // in effect when configured
	configured bool
}

// newLine makes a line whose turn is taken until the first release.
func newLine(name string, p port) *line {
	return &line{
		name: name, link: p, in: newInbox(), gone: make(chan struct{}),
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
}

func (l *line) String() string { return l.name }

// Counters tells what was lost since the board was opened.
func (l *line) Counters() Counters {
	return Counters{Dropped: l.in.droppedCount(), BadFrames: l.badFrames.Load() + l.skipped.Load()}
}

// Close implements Modem. Packets not yet received are discarded.
func (l *line) Close() error {
	l.fail(ErrClosed)
	l.running.Wait()
	l.in.clear()
	return nil
}

// Receive implements Modem. A packet whose signal strength did not follow
// within half a second comes without it. What was heard before the link went
// is still received; then the error says why it went.
func (l *line) Receive(ctx context.Context) (Received, error) {
	r, ok, err := l.in.take(ctx, l.gone)
	if err != nil {
		return Received{}, fmt.Errorf("receive packet: %w", err)
	}
	if !ok {
		return Received{}, fmt.Errorf("receive packet from %s: %w", l.name, l.err())
	}
	return r, nil
}

// fail ends the link. The first cause is kept.
func (l *line) fail(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return
	}
	l.cause = cause
	close(l.gone)
	// Nothing can be done about a port that does not close cleanly.
	_ = l.link.Close()
}

func (l *line) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// take waits for the turn to talk to the board.
func (l *line) take(ctx context.Context) error {
	select {
	case <-l.gone:
		return l.err()
	default:
	}
	select {
	case <-l.turn:
		return nil
	case <-l.gone:
		return l.err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *line) release() { l.turn <- struct{}{} }

// write puts one frame on the link. It needs the turn. An error means that the
// link is gone.
func (l *line) write(frame []byte) error {
	err := l.link.SetWriteDeadline(time.Now().Add(writeWait))
	if err == nil {
		_, err = l.link.Write(frame)
	}
	if err != nil {
		l.fail(fmt.Errorf("%w: write: %w", ErrGone, err))
		return l.err()
	}
	return nil
}

// stir lets knock look again.
func (l *line) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// knock sends a request every half second until answered says that the board
// has answered: it may have restarted when the port was opened, and the first
// request may have ended some half frame.
func (l *line) knock(ctx context.Context, request []byte, answered func() bool) error {
	give := time.NewTimer(openWait)
	defer give.Stop()
	again := time.NewTicker(pingEvery)
	defer again.Stop()
	for {
		if err := l.write(request); err != nil {
			return fmt.Errorf("ping board: %w", err)
		}
		for waiting := true; waiting; {
			select {
			case <-l.wake:
				if answered() {
					return nil
				}
			case <-again.C:
				waiting = false
			case <-give.C:
				return fmt.Errorf("ping board: no answer within %v: %w", openWait, ErrGone)
			case <-l.gone:
				return fmt.Errorf("ping board: %w", l.err())
			case <-ctx.Done():
				return fmt.Errorf("ping board: %w", ctx.Err())
			}
		}
	}
}

// every calls check with the turn now and then while nobody else talks to the
// board, whose answers would be seen to then. It returns when the link is gone,
// which ends exchanges under way as well.
func (l *line) every(period time.Duration, check func(context.Context)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-l.gone:
			return
		case <-ticker.C:
		}
		select {
		case <-l.turn:
			check(context.Background())
			l.release()
		default:
		}
	}
}
