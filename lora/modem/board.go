package modem

import (
	"context"
	"time"

	"lorrent/lora/kiss"
)

// board drives a MeshCore KISS modem. The board takes one request at a time
// and its answers do not name the request, so exchanges are strictly one
// after the other.
type board struct {
	*line
	answers chan kiss.Message // from the reader to the exchange under way

	// owned by who has the turn
	onAirUntil time.Time // TxDone of an earlier packet is due by then; zero when none is
	inStep     bool      // every packet taken by the board is accounted for
}

// start runs the reader on a link and waits until the board behind it
// answers. It owns the link from here on, also when it fails.
func start(ctx context.Context, name string, l port) (*board, error) {
	b := &board{line: newLine(name, l), answers: make(chan kiss.Message, 16)}
	b.running.Go(func() { read(b.line, kiss.NewDecoder(b.link), kiss.Parse, b.dispatch) })
	if err := b.hello(ctx); err != nil {
		b.Close()
		return nil, err
	}
	b.running.Go(b.watch)
	b.release()
	return b, nil
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
		offer(b.line, b.answers, message)
	}
}

// watch asks an idle board now and then whether it still has its settings. A
// board behind a USB serial chip may restart without the host noticing, and
// then listens on its default frequency.
func (b *board) watch() {
	b.every(checkEvery, func(ctx context.Context) { b.check(ctx, b.settle, b.verify) })
}
