package modem

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/airtime"
	"lorrent/lora/kiss"
	"lorrent/lora/modem/boardtest"
	"lorrent/lora/rnode"
)

// testAir is about what a short packet takes with testRadio.
const testAir = 30 * time.Millisecond

func openRNode(t *testing.T, b *boardtest.RNode, radio Radio) (Modem, error) {
	return Open(testContext(t), "rnode", b.Path(), radio)
}

func TestRNode(t *testing.T) {
	sent := make(chan []byte, 10)
	b := boardtest.NewRNode(t, testAir, func(p []byte) { sent <- p })
	m := mustOpen(t, func() (Modem, error) { return openRNode(t, b, testRadio()) })
	if want := "rnode:" + b.Path(); m.String() != want {
		t.Errorf("String() = %q, want %q", m, want)
	}
	for c, want := range map[rnode.Command]uint32{
		rnode.CommandFrequency: 869_525_000, rnode.CommandBandwidth: 250_000, rnode.CommandSF: 7,
		rnode.CommandCR: 5, rnode.CommandTxPower: 14, rnode.CommandPromisc: 0,
	} {
		if got, on := b.Radio(c); got != want || !on {
			t.Errorf("board has %02x = %d, radio on: %v; want %d, on", byte(c), got, on, want)
		}
	}
	long := bytes.Repeat([]byte{0xC0, 0xDB, 0xDC, 0xDD, 0}, 51)
	long[0] = 0xC0
	for _, packet := range [][]byte{{0xC0, 1}, long, {0x70, 0xC0}} {
		if err := m.Send(testContext(t), packet); err != nil {
			t.Fatalf("Send(%d bytes): %v", len(packet), err)
		}
		select {
		case got := <-sent:
			if !bytes.Equal(got, packet[1:]) {
				t.Errorf("board sent %x after its link byte, want %x", got, packet[1:])
			}
		default:
			t.Error("Send returned before the packet was sent")
		}
		b.Deliver(packet[1:], -101, -7.25)
		want := append([]byte{0xC0}, packet[1:]...)
		got, err := m.Receive(testContext(t))
		if err != nil || !bytes.Equal(got.Packet, want) || got.RSSIdBm != -101 || got.SNRdB != -7.25 {
			t.Errorf("Receive() = %+v, %v, want %x at -101 dBm, -7.25 dB", got, err, want)
		}
	}
}

func TestRNodeConfigureRefused(t *testing.T) {
	tests := []struct {
		name  string
		how   boardtest.RNodeBehaviour
		radio func(*Radio)
		want  string
	}{
		{"not provisioned", boardtest.RNodeBehaviour{Unprovisioned: true}, nil, "not been provisioned (rnodeconf"},
		{"power clamped", boardtest.RNodeBehaviour{MaxPowerDBm: 17}, func(r *Radio) { r.TxPowerDBm = 22 }, "another power than it was given: 17, want 22"},
		{"negative power", boardtest.RNodeBehaviour{}, func(r *Radio) { r.TxPowerDBm = -1 }, "power of -1 dBm, but RNode"},
		{"low data rate", boardtest.RNodeBehaviour{}, func(r *Radio) { r.SpreadingFactor, r.BandwidthHz = 11, 125_000 }, "low data rate optimisation"},
		{"low data rate, narrow", boardtest.RNodeBehaviour{}, func(r *Radio) { r.SpreadingFactor, r.BandwidthHz = 10, 62_500 }, "low data rate optimisation"},
		{"sync word", boardtest.RNodeBehaviour{}, func(r *Radio) { r.SyncWord = 0x34 }, "sync word 34"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := boardtest.NewRNode(t, testAir, nil)
			b.Behave(test.how)
			radio := testRadio()
			if test.radio != nil {
				test.radio(&radio)
			}
			m, err := openRNode(t, b, radio)
			if err == nil {
				m.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
			b.Behave(boardtest.RNodeBehaviour{})
			mustOpen(t, func() (Modem, error) { return openRNode(t, b, testRadio()) })
		})
	}
}

