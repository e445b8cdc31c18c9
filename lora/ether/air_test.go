package ether

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/modem"
)

func TestTimeOnAirAndStrength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		a, b := join(t, air, Position{}), join(t, air, Position{X: 600, Y: 800})
		packet := make([]byte, 20)
		go func() {
			if err := a.Send(t.Context(), packet); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		r, err := b.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		backoff := 4 * fast.Airtime().SymbolTime() * firstWindow
		if took, onAir := time.Since(began), TimeOnAir(fast, len(packet)); took < onAir.Truncate(time.Microsecond) || took > onAir+backoff {
			t.Errorf("heard after %v, want %v and at most %v of back-off", took, onAir, backoff)
		}
		// 14 dBm less 31.2 dB less 90 dB, over a floor of -114 dBm.
		if math.Abs(r.RSSIdBm+107.2) > 0.01 || math.Abs(r.SNRdB-6.82) > 0.05 {
			t.Errorf("RSSI %.2f dBm, SNR %.2f dB at 1 km; want -107.2 and 6.8", r.RSSIdBm, r.SNRdB)
		}
		synctest.Wait()
	})
}

// heard sends one packet from a to b and says whether it came.
func heard(t *testing.T, a, b *Port) bool {
	t.Helper()
	if err := a.Send(t.Context(), []byte("packet")); err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := b.Receive(limited)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

func TestWhoHears(t *testing.T) {
	other := func(change func(*modem.Radio)) modem.Radio {
		r := fast
		change(&r)
		return r
	}
	tests := []struct {
		name   string
		metres float64
		radio  modem.Radio
		want   bool
	}{
		{"close", 1, fast, true},
		{"at one place", 0, fast, true},
		{"2.9 km", 2900, fast, true},
		{"3.1 km", 3100, fast, false},
		{"other frequency", 1, other(func(r *modem.Radio) { r.FrequencyHz -= 1_000_000 }), false},
		{"other bandwidth", 1, other(func(r *modem.Radio) { r.BandwidthHz = 125_000 }), false},
		{"other spreading factor", 1, other(func(r *modem.Radio) { r.SpreadingFactor = 8 }), false},
		{"other sync word", 1, other(func(r *modem.Radio) { r.SyncWord = 0x34 }), false},
		{"other coding rate", 1, other(func(r *modem.Radio) { r.CodingRate = 8 }), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				air := NewAir(Config{Seed: 1})
				a, b := join(t, air, Position{}), join(t, air, Position{X: test.metres})
				if err := b.Configure(t.Context(), test.radio); err != nil {
					t.Fatal(err)
				}
				if got := heard(t, a, b); got != test.want {
					t.Errorf("heard: %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1, Loss: 0.2})
		a, b := join(t, air, Position{}), join(t, air, Position{X: 100})
		got := 0
		const packets = 1000
		for range packets {
			if heard(t, a, b) {
				got++
			}
		}
		if got < 760 || got > 840 {
			t.Errorf("%d of %d heard at 20 %% loss", got, packets)
		}
	})
}

func TestSpeedup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1, Speedup: 10})
		a, b := join(t, air, Position{}), join(t, air, Position{X: 100})
		began := time.Now()
		const packets = 100
		for range packets {
			if err := a.Send(t.Context(), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		took, real := time.Since(began), packets*TimeOnAir(fast, 100)
		if took < real/10-time.Millisecond || took > real/8 {
			t.Errorf("%d packets took %v, want about a tenth of %v", packets, took, real)
		}
	})
}

// Five stations that all want to talk all the time find their gaps: each packet
// is on the air alone but for the few that begin in one moment.
func TestListenBeforeTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		listener := join(t, air, Position{})
		const stations, packets = 5, 40
		var talking sync.WaitGroup
		for i := range stations {
			p := join(t, air, Position{X: 100, Y: float64(i)})
			talking.Go(func() {
				for n := range packets {
					if err := p.Send(t.Context(), fmt.Appendf(nil, "packet %d of station %d", n, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		heard := make(chan int)
		go func() {
			n := 0
			for {
				if _, err := listener.Receive(ctx); err != nil {
					heard <- n
					return
				}
				n++
			}
		}()
		talking.Wait()
		time.Sleep(time.Second) // virtual: the last packet ends
		cancel()
		if n := <-heard; n < stations*packets*6/10 || n == stations*packets {
			t.Errorf("%d of %d packets heard, want most, and some collisions", n, stations*packets)
		}
	})
}

// A station does not talk into a packet, however long it has to wait.
func TestNeverTalksOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		a, b := join(t, air, Position{}), join(t, air, Position{X: 100})
		now := time.Now()
		b.mu.Lock()
		b.receiver.begin(signal{start: now.Add(-time.Second), end: now.Add(time.Hour), lost: true})
		b.mu.Unlock()
		limited, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		if err := b.Send(limited, []byte("packet")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send into a taken channel: %v, want the deadline", err)
		}
		if _, ok, _ := a.take(); ok {
			t.Error("it was on the air all the same")
		}
	})
}

func TestHalfDuplex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		a, b := join(t, air, Position{}), join(t, air, Position{X: 100})
		go a.Send(t.Context(), make([]byte, 200))
		time.Sleep(TimeOnAir(fast, 200) / 2)
		b.carrier.cast(b, transmission{packet: []byte("over it"), radio: fast, micros: 1000})
		time.Sleep(time.Minute)
		if r, ok, _ := a.take(); ok {
			t.Errorf("a talking station heard %q", r.Packet)
		}
	})
}

func TestInboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		a, b := join(t, air, Position{}), join(t, air, Position{X: 100})
		for i := range 3 * maxInbox {
			if err := a.Send(t.Context(), []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		r, err := b.Receive(t.Context())
		if err != nil || r.Packet[0] != 2*maxInbox {
			t.Errorf("first of a full inbox: %v, %v; want packet %d", r.Packet, err, 2*maxInbox)
		}
	})
}

func TestPortErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{})
		p := air.Join("sim", Position{})
		if err := p.Send(t.Context(), []byte("packet")); err == nil {
			t.Error("Send without Configure: no error")
		}
		if err := p.Configure(t.Context(), modem.Radio{BandwidthHz: 125_000, SpreadingFactor: 13, CodingRate: 5}); err == nil {
			t.Error("Configure with SF13: no error")
		}
		configure(t, p)
		for _, size := range []int{0, 256} {
			if err := p.Send(t.Context(), make([]byte, size)); err == nil {
				t.Errorf("Send of %d bytes: no error", size)
			}
		}
		go func() {
			time.Sleep(time.Second)
			p.Close()
		}()
		if _, err := p.Receive(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Receive on a closed port: %v", err)
		}
		if err := p.Send(t.Context(), []byte("packet")); !errors.Is(err, ErrClosed) {
			t.Errorf("Send on a closed port: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestSameSeedSameAir(t *testing.T) {
	run := func() (pattern string) {
		synctest.Test(t, func(t *testing.T) {
			air := NewAir(Config{Seed: 42, Loss: 0.5})
			a, b := join(t, air, Position{}), join(t, air, Position{X: 100})
			for range 64 {
				pattern += fmt.Sprint(heard(t, a, b), " ")
			}
		})
		return pattern
	}
	if first, second := run(), run(); first != second {
		t.Errorf("two runs with one seed differ:\n%s\n%s", first, second)
	}
}
