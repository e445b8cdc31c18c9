package ether

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/lora/packet"
)

const caller uint32 = 0x11111111

// talk sends one text to an air with an echo node and returns the packets that
// come within a while. It acknowledges nothing unless told so.
func talk(t *testing.T, to uint32, text string, acknowledge bool) (heard []packet.Packet) {
	synctest.Test(t, func(t *testing.T) {
		air := NewAir(Config{Seed: 1})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- air.RunEcho(ctx, Position{X: 500}, fast) }()
		synctest.Wait()
		p := join(t, air, Position{})
		send := func(q packet.Packet) {
			b, err := packet.Encode(q)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Send(ctx, b); err != nil {
				t.Fatal(err)
			}
		}
		send(packet.NewText(packet.ID{Source: caller, Epoch: 1, Sequence: 1}, to, text))
		limited, stop := context.WithTimeout(ctx, 5*time.Second)
		defer stop()
		for {
			r, err := p.Receive(limited)
			if err != nil {
				break
			}
			q, err := packet.Decode(r.Packet)
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, q)
			if acknowledge && q.Type == packet.Routed {
				send(packet.NewAck(q.ID, caller))
			}
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("RunEcho returned %v", err)
		}
	})
	return heard
}

func TestEcho(t *testing.T) {
	t.Run("acknowledges and answers", func(t *testing.T) {
		heard := talk(t, EchoNode, "hello", true)
		if len(heard) != 2 || heard[0].Type != packet.Ack || heard[1].Text != "echo: hello" || heard[1].To != caller {
			t.Errorf("heard %+v, want an acknowledgement and the echo", heard)
		}
	})
	t.Run("repeats its answer", func(t *testing.T) {
		heard := talk(t, EchoNode, "hello", false)
		if len(heard) < 3 || heard[2] != heard[1] {
			t.Errorf("heard %+v, want the echo again", heard)
		}
	})
	t.Run("long text", func(t *testing.T) {
		heard := talk(t, EchoNode, strings.Repeat("ü", packet.MaxText/2), true)
		if len(heard) != 2 || !strings.HasPrefix(heard[1].Text, "echo: üü") || len(heard[1].Text) > packet.MaxText {
			t.Errorf("heard %+v, want an echo cut to size", heard)
		}
	})
	t.Run("ping", func(t *testing.T) {
		heard := talk(t, packet.Broadcast, "Ping", true)
		if len(heard) != 1 || heard[0].Text != "pong" || heard[0].To != caller {
			t.Errorf("heard %+v, want a direct pong", heard)
		}
	})
	t.Run("other broadcasts", func(t *testing.T) {
		if heard := talk(t, packet.Broadcast, "good morning", true); len(heard) != 0 {
			t.Errorf("heard %+v, want nothing", heard)
		}
	})
	t.Run("an echo", func(t *testing.T) {
		if heard := talk(t, EchoNode, "echo: hello", true); len(heard) != 1 || heard[0].Type != packet.Ack {
			t.Errorf("heard %+v, want an acknowledgement alone", heard)
		}
	})
	t.Run("texts for others", func(t *testing.T) {
		if heard := talk(t, 0x22222222, "hello", true); len(heard) != 0 {
			t.Errorf("heard %+v, want nothing", heard)
		}
	})
}