func TestRNodeSendErrors(t *testing.T) {
	tests := []struct {
		name   string
		how    boardtest.RNodeBehaviour
		packet []byte
		want   string
	}{
		{"not transmitted", boardtest.RNodeBehaviour{Refuse: rnode.ErrorTxFailed}, []byte{0xC0, 1}, "board error 02: transmission failed"},
		{"queue full", boardtest.RNodeBehaviour{Refuse: rnode.ErrorQueueFull}, []byte{0xC0, 1}, "board error 04"},
		{"no link byte", boardtest.RNodeBehaviour{}, []byte{0xC1, 1}, "link byte c1"},
		{"too short", boardtest.RNodeBehaviour{}, []byte{0xC0}, "1 bytes, want 2 to 255"},
		{"too long", boardtest.RNodeBehaviour{}, make([]byte, 256), "256 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := boardtest.NewRNode(t, testAir, nil)
			m := mustOpen(t, func() (Modem, error) { return openRNode(t, b, testRadio()) })
			b.Behave(test.how)
			err := m.Send(testContext(t), test.packet)
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrGone) {
				t.Fatalf("Send() = %v, want %q in it, and the board not gone", err, test.want)
			}
			b.Behave(boardtest.RNodeBehaviour{})
			if err := m.Send(testContext(t), []byte{0xC0, 2}); err != nil {
				t.Errorf("the next Send: %v", err)
			}
		})
	}
}

// Everything in halves, and noise between: frames of boot messages, foreign
// commands, broken escapes, a packet of two transmissions.
func TestRNodeGarbage(t *testing.T) {
	b := boardtest.NewRNode(t, testAir, nil)
	b.Behave(boardtest.RNodeBehaviour{Halves: true})
	m := mustOpen(t, func() (Modem, error) { return openRNode(t, b, testRadio()) })
	b.Write([]byte("\x00\xffboot\xc0\xc0\xdb\x01\xc0\x01\x02\xc0\x29\x01\xc0\xc0"))
	b.Write(rnode.Frame{Command: rnode.CommandData, Body: make([]byte, 300)}.Append(nil))
	b.Deliver([]byte("whole"), -80, 4)
	got, err := m.Receive(testContext(t))
	if err == nil && string(got.Packet) == "\xc0\xffboot" { // nothing tells it from a packet
		got, err = m.Receive(testContext(t))
	}
	if err != nil || string(got.Packet) != "\xc0whole" || got.RSSIdBm != -80 {
		t.Errorf("Receive() = %+v, %v, want the whole packet", got, err)
	}
	if c := m.(*rnodeBoard).Counters(); c.BadFrames < 3 {
		t.Errorf("%+v, want 3 bad frames at least", c)
	}
	if err := m.Send(testContext(t), []byte{0xC0, 1}); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func TestRNodeUnplugged(t *testing.T) {
	b := boardtest.NewRNode(t, testAir, nil)
	m := mustOpen(t, func() (Modem, error) { return openRNode(t, b, testRadio()) })
	b.Deliver([]byte("last"), -80, 4)
	first, err := m.Receive(testContext(t))
	if err != nil || string(first.Packet) != "\xc0last" {
		t.Errorf("Receive() = %+v, %v", first, err)
	}
	b.Unplug()
	if _, err := m.Receive(testContext(t)); !errors.Is(err, ErrGone) {
		t.Errorf("Receive() = %v, want ErrGone", err)
	}
	if err := m.Send(testContext(t), []byte{0xC0, 1}); !errors.Is(err, ErrGone) {
		t.Errorf("Send() = %v, want ErrGone", err)
	}
}

// withRNode is withClock for a board with RNode firmware.
func withRNode(t *testing.T, onAir time.Duration, how boardtest.RNodeBehaviour, test func(t *testing.T, b *boardtest.RNode, m *rnodeBoard)) {
	onPipe(t, func() *boardtest.RNode {
		b := boardtest.NewDetachedRNode(onAir, nil)
		b.Behave(how)
		return b
	}, startRNode, test)
}

// The end of a transmission is seen wherever it falls between two reports and
// in the windows of the airtime they tell.
func TestRNodeTransmissionEnds(t *testing.T) {
	slow := testRadio()
	slow.SpreadingFactor = 11
	tests := []struct {
		name  string
		how   boardtest.RNodeBehaviour
		radio Radio
		limit time.Duration
	}{
		{"reported at once", boardtest.RNodeBehaviour{}, testRadio(), 1100 * time.Millisecond},
		{"reported at once, long", boardtest.RNodeBehaviour{}, slow, 1100 * time.Millisecond},
		{"unreported", boardtest.RNodeBehaviour{Unreported: true}, testRadio(), unreported + 10*time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			packet := make([]byte, 200)
			onAir := airtime.TimeOnAir(test.radio.Airtime(), len(packet)).Truncate(time.Millisecond)
			withRNode(t, onAir, test.how, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
				if err := m.Configure(t.Context(), test.radio); err != nil {
					t.Fatal(err)
				}
				for i := range 300 {
					begin := time.Now()
					if err := m.Send(t.Context(), packet); err != nil {
						t.Fatalf("packet %d: %v", i, err)
					}
					between(t, begin, onAir, onAir+test.limit)
					time.Sleep(time.Duration(i*i*37%2900) * time.Millisecond)
				}
			})
		})
	}
}

