package modem

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/link"
	"lorrent/lora/modem/boardtest"
)

func openOwn(t *testing.T, b *boardtest.Own, radio Radio) (Modem, error) {
	return Open(testContext(t), "board", b.Path(), radio)
}

func TestOwn(t *testing.T) {
	sent := make(chan []byte, 10)
	b := boardtest.NewOwn(t, time.Millisecond, func(p []byte) { sent <- p })
	radio := testRadio()
	radio.DutyCycle, radio.Dwell = 0.1, 400*time.Millisecond
	m := mustOpen(t, func() (Modem, error) { return openOwn(t, b, radio) })
	if want := "board:" + b.Path(); m.String() != want {
		t.Errorf("String() = %q, want %q", m, want)
	}
	want := link.Radio{
		FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 16,
		SyncWord: 0x12, TxPowerDBm: 14, DutyCycle: 1000, Dwell: 40,
	}
	got, stored := b.Radio()
	if got != want || stored.Radio != want || stored.Flags != link.RelayAlone || stored.Generation != 1 {
		t.Errorf("board has %+v and has stored %+v, want %+v, to relay alone", got, stored, want)
	}
	all := make([]byte, 255)
	for i := range all {
		all[i] = byte(i)
	}
	for _, packet := range [][]byte{{0}, all, make([]byte, 255)} {
		mustCarry(t, m, packet, sent, b.Deliver, -101.5, -7.3)
	}
	m.Close()
	mustOpen(t, func() (Modem, error) { return openOwn(t, b, radio) })
	if _, stored := b.Radio(); stored.Generation != 1 {
		t.Errorf("the same settings were stored again: generation %d", stored.Generation)
	}
}

func TestOwnConfigureRefused(t *testing.T) {
	tests := []struct {
		name string
		how  boardtest.OwnBehaviour
		want string
	}{
		{"other settings", boardtest.OwnBehaviour{OtherRadio: true}, "other settings than it was given"},
		{"version of the link", boardtest.OwnBehaviour{Version: 9}, "greet board: board: no common version"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := boardtest.NewOwn(t, time.Millisecond, nil)
			b.Behave(test.how)
			m, err := openOwn(t, b, testRadio())
			if err == nil {
				m.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
			b.Behave(boardtest.OwnBehaviour{NoFlash: true})
			mustOpen(t, func() (Modem, error) { return openOwn(t, b, testRadio()) })
			if b.Asked(link.TypeStore) != 0 {
				t.Error("a board without flash was told to store")
			}
		})
	}
}

func TestOwnSendErrors(t *testing.T) {
	tests := []struct {
		name string
		how  boardtest.OwnBehaviour
		size int
		want error
		text string
	}{
		{"queue full", boardtest.OwnBehaviour{Refuse: link.Full}, 10, link.Full, "queue is full"},
		{"overheard", boardtest.OwnBehaviour{Drop: link.Overheard}, 10, ErrOverheard, ""},
		{"no duty cycle left", boardtest.OwnBehaviour{Drop: link.NoBudget}, 10, ErrNeverFree, "duty cycle"},
		{"never free", boardtest.OwnBehaviour{Drop: link.NeverFree}, 10, ErrNeverFree, "channel"},
		{"radio", boardtest.OwnBehaviour{Drop: link.RadioBroken}, 10, nil, "failed to transmit"},
		{"superseded", boardtest.OwnBehaviour{Drop: link.Superseded}, 10, nil, "another host"},
		{"empty", boardtest.OwnBehaviour{}, 0, nil, "0 bytes"},
		{"too long", boardtest.OwnBehaviour{}, 256, nil, "256 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := boardtest.NewOwn(t, time.Millisecond, nil)
			m := mustOpen(t, func() (Modem, error) { return openOwn(t, b, testRadio()) })
			b.Behave(test.how)
			err := m.Send(testContext(t), make([]byte, test.size))
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || errors.Is(err, ErrGone) {
				t.Fatalf("Send() = %v, want %v with %q, and the board not gone", err, test.want, test.text)
			}
			b.Behave(boardtest.OwnBehaviour{})
			if err := m.Send(testContext(t), []byte("next")); err != nil {
				t.Errorf("the next Send: %v", err)
			}
		})
	}
}

