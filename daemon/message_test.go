package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lorrent/rpc"
)

// testAir is a simulated air that only the daemons of one test share.
func testAir(options string) string {
	return fmt.Sprintf("udp:239.76.83.%d:%d?%s", 1+rand.IntN(250), 20000+rand.IntN(20000), options)
}

func nodeID(t *testing.T, p *process) string {
	t.Helper()
	s, err := p.LoRaStatus(t.Context(), rpc.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	return s.NodeID
}

// inbox is the texts that arrived, in order.
func inbox(t *testing.T, p *process) (texts []string) {
	t.Helper()
	r, err := p.MessageList(t.Context(), rpc.MessageListArgs{Direction: "in", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// TestMessageSurvivesKill kills the sender right after Message.Send answered,
// and the receiver right after the sender saw the acknowledgement.
func TestMessageSurvivesKill(t *testing.T) {
	air := testAir("speedup=20")
	a, b := newProcess(t, "--lora", air), newProcess(t, "--lora", air)
	b.start(t)
	to := nodeID(t, b)
	for n := range 5 {
		a.start(t)
		text := fmt.Sprintf("message %d", n)
		sent, err := a.MessageSend(t.Context(), rpc.MessageSendArgs{To: to, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		a.kill()
		a.start(t)
		eventually(t, a, "the message is acknowledged", func() (bool, error) {
			m, err := a.MessageGet(t.Context(), rpc.MessageArgs{ID: sent.Message.ID})
			return m.Message.State == rpc.MessageDelivered, err
		})
		b.kill()
		b.start(t)
		got := inbox(t, b)
		if len(got) != n+1 || got[n] != text {
			t.Fatalf("after message %d and a kill, the inbox is %q", n, got)
		}
		a.kill()
	}
}

// TestTwoDaemonsExchangeMessages sends 200 direct messages over an air that
// loses every fifth packet: each arrives, once.
func TestTwoDaemonsExchangeMessages(t *testing.T) {
	const each = 100
	air := testAir("loss=0.2&speedup=50")
	a, b := newProcess(t, "--lora", air), newProcess(t, "--lora", air)
	a.start(t)
	b.start(t)
	pair := map[*process]string{a: nodeID(t, b), b: nodeID(t, a)}
	for n := range each {
		for p, to := range pair {
			if _, err := p.MessageSend(t.Context(), rpc.MessageSendArgs{To: to, Text: fmt.Sprintf("number %d", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p := range pair {
		eventually(t, p, "every message is delivered", func() (bool, error) {
			r, err := p.MessageList(t.Context(), rpc.MessageListArgs{Direction: "out", Limit: 1000})
			delivered := 0
			for _, m := range r.Messages {
				if m.State == rpc.MessageDelivered {
					delivered++
				} else if m.State != rpc.MessageQueued && m.State != rpc.MessageSent && m.State != rpc.MessageRelayed {
					return false, fmt.Errorf("message %q is %s: %s", m.Text, m.State, m.Error)
				}
			}
			return delivered == each, err
		})
	}
	for p := range pair {
		seen := make(map[string]int)
		for _, text := range inbox(t, p) {
			seen[text]++
		}
		for n := range each {
			if text := fmt.Sprintf("number %d", n); seen[text] != 1 {
				t.Errorf("%q is in the inbox %d times", text, seen[text])
			}
		}
	}
}