// Firmware that reports once a second only is seen to have sent by the rise of
// its airtime.
func TestRNodeReportsPeriodically(t *testing.T) {
	withRNode(t, 150*time.Millisecond, boardtest.RNodeBehaviour{PeriodicOnly: true}, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
		for i := range 20 {
			begin := time.Now()
			if err := m.Send(t.Context(), make([]byte, 200)); err != nil {
				t.Fatalf("packet %d: %v", i, err)
			}
			between(t, begin, 150*time.Millisecond, 1300*time.Millisecond)
			time.Sleep(2*boardtest.Window + time.Duration(i*70)*time.Millisecond)
		}
	})
}

func TestRNodeWaitsForRoom(t *testing.T) {
	withRNode(t, testAir, boardtest.RNodeBehaviour{}, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
		b.Behave(boardtest.RNodeBehaviour{Full: 5})
		begin := time.Now()
		if err := m.Send(t.Context(), []byte{0xC0, 1}); err != nil {
			t.Fatal(err)
		}
		between(t, begin, 5*roomEvery, 5*roomEvery+2*time.Second)
		if n := b.Asked(rnode.CommandReady); n != 6 {
			t.Errorf("asked for room %d times, want 6", n)
		}
	})
}

func TestRNodeStuck(t *testing.T) {
	tests := map[string]struct {
		how     boardtest.RNodeBehaviour
		restart int
	}{
		"keeps the packet": {boardtest.RNodeBehaviour{Swallow: true}, 1},
		"queue stays full": {boardtest.RNodeBehaviour{Full: math.MaxInt}, 1},
		"silence":          {boardtest.RNodeBehaviour{Silent: true}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			withRNode(t, testAir, boardtest.RNodeBehaviour{}, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
				time.Sleep(2 * time.Second) // until it has reported airtime
				b.Behave(test.how)
				begin := time.Now()
				if err := m.Send(t.Context(), []byte{0xC0, 1}); !errors.Is(err, ErrGone) {
					t.Errorf("Send() = %v, want ErrGone", err)
				}
				between(t, begin, 0, rnodeAllowance+time.Second)
				synctest.Wait()
				if n := b.Asked(rnode.CommandReset); n != test.restart {
					t.Errorf("told to restart %d times, want %d", n, test.restart)
				}
			})
		})
	}
}

// A packet that its caller gave up on is still sent, and awaited by the next.
func TestRNodeGivenUp(t *testing.T) {
	withRNode(t, 3*time.Second, boardtest.RNodeBehaviour{}, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := m.Send(ctx, []byte{0xC0, 1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Send() = %v, want the context's error", err)
		}
		if err := m.Send(t.Context(), []byte{0xC0, 2}); err != nil {
			t.Fatal(err)
		}
		between(t, begin, 6*time.Second, 8*time.Second)
	})
}

