package modem

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lorrent/lora/kiss"
	"lorrent/lora/modem/boardtest"
)

// testRadio is fast enough that no test waits for its time on air.
func testRadio() Radio {
	return Radio{
		FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5,
		PreambleSymbols: 16, SyncWord: 0x12, TxPowerDBm: 14,
	}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// overLinks runs a test with a board at a terminal and with one on TCP. open
// configures the radio on both.
func overLinks(t *testing.T, test func(t *testing.T, b *boardtest.Board, open func() (Modem, error), sent chan []byte)) {
	t.Run("serial", func(t *testing.T) {
		sent := make(chan []byte, 100)
		b := boardtest.New(t, func(p []byte) { sent <- p })
		test(t, b, func() (Modem, error) { return Open(testContext(t), "meshcore", b.Path(), testRadio()) }, sent)
	})
	t.Run("tcp", func(t *testing.T) {
		sent := make(chan []byte, 100)
		b := boardtest.NewTCP(t, func(p []byte) { sent <- p })
		test(t, b, func() (Modem, error) {
			m, err := OpenTCP(testContext(t), b.Path())
			if err != nil {
				return nil, err
			}
			if err := m.Configure(testContext(t), testRadio()); err != nil {
				m.Close()
				return nil, err
			}
			return m, nil
		}, sent)
	})
}

func mustOpen(t *testing.T, open func() (Modem, error)) Modem {
	t.Helper()
	m, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestConfigure(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
		m := mustOpen(t, open)
		if want := ":" + b.Path(); !strings.HasSuffix(m.String(), want) {
			t.Errorf("String() = %q, want a link and %q", m, want)
		}
		want := kiss.Radio{FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5}
		if got, power := b.Radio(); got != want || power != 14 {
			t.Errorf("board has %+v at %d dBm, want %+v at 14", got, power, want)
		}
		if delay, ok := b.Setting(kiss.CommandTXDelay); !ok || delay > 2 {
			t.Errorf("board delays transmissions by %d0 ms (set: %v), want 20 at most", delay, ok)
		}
	})
}

func TestConfigureRefused(t *testing.T) {
	tests := []struct {
		name  string
		how   boardtest.Behaviour
		radio func(*Radio)
		want  string
	}{
		{"by the board", boardtest.Behaviour{RefuseSet: kiss.ErrorInvalidParam}, nil, "set frequency and modulation: board error 02: invalid parameter"},
		{"other settings kept", boardtest.Behaviour{OtherSet: true}, nil, "other settings than it was given"},
		{"always busy", boardtest.Behaviour{RefuseSet: kiss.ErrorBusy}, nil, "board error 07"},
		{"sync word", boardtest.Behaviour{}, func(r *Radio) { r.SyncWord = 0x34 }, "sync word 34"},
		{"spreading factor", boardtest.Behaviour{}, func(r *Radio) { r.SpreadingFactor = 13 }, "spreading factor 13"},
		{"coding rate", boardtest.Behaviour{}, func(r *Radio) { r.CodingRate = 4 }, "coding rate 4/4"},
		{"bandwidth", boardtest.Behaviour{}, func(r *Radio) { r.BandwidthHz = 1_000_000 }, "bandwidth of 1000000 Hz"},
		{"frequency", boardtest.Behaviour{}, func(r *Radio) { r.FrequencyHz = 869 }, "frequency of 869 Hz"},
		{"power", boardtest.Behaviour{}, func(r *Radio) { r.TxPowerDBm = 200 }, "power of 200 dBm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := boardtest.New(t, nil)
			b.Behave(test.how)
			radio := testRadio()
			if test.radio != nil {
				test.radio(&radio)
			}
			m, err := Open(testContext(t), "meshcore", b.Path(), radio)
			if err == nil {
				m.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
			b.Behave(boardtest.Behaviour{})
			mustOpen(t, func() (Modem, error) { return Open(testContext(t), "meshcore", b.Path(), testRadio()) })
		})
	}
}

func TestSendAndReceive(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), sent chan []byte) {
		m := mustOpen(t, open)
		all := make([]byte, 255)
		for i := range all {
			all[i] = byte(i + 1) // every byte that needs an escape among them
		}
		for _, packet := range [][]byte{{0}, all, bytes.Repeat([]byte{0xC0}, 255)} {
			mustCarry(t, m, packet, sent, b.Deliver, -101, -7.25)
		}
	})
}

