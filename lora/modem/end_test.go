package modem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lorrent/lora/kiss"
	"lorrent/lora/modem/boardtest"
)

func TestUnplug(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
		m := mustOpen(t, open)
		results := underWay(t, b, m)
		for range 2 {
			select {
			case err := <-results:
				t.Fatalf("ended before the board was unplugged: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
		b.Unplug()
		mustEnd(t, results, func(err error) bool { return errors.Is(err, ErrGone) })
		if err := m.Send(testContext(t), []byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("Send() = %v, want ErrGone", err)
		}
		if _, err := m.Receive(testContext(t)); !errors.Is(err, ErrGone) {
			t.Errorf("Receive() = %v, want ErrGone", err)
		}
		if err := m.Configure(testContext(t), testRadio()); !errors.Is(err, ErrGone) {
			t.Errorf("Configure() = %v, want ErrGone", err)
		}
	})
}

// What was heard before the link went is not lost with it.
func TestReceiveAfterUnplug(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
		m := mustOpen(t, open)
		for i := range 3 {
			b.Deliver([]byte{byte(i)}, -80, 9)
		}
		if err := m.Send(testContext(t), []byte("after the three")); err != nil {
			t.Fatal(err)
		}
		b.Unplug()
		for i := range 3 {
			if r, err := m.Receive(testContext(t)); err != nil || !slices.Equal(r.Packet, []byte{byte(i)}) {
				t.Errorf("Receive() = %v, %v, want packet %d", r.Packet, err, i)
			}
		}
		if r, err := m.Receive(testContext(t)); !errors.Is(err, ErrGone) {
			t.Errorf("Receive() = %v, %v, want ErrGone", r, err)
		}
	})
}

func TestClose(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
		m := mustOpen(t, open)
		results := underWay(t, b, m)
		for range 3 {
			if err := m.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		mustEnd(t, results, func(err error) bool { return errors.Is(err, ErrClosed) })
		b.Behave(boardtest.Behaviour{})
		again := mustOpen(t, open)
		b.Deliver([]byte("heard before"), -80, 9)
		if err := again.Send(testContext(t), []byte("x")); err != nil {
			t.Errorf("Send after opening again: %v", err)
		}
		again.Close()
		if r, err := again.Receive(testContext(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("Receive() = %+v, %v, want ErrClosed", r, err)
		}
	})
}

func TestCancel(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), sent chan []byte) {
		m := mustOpen(t, open)
		b.Behave(boardtest.Behaviour{Swallow: true})
		ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
		defer cancel()
		if err := m.Send(ctx, []byte("given up")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send() = %v, want the context's error", err)
		}
		if _, err := m.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Receive() = %v, want the context's error", err)
		}
		// The packet given up on is still with the board.
		b.Behave(boardtest.Behaviour{})
		next := make(chan error, 1)
		go func() { next <- m.Send(testContext(t), []byte("next")) }()
		select {
		case <-sent:
			t.Fatal("the next packet was sent while one was pending")
		case err := <-next:
			t.Fatalf("Send() = %v while a packet was pending", err)
		case <-time.After(100 * time.Millisecond):
		}
		b.Write(kiss.TxDone(true).Append(nil))
		if err := <-next; err != nil {
			t.Errorf("the next Send: %v", err)
		}
		if got := <-sent; string(got) != "next" {
			t.Errorf("sent %q, want next", got)
		}
	})
}

// One packet is with the board at a time, however many callers there are.
func TestSendConcurrently(t *testing.T) {
	var m Modem
	inFlight := make(chan struct{}, 1)
	b := boardtest.New(t, func([]byte) {
		select {
		case inFlight <- struct{}{}:
			<-inFlight
		default:
			t.Error("two packets at once")
		}
	})
	m = mustOpen(t, func() (Modem, error) { return Open(testContext(t), "meshcore", b.Path(), testRadio()) })
	results := make(chan error)
	for i := range 20 {
		go func() { results <- m.Send(testContext(t), fmt.Appendf(nil, "packet %d", i)) }()
	}
	for range 20 {
		if err := <-results; err != nil {
			t.Errorf("Send: %v", err)
		}
	}
}
