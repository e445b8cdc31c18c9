package modem

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/kiss"
	"lorrent/lora/modem/boardtest"
)

// withClock runs a test with a board at a pipe and a clock of its own, which
// jumps ahead while everybody waits. The modem is open and configured.
func withClock(t *testing.T, test func(t *testing.T, b *boardtest.Board, m *board)) {
	onPipe(t, func() *boardtest.Board { return boardtest.NewDetached(t, nil) }, start, test)
}

// between checks how long something took.
func between(t *testing.T, begin time.Time, lower, upper time.Duration) {
	t.Helper()
	if took := time.Since(begin); took < lower || took > upper {
		t.Errorf("took %v, want %v to %v", took, lower, upper)
	}
}

func TestOpenSilentBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		defer far.Close()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		begin := time.Now()
		_, err := start(t.Context(), "pipe", host)
		if !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "no answer within 10s") {
			t.Errorf("start() = %v, want no answer within 10s", err)
		}
		between(t, begin, openWait, openWait)
	})
}

func TestOpenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		defer far.Close()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := start(ctx, "pipe", host); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("start() = %v, want the context's error", err)
		}
		between(t, begin, time.Second, time.Second)
	})
}

// A board that needs four seconds to start is waited for.
func TestOpenSlowBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		defer far.Close()
		b := boardtest.NewDetached(t, nil)
		b.Behave(boardtest.Behaviour{Silent: true})
		go b.Serve(far)
		time.AfterFunc(4*time.Second, func() { b.Behave(boardtest.Behaviour{}) })
		begin := time.Now()
		m, err := start(t.Context(), "pipe", host)
		if err != nil {
			t.Fatalf("start: %v", err)
		}
		between(t, begin, 4*time.Second, 4*time.Second+2*pingEvery)
		m.Close()
	})
}

// A link that takes no bytes does not hold Send for longer than its deadline.
func TestWriteStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		defer far.Close()
		begin := time.Now()
		if _, err := start(t.Context(), "pipe", host); !errors.Is(err, ErrGone) {
			t.Errorf("start() = %v, want ErrGone", err)
		}
		between(t, begin, writeWait, writeWait)
	})
}

func TestSendStall(t *testing.T) {
	tests := []struct {
		name string
		how  boardtest.Behaviour
	}{
		{"packet swallowed", boardtest.Behaviour{Swallow: true}},
		{"silence", boardtest.Behaviour{Silent: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
				b.Behave(test.how)
				begin := time.Now()
				err := m.Send(t.Context(), make([]byte, 56))
				if !errors.Is(err, ErrGone) {
					t.Errorf("Send() = %v, want ErrGone", err)
				}
				between(t, begin, listenAllowance, listenAllowance+time.Second)
				if _, err := m.Receive(t.Context()); !errors.Is(err, ErrGone) {
					t.Errorf("Receive() = %v, want ErrGone", err)
				}
				synctest.Wait()
				if b.Asked(kiss.SubReboot) != 1 {
					t.Error("the board was not told to restart")
				}
			})
		})
	}
}

// The deadline grows with time on air: SF12 takes seconds.
func TestSendLimit(t *testing.T) {
	slow := Radio{BandwidthHz: 125_000, SpreadingFactor: 12, CodingRate: 8, PreambleSymbols: 16}
	if got := sendLimit(slow, 255); got < 60*time.Second || got > 65*time.Second {
		t.Errorf("limit for 14.3 s on air = %v, want 60 to 65 s", got)
	}
	if got := sendLimit(testRadio(), 10); got < 5*time.Second || got > 6*time.Second {
		t.Errorf("limit for 20 ms on air = %v, want 5 to 6 s", got)
	}
}

func TestSlowTransmission(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		b.Behave(boardtest.Behaviour{Swallow: true})
		time.AfterFunc(4*time.Second, func() { b.Write(kiss.TxDone(true).Append(nil)) })
		begin := time.Now()
		if err := m.Send(t.Context(), []byte("x")); err != nil {
			t.Errorf("Send: %v", err)
		}
		between(t, begin, 4*time.Second, 4*time.Second)
	})
}

// A board that never gets rid of another process's packet is stuck as well.
func TestRefusedAndStuck(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		b.Behave(boardtest.Behaviour{Refuse: kiss.ErrorBusy})
		begin := time.Now()
		if err := m.Send(t.Context(), []byte("x")); !errors.Is(err, kiss.ErrorBusy) || errors.Is(err, ErrGone) {
			t.Errorf("Send() = %v, want busy", err)
		}
		between(t, begin, 0, 0)
		if err := m.Send(t.Context(), []byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("the next Send() = %v, want ErrGone", err)
		}
		between(t, begin, listenAllowance, listenAllowance+time.Second)
	})
}

