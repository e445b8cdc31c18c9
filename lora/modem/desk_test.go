package modem

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/modem/boardtest"
)

// onPipe runs a test in virtual time, with a board at one end of a pipe and its
// configured modem at the other.
func onPipe[B interface{ Serve(io.ReadWriter) }, M Modem](t *testing.T, board func() B, start func(context.Context, string, port) (M, error), test func(*testing.T, B, M)) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		b := board()
		served := make(chan struct{})
		go func() { b.Serve(far); close(served) }()
		m, err := start(t.Context(), "pipe", host)
		if err != nil {
			t.Fatalf("start: %v", err)
		}
		defer func() { m.Close(); far.Close(); <-served }()
		if err := m.Configure(t.Context(), testRadio()); err != nil {
			t.Fatalf("configure: %v", err)
		}
		test(t, b, m)
	})
}

// mustCarry sends a packet, which is on the air when Send returns, and receives it
// from another.
func mustCarry(t *testing.T, m Modem, packet []byte, sent <-chan []byte, deliver func(packet []byte, rssi, snr float64), rssi, snr float64) {
	t.Helper()
	if err := m.Send(testContext(t), packet); err != nil {
		t.Fatalf("Send(%d bytes): %v", len(packet), err)
	}
	select {
	case got := <-sent:
		if !bytes.Equal(got, packet) {
			t.Errorf("board sent %x, want %x", got, packet)
		}
	default:
		t.Error("Send returned before the packet was sent")
	}
	deliver(packet, rssi, snr)
	before := time.Now()
	got, err := m.Receive(testContext(t))
	if err != nil || !bytes.Equal(got.Packet, packet) || got.RSSIdBm != rssi || got.SNRdB != snr {
		t.Errorf("Receive() = %+v, %v, want %x at %v dBm, %v dB", got, err, packet, rssi, snr)
	}
	if age := before.Sub(got.At); age > 10*time.Second || age < -10*time.Second {
		t.Errorf("received at %v, now is %v", got.At, before)
	}
}

// underWay has a Send and a Receive under way that do not end, and gives how they
// do in the end.
func underWay(t *testing.T, b *boardtest.Board, m Modem) chan error {
	t.Helper()
	b.Behave(boardtest.Behaviour{Swallow: true})
	results := make(chan error, 2)
	go func() {
		_, err := m.Receive(testContext(t))
		results <- err
	}()
	go func() { results <- m.Send(testContext(t), []byte("lost")) }()
	return results
}

// mustEnd waits until both have ended so.
func mustEnd(t *testing.T, results chan error, want func(error) bool) {
	t.Helper()
	for range 2 {
		select {
		case err := <-results:
			if !want(err) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("Send or Receive hangs")
		}
	}
}