// Everything in halves, noise between, and frames that make no sense.
func TestOwnGarbage(t *testing.T) {
	b := boardtest.NewOwn(t, time.Millisecond, nil)
	b.Behave(boardtest.OwnBehaviour{Halves: true})
	m := mustOpen(t, func() (Modem, error) { return openOwn(t, b, testRadio()) })
	whole := link.Append(nil, link.Rx{Packet: []byte("cut")}, 1)
	b.Write([]byte("\x00\xffboot\x00"))
	b.Write(whole[:len(whole)/2])
	b.Write(bytes.Repeat([]byte{0xAA}, 2000))
	b.Write([]byte{0})
	b.Write(link.AppendFrame(nil, link.Frame{Type: link.TypeRx, Body: []byte{1, 2}}))
	b.Write(link.AppendFrame(nil, link.Frame{Type: 0xDF, Body: []byte{1, 2}}))
	b.Deliver([]byte("whole"), -80, 4)
	got, err := m.Receive(testContext(t))
	if err != nil || string(got.Packet) != "whole" || got.RSSIdBm != -80 {
		t.Errorf("Receive() = %+v, %v, want the whole packet", got, err)
	}
	if c := m.(*ownBoard).Counters(); c.BadFrames < 3 {
		t.Errorf("%+v, want 3 bad frames at least", c)
	}
	if err := m.Send(testContext(t), []byte("x")); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func TestOwnUnplugged(t *testing.T) {
	taken := make(chan struct{})
	unplugged := make(chan struct{})
	b := boardtest.NewOwn(t, time.Millisecond, func([]byte) { close(taken); <-unplugged })
	m := mustOpen(t, func() (Modem, error) { return openOwn(t, b, testRadio()) })
	sent := make(chan error, 1)
	go func() { sent <- m.Send(testContext(t), []byte("waits")) }()
	<-taken
	b.Unplug()
	close(unplugged)
	if err := <-sent; !errors.Is(err, ErrGone) {
		t.Errorf("Send() = %v, want ErrGone", err)
	}
	if _, err := m.Receive(testContext(t)); !errors.Is(err, ErrGone) {
		t.Errorf("Receive() = %v, want ErrGone", err)
	}
}

// withOwn is withClock for a board with our own firmware.
func withOwn(t *testing.T, onAir time.Duration, test func(t *testing.T, b *boardtest.Own, m *ownBoard)) {
	onPipe(t, func() *boardtest.Own { return boardtest.NewDetachedOwn(onAir, nil) }, startOwn, test)
}

// Answers that get lost cost time and no packet, and send none twice.
func TestOwnLosesAnswers(t *testing.T) {
	withOwn(t, 100*time.Millisecond, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		b.Behave(boardtest.OwnBehaviour{Mute: 2})
		begin := time.Now()
		if err := m.Send(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		between(t, begin, 2*answerWait, 2*answerWait)
		b.Behave(boardtest.OwnBehaviour{LoseReports: 1})
		begin = time.Now()
		if err := m.Send(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		between(t, begin, askAgain, askAgain)

		// The answer to a command that was given up is not that to the next.
		if err := m.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		stale := link.Append(nil, link.RadioAnswer{}, m.sequence-1)
		m.release()
		b.Behave(boardtest.OwnBehaviour{Mute: 1})
		time.AfterFunc(answerWait/2, func() { b.Write(stale) })
		if err := m.Configure(t.Context(), testRadio()); err != nil {
			t.Errorf("Configure took an older answer for its own: %v", err)
		}
	})
}

func TestOwnTiming(t *testing.T) {
	withOwn(t, 100*time.Millisecond, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		time.Sleep(time.Hour)
		begin := time.Now()
		timing := Timing{NotBefore: begin.Add(30 * time.Second), Slots: 16, Copies: 2, Key: [9]byte{1, 2, 3}}
		if err := m.SendTimed(t.Context(), []byte("later"), timing); err != nil {
			t.Fatal(err)
		}
		between(t, begin, 30*time.Second, 30*time.Second+200*time.Millisecond)
		if tx := b.LastTx(); tx.Slots != 16 || tx.Copies != 2 || tx.Key != (link.Key{1, 2, 3}) {
			t.Errorf("board was told %+v", tx)
		}
		if err := m.SendTimed(t.Context(), []byte("x"), Timing{Slots: 256}); err == nil {
			t.Error("256 slots were taken")
		}
		if err := m.SendTimed(t.Context(), []byte("x"), Timing{NotBefore: begin}); err != nil || b.LastTx().NotBefore != 0 {
			t.Errorf("a time that is over became %d, %v", b.LastTx().NotBefore, err)
		}
	})
}

// Several packets wait at the board at the same time, and each is told its own
// end.
func TestOwnManyAtOnce(t *testing.T) {
	withOwn(t, time.Second, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		begin := time.Now()
		results := make(chan error, 8)
		for i := range cap(results) {
			go func() {
				results <- m.SendTimed(t.Context(), []byte{byte(i)}, Timing{NotBefore: begin.Add(time.Duration(i) * time.Second)})
			}()
		}
		for i := range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
			between(t, begin, time.Duration(i+1)*time.Second, time.Duration(i+1)*time.Second+100*time.Millisecond)
		}
	})
}

