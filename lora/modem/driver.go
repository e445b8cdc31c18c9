package modem

import (
	"context"
	"errors"
	"fmt"
)

// frames are what a driver takes off its link.
type frames[F any] interface {
	Next() (F, error)
	Skipped() uint64
}

// read takes messages off the link until it ends. deliver must not block: the
// reader goes on whatever callers do.
func read[F, M any](l *line, from frames[F], parse func(F) (M, error), deliver func(M)) {
	for {
		frame, err := from.Next()
		if err != nil {
			l.fail(fmt.Errorf("%w: read: %w", ErrGone, err))
			return
		}
		l.skipped.Store(from.Skipped())
		message, err := parse(frame)
		if err != nil {
			l.badFrames.Add(1)
			continue
		}
		deliver(message)
	}
}

// offer hands an answer to the exchange under way, if there is one.
func offer[M any](l *line, answers chan<- M, answer M) {
	select {
	case answers <- answer:
		l.stir()
	default: // a board that babbles answers to nothing
		l.badFrames.Add(1)
	}
}

// accepts says whether one of the answers that have come is accepted.
func accepts[M any](answers <-chan M, accept func(M) bool) bool {
	for {
		select {
		case a := <-answers:
			if accept(a) {
				return true
			}
		default:
			return false
		}
	}
}

// configure has apply tell the board other settings, when they fit and what an
// earlier Send gave up on is over. Settings that a board did not take leave it
// unfit to send until the next time.
func (l *line) configure(ctx context.Context, r Radio, fit func(Radio) error, settle, apply func(context.Context) error) error {
	err := fit(r)
	if err == nil {
		err = l.take(ctx)
	}
	if err != nil {
		return fmt.Errorf("configure radio: %w", err)
	}
	defer l.release()
	if err := settle(ctx); err != nil {
		return fmt.Errorf("configure radio: %w", err)
	}
	l.configured = false
	l.radio = r
	if err := apply(ctx); err != nil {
		return fmt.Errorf("configure radio: %w", err)
	}
	l.configured = true
	return nil
}

// check takes an idle board that has lost its settings for gone.
func (l *line) check(ctx context.Context, settle, verify func(context.Context) error) {
	if !l.configured || settle(ctx) != nil {
		return
	}
	if err := verify(ctx); err != nil {
		l.fail(fmt.Errorf("%w: %w", ErrGone, err))
	}
}

// ready takes the turn for a transmission. Without an error it is the caller's to
// release.
func (l *line) ready(ctx context.Context, settle func(context.Context) error) error {
	if err := l.take(ctx); err != nil {
		return err
	}
	err := errors.New("radio is not configured")
	if l.configured {
		if err = settle(ctx); err == nil {
			return nil
		}
		err = fmt.Errorf("wait for the one before: %w", err)
	}
	l.release()
	return err
}