func TestRNodeRestarts(t *testing.T) {
	withRNode(t, time.Second, boardtest.RNodeBehaviour{}, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
		begin := time.Now()
		time.AfterFunc(500*time.Millisecond, b.Reboot)
		if err := m.Send(t.Context(), []byte{0xC0, 1}); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "it restarted") {
			t.Errorf("Send() = %v, want ErrGone for a restart", err)
		}
		between(t, begin, 500*time.Millisecond, 500*time.Millisecond)
	})
}

// One whose message about it is lost is found out by its settings.
func TestRNodeLosesSettings(t *testing.T) {
	withRNode(t, testAir, boardtest.RNodeBehaviour{}, func(t *testing.T, b *boardtest.RNode, m *rnodeBoard) {
		time.Sleep(7 * checkEvery / 2) // between two checks
		if err := m.err(); err != nil {
			t.Fatalf("a board in order was given up: %v", err)
		}
		b.Forget()
		begin := time.Now()
		if _, err := m.Receive(t.Context()); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "radio is off") {
			t.Errorf("Receive() = %v, want ErrGone for a radio turned off", err)
		}
		between(t, begin, 0, checkEvery+time.Second)
	})
}

// A board that is starting, and was in the middle of a frame of another
// process's, is waited for.
func TestRNodeSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		b := boardtest.NewDetachedRNode(0, nil)
		b.Behave(boardtest.RNodeBehaviour{Silent: true})
		served := make(chan struct{})
		go func() { b.Serve(far); close(served) }()
		defer func() { far.Close(); <-served }()
		time.AfterFunc(3*time.Second, b.Reboot)
		time.AfterFunc(4*time.Second, func() { b.Behave(boardtest.RNodeBehaviour{}) })
		begin := time.Now()
		m, err := startRNode(t.Context(), "pipe", host)
		if err != nil {
			t.Fatalf("start: %v", err)
		}
		between(t, begin, 4*time.Second, 4*time.Second+2*pingEvery)
		m.Close()
	})
}

// What firmware a board has is found out, also when it is only starting.
func TestDetect(t *testing.T) {
	meshcore := boardtest.New(t, nil)
	rn := boardtest.NewRNode(t, testAir, nil)
	own := boardtest.NewOwn(t, time.Millisecond, nil)
	for want, path := range map[string]string{"meshcore:": meshcore.Path(), "rnode:": rn.Path(), "board:": own.Path()} {
		t.Run(want, func(t *testing.T) {
			m := mustOpen(t, func() (Modem, error) { return Open(testContext(t), "serial", path, testRadio()) })
			if m.String() != want+path {
				t.Errorf("found %s, want %s", m, want+path)
			}
			if err := m.Send(testContext(t), []byte{0xC0, 1}); err != nil {
				t.Error(err)
			}
			if second, err := Open(testContext(t), "serial", path, testRadio()); !errors.Is(err, ErrLocked) {
				if err == nil {
					second.Close()
				}
				t.Errorf("second open = %v, want ErrLocked", err)
			}
		})
	}
}

// The frames of one firmware mean nothing to the others.
func TestProbesAreHarmless(t *testing.T) {
	detect := rnode.Byte(rnode.CommandDetect, rnode.DetectRequest).Append(nil)
	frame, err := kiss.NewDecoder(bytes.NewReader(detect)).Next()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := kiss.Parse(frame); err == nil {
		t.Errorf("a MeshCore board takes %x for %#v", detect, m)
	}
	b := boardtest.NewRNode(t, testAir, nil)
	m := mustOpen(t, func() (Modem, error) { return openRNode(t, b, testRadio()) })
	if _, err := m.(*rnodeBoard).link.Write(kiss.Query(kiss.SubPing).Append(nil)); err != nil {
		t.Fatal(err)
	}
	if err := m.Send(testContext(t), []byte{0xC0, 1}); err != nil { // its answer comes after the ping was read
		t.Fatal(err)
	}
	if _, on := b.Radio(rnode.CommandSF); !on {
		t.Error("a ping turned the radio off")
	}
}