func TestOwnCancelled(t *testing.T) {
	withOwn(t, time.Second, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		if err := m.SendTimed(ctx, []byte("x"), Timing{NotBefore: begin.Add(time.Minute)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send() = %v, want the context's error", err)
		}
		between(t, begin, 5*time.Second, 5*time.Second)
		if n := b.Asked(link.TypeCancel); n != 1 {
			t.Errorf("the board was told to cancel %d times", n)
		}
		// Too late: it is sent, and that is what Send says.
		ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		b.Behave(boardtest.OwnBehaviour{CancelLate: true})
		begin = time.Now()
		if err := m.Send(ctx, []byte("x")); err != nil {
			t.Errorf("Send() = %v, want success: it was on the air", err)
		}
		between(t, begin, time.Second, time.Second)
	})
}

func TestOwnStuck(t *testing.T) {
	withOwn(t, time.Second, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		b.Behave(boardtest.OwnBehaviour{Swallow: true})
		begin := time.Now()
		if err := m.Send(t.Context(), []byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("Send() = %v, want ErrGone", err)
		}
		between(t, begin, boardPatience, boardPatience+3*askAgain)
	})
}

func TestOwnFallsSilent(t *testing.T) {
	withOwn(t, time.Second, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		time.Sleep(time.Minute)
		if n := b.Asked(link.TypePing); n < 15 {
			t.Errorf("%d pings in a minute: the board would take the host for gone", n)
		}
		b.Behave(boardtest.OwnBehaviour{Silent: true})
		begin := time.Now()
		if _, err := m.Receive(t.Context()); !errors.Is(err, ErrGone) {
			t.Errorf("Receive() = %v, want ErrGone", err)
		}
		between(t, begin, replyTries*answerWait, stillHere+replyTries*answerWait)
	})
}

func TestOwnRestarts(t *testing.T) {
	withOwn(t, time.Second, func(t *testing.T, b *boardtest.Own, m *ownBoard) {
		time.AfterFunc(500*time.Millisecond, b.Reboot)
		if err := m.Send(t.Context(), []byte("x")); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "it restarted") {
			t.Errorf("Send() = %v, want ErrGone for a restart", err)
		}
	})
}

func TestOwnSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		b := boardtest.NewDetachedOwn(0, nil)
		b.Behave(boardtest.OwnBehaviour{Silent: true})
		served := make(chan struct{})
		go func() { b.Serve(far); close(served) }()
		defer func() { far.Close(); <-served }()
		time.AfterFunc(4*time.Second, func() { b.Behave(boardtest.OwnBehaviour{}); b.Reboot() })
		begin := time.Now()
		m, err := startOwn(t.Context(), "pipe", host)
		if err != nil {
			t.Fatalf("start: %v", err)
		}
		between(t, begin, 4*time.Second, 4*time.Second+2*pingEvery)
		m.Close()
	})
}
