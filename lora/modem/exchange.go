package modem

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lorrent/lora/kiss"
)

// answer waits for the next answer of the board. ok is false when the limit
// has passed without one.
func (b *board) answer(ctx context.Context, limit <-chan time.Time) (m kiss.Message, ok bool, err error) {
	select {
	case m = <-b.answers:
		return m, true, nil
	case <-b.gone:
		return nil, false, b.err()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-limit:
		return nil, false, nil
	}
}

// forget drops answers to exchanges that were given up.
func (b *board) forget() {
	for {
		select {
		case <-b.answers:
		default:
			return
		}
	}
}

// hello pings until the board answers.
func (b *board) hello(ctx context.Context) error {
	return b.knock(ctx, kiss.Query(kiss.SubPing).Append(nil), func() bool {
		return accepts(b.answers, func(m kiss.Message) bool {
			q, ok := m.(kiss.Query)
			return ok && kiss.Sub(q) == kiss.SubPong
		})
	})
}

// ask sends a request and waits for the answer that accept knows. It asks
// again when the board is silent or had no room to answer, so requests must
// bear repetition. It needs the turn. A refusal is a kiss.ErrorCode; a board
// that stays silent is ErrGone.
func (b *board) ask(ctx context.Context, request kiss.Message, accept func(kiss.Message) bool) (kiss.Message, error) {
	last := fmt.Errorf("%w: no answer within %v", ErrGone, replyTries*replyWait)
	for range replyTries {
		m, err := b.askOnce(ctx, request, accept)
		if err != nil && !errors.Is(err, kiss.ErrorBusy) {
			return nil, err
		}
		if m != nil {
			return m, nil
		}
		if err != nil {
			last = err
		}
	}
	if errors.Is(last, ErrGone) {
		b.fail(last)
		return nil, b.err()
	}
	return nil, last
}

// askOnce returns neither message nor error when no answer came in time.
func (b *board) askOnce(ctx context.Context, request kiss.Message, accept func(kiss.Message) bool) (kiss.Message, error) {
	b.forget()
	if err := b.write(request.Append(nil)); err != nil {
		return nil, err
	}
	limit := time.NewTimer(replyWait)
	defer limit.Stop()
	for {
		m, ok, err := b.answer(ctx, limit.C)
		if err != nil || !ok {
			return nil, err
		}
		if refused, is := m.(kiss.Failure); is {
			return nil, kiss.ErrorCode(refused)
		}
		if accept(m) {
			return m, nil
		}
	}
}

// accepted is the answer to requests that have none of their own.
func accepted(m kiss.Message) bool {
	_, ok := m.(kiss.OK)
	return ok
}
