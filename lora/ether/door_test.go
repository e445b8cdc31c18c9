package ether

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/link"
)

// chip is the node's end of a door.
type chip struct {
	t    *testing.T
	conn net.Conn
	in   *link.Decoder
	done chan error
}

func openDoor(t *testing.T, a *Air, at Position) *chip {
	t.Helper()
	here, there := net.Pipe()
	c := &chip{t: t, conn: here, in: link.NewDecoder(here), done: make(chan error, 1)}
	port := a.Join("node", at)
	go func() { c.done <- Serve(t.Context(), there, port) }()
	t.Cleanup(func() {
		here.Close()
		<-c.done
		port.Close()
	})
	c.say(link.AirSet{Radio: link.Radio{
		FrequencyHz: fast.FrequencyHz, BandwidthHz: fast.BandwidthHz, SpreadingFactor: 7, CodingRate: 5,
		PreambleSymbols: 16, SyncWord: 0x12, TxPowerDBm: 14,
	}})
	synctest.Wait()
	return c
}

func (c *chip) say(m link.Message) {
	c.t.Helper()
	if _, err := c.conn.Write(link.Append(nil, m, 0)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chip) next() link.Message {
	c.t.Helper()
	f, err := c.in.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := link.Parse(f)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func TestDoorCarriesPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAir(Config{})
		one, two := openDoor(t, a, Position{}), openDoor(t, a, Position{X: 100})
		packet := []byte("twenty bytes of text")
		began := time.Now()
		one.say(link.AirSend{Packet: packet})
		if m := two.next(); m != (link.AirSignal{Receiving: true}) {
			t.Fatalf("first %+v", m)
		}
		two.say(link.AirListen{})
		if m, ok := two.next().(link.AirListened); !ok || !m.Taken || m.RSSITenths > -600 || m.RSSITenths < -900 {
			t.Errorf("while a packet is on the air: %+v", m)
		}
		heard, ok := two.next().(link.AirHeard)
		if !ok || string(heard.Packet) != string(packet) || heard.SNRTenths < 300 {
			t.Fatalf("heard %+v", heard)
		}
		if m := two.next(); m != (link.AirSignal{Receiving: false}) {
			t.Fatalf("then %+v", m)
		}
		if m := one.next(); m != (link.AirSent{}) {
			t.Fatalf("the sender got %+v", m)
		}
		if took := time.Since(began); took != TimeOnAir(fast, len(packet)).Truncate(time.Microsecond) {
			t.Errorf("took %v, want %v", took, TimeOnAir(fast, len(packet)))
		}
		two.say(link.AirListen{})
		if m, ok := two.next().(link.AirListened); !ok || m.Taken || m.RSSITenths != -1140 {
			t.Errorf("when all is silent: %+v", m)
		}
	})
}

// A door takes no offence at nonsense, and ends with its connection.
func TestDoorHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAir(Config{})
		c := openDoor(t, a, Position{})
		for _, f := range []link.Frame{
			{Type: 0x99}, {Type: link.TypeAirSend}, {Type: link.TypeAirSet, Body: make([]byte, 16)}, {Type: link.TypeAirListen, Body: []byte{1}},
		} {
			if _, err := c.conn.Write(link.AppendFrame([]byte("garbage\x00\xff\x00"), f)); err != nil {
				t.Fatal(err)
			}
		}
		c.say(link.AirListen{})
		if m, ok := c.next().(link.AirListened); !ok || m.Taken {
			t.Errorf("after nonsense: %+v", m)
		}
		c.conn.Close()
		if err := <-c.done; err == nil {
			t.Error("Serve ended without an error")
		}
		c.done <- nil // for the cleanup
	})
}

func TestDoorEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, there := net.Pipe()
		p := NewAir(Config{}).Join("node", Position{})
		defer p.Close()
		done := make(chan error)
		go func() { done <- Serve(ctx, there, p) }()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