func TestRebootWhileSending(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		b.Behave(boardtest.Behaviour{Swallow: true})
		time.AfterFunc(time.Second, b.Reboot)
		if err := m.Send(t.Context(), []byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("Send() = %v, want ErrGone", err)
		}
	})
}

// An idle board that restarts has lost its frequency; the modem must not go
// on as if it listened.
func TestRebootWhileIdle(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		time.Sleep(7 * checkEvery / 2) // between two checks
		select {
		case <-m.gone:
			t.Fatalf("a board in order was given up: %v", m.err())
		default:
		}
		b.Reboot()
		begin := time.Now()
		var err error
		for err == nil { // boot noise may parse as packets
			_, err = m.Receive(t.Context())
		}
		if !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "than it was given") {
			t.Errorf("Receive() = %v, want ErrGone for lost settings", err)
		}
		between(t, begin, 0, checkEvery+time.Second)
	})
}

func TestIdleBoardFallsSilent(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		b.Behave(boardtest.Behaviour{Silent: true})
		begin := time.Now()
		if _, err := m.Receive(t.Context()); !errors.Is(err, ErrGone) {
			t.Errorf("Receive() = %v, want ErrGone", err)
		}
		between(t, begin, replyTries*replyWait, checkEvery+replyTries*replyWait)
	})
}

func TestSignalStrengthMissing(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		begin := time.Now()
		b.Write(kiss.Data("bare").Append(nil))
		r, err := m.Receive(t.Context())
		if err != nil || string(r.Packet) != "bare" || !math.IsNaN(r.RSSIdBm) || !math.IsNaN(r.SNRdB) {
			t.Errorf("Receive() = %+v, %v, want a packet without signal strength", r, err)
		}
		between(t, begin, metaWait, metaWait)

		// Too late for the first, and not the second's.
		b.Write(kiss.RxMeta{RSSIdBm: -1}.Append(nil))
		begin = time.Now()
		b.Write(kiss.Data("bare again").Append(nil))
		b.Deliver([]byte("whole"), -70, 3)
		r, err = m.Receive(t.Context())
		if err != nil || string(r.Packet) != "bare again" || !math.IsNaN(r.RSSIdBm) {
			t.Errorf("Receive() = %+v, %v, want the bare packet", r, err)
		}
		r, err = m.Receive(t.Context())
		if err != nil || string(r.Packet) != "whole" || r.RSSIdBm != -70 || r.SNRdB != 3 {
			t.Errorf("Receive() = %+v, %v, want the whole packet", r, err)
		}
		between(t, begin, 0, 0)
	})
}

func TestSignalStrengthLate(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		begin := time.Now()
		b.Write(kiss.Data("x").Append(nil))
		time.AfterFunc(metaWait/2, func() { b.Write(kiss.RxMeta{RSSIdBm: -99, SNRQuarters: -4}.Append(nil)) })
		r, err := m.Receive(t.Context())
		if err != nil || r.RSSIdBm != -99 || r.SNRdB != -1 {
			t.Errorf("Receive() = %+v, %v, want -99 dBm, -1 dB", r, err)
		}
		between(t, begin, metaWait/2, metaWait/2)
	})
}

// Every caller of Receive gets a packet when there are as many packets.
func TestReceiveConcurrently(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		const callers = 10
		results := make(chan error, callers)
		for range callers {
			go func() {
				_, err := m.Receive(t.Context())
				results <- err
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := m.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Receive() = %v, want the context's error", err)
		}
		for range callers {
			b.Write(kiss.Data("x").Append(nil))
		}
		begin := time.Now()
		for range callers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		between(t, begin, 0, metaWait)
	})
}

func TestNotConfigured(t *testing.T) {
	withClock(t, func(t *testing.T, b *boardtest.Board, m *board) {
		b.Behave(boardtest.Behaviour{RefuseSet: kiss.ErrorInvalidParam})
		if err := m.Configure(t.Context(), testRadio()); !errors.Is(err, kiss.ErrorInvalidParam) {
			t.Errorf("Configure() = %v, want the board's refusal", err)
		}
		if err := m.Send(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "not configured") {
			t.Errorf("Send() = %v, want not configured", err)
		}
	})
}