func TestSendErrors(t *testing.T) {
	tests := []struct {
		name string
		how  boardtest.Behaviour
		size int
		want string
	}{
		{"refused as busy", boardtest.Behaviour{Refuse: kiss.ErrorBusy}, 10, "board error 07: transmitter busy"},
		{"refused otherwise", boardtest.Behaviour{Refuse: kiss.ErrorUnsupported}, 10, "board error 08"},
		{"failed on the air", boardtest.Behaviour{TxFails: true}, 10, "radio failed to transmit"},
		{"empty", boardtest.Behaviour{}, 0, "0 bytes"},
		{"too long", boardtest.Behaviour{}, 256, "256 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
				m := mustOpen(t, open)
				b.Behave(test.how)
				err := m.Send(testContext(t), make([]byte, test.size))
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("Send() = %v, want %q in it", err, test.want)
				}
				if errors.Is(err, ErrGone) {
					t.Errorf("%v says that the board is gone", err)
				}
				// The refused packet was another's: its end comes now.
				b.Behave(boardtest.Behaviour{})
				b.Write(kiss.TxDone(true).Append(nil))
				if err := m.Send(testContext(t), []byte("next")); err != nil {
					t.Errorf("the next Send: %v", err)
				}
			})
		})
	}
}

// Once all packets are accounted for, busy means that something heard was
// lost on the way to the host, not that the packet was not taken.
func TestSendBusyWithHost(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), sent chan []byte) {
		m := mustOpen(t, open)
		if err := m.Send(testContext(t), []byte("first")); err != nil {
			t.Fatal(err)
		}
		b.Behave(boardtest.Behaviour{BusyFirst: true})
		if err := m.Send(testContext(t), []byte("second")); err != nil {
			t.Errorf("Send() = %v, want success: TxDone came", err)
		}
		if len(sent) != 2 {
			t.Errorf("%d packets sent, want 2", len(sent))
		}
	})
}

func TestBootGarbage(t *testing.T) {
	garbage := map[string]string{
		"text":            "ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n",
		"half a frame":    "\xc0\x00half of a packet",
		"a lone escape":   "\xc0\xdb",
		"high noise":      strings.Repeat("\xff\xfe\x80\x00", 500),
		"endless frame":   "\xc0" + strings.Repeat("x", 5000),
		"answers unasked": "\xc0\x06\xf0\xc0\x06\xf1\x07\xc0\x06\xf8\x01\xc0\x06\xf9\x00\x00\xc0",
	}
	for name, text := range garbage {
		t.Run(name, func(t *testing.T) {
			sent := make(chan []byte, 1)
			b := boardtest.New(t, func(p []byte) { sent <- p })
			b.Behave(boardtest.Behaviour{Silent: true}) // still booting
			opened := make(chan error, 1)
			var m Modem
			go func() {
				var err error
				m, err = Open(testContext(t), "meshcore", b.Path(), testRadio())
				opened <- err
			}()
			for range 3 {
				waitFor(t, "a ping", func() bool { return b.Asked(kiss.SubPing) > 0 })
				b.Write([]byte(text))
			}
			b.Behave(boardtest.Behaviour{Halves: true})
			if err := <-opened; err != nil {
				t.Fatalf("open: %v", err)
			}
			defer m.Close()
			if err := m.Send(testContext(t), []byte("sent")); err != nil {
				t.Errorf("Send: %v", err)
			}
			b.Deliver([]byte("heard"), -90, 5)
			for {
				r, err := m.Receive(testContext(t))
				if err != nil {
					t.Fatalf("Receive: %v", err)
				}
				if string(r.Packet) == "heard" { // noise may parse as packets before
					break
				}
			}
		})
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("no %s", what)
		case <-tick.C:
		}
	}
}

func TestInboxDropsOldest(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
		m := mustOpen(t, open)
		const more = 10
		for i := range inboxSize + more {
			b.Deliver([]byte{byte(i)}, -80, 9)
		}
		if err := m.Send(testContext(t), []byte("after them all")); err != nil {
			t.Fatal(err)
		}
		if got := m.(*board).Counters(); got.Dropped != more || got.BadFrames != 0 {
			t.Errorf("Counters() = %+v, want %d dropped", got, more)
		}
		for i := range inboxSize {
			if r, err := m.Receive(testContext(t)); err != nil || r.Packet[0] != byte(i+more) {
				t.Fatalf("Receive() = %v, %v, want packet %d", r.Packet, err, i+more)
			}
		}
	})
}

// Answers to nothing neither block the reader nor confuse what follows.
func TestUnaskedAnswers(t *testing.T) {
	overLinks(t, func(t *testing.T, b *boardtest.Board, open func() (Modem, error), _ chan []byte) {
		m := mustOpen(t, open)
		for range 50 {
			b.Write(kiss.TxDone(false).Append(kiss.Failure(kiss.ErrorUnknown).Append(nil)))
		}
		b.Deliver([]byte("heard"), -80, 9)
		if r, err := m.Receive(testContext(t)); err != nil || string(r.Packet) != "heard" {
			t.Errorf("Receive() = %+v, %v, want the packet", r, err)
		}
		if err := m.Send(testContext(t), []byte("x")); err != nil {
			t.Errorf("Send: %v", err)
		}
		if got := m.(*board).Counters(); got.BadFrames < 80 {
			t.Errorf("Counters() = %+v, want most of the answers counted", got)
		}
	})
}
