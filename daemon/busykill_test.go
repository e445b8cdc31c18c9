package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lorrent/rpc"
)

var kills = flag.Int("kills", 4, "times that TestKilledWhileBusy kills a daemon")

// TestKilledWhileBusy kills one of two daemons at random moments of a busy
// exchange. Every message whose sender was told that it is stored arrives once,
// and none counts as delivered that is not in the inbox.
func TestKilledWhileBusy(t *testing.T) {
	air := testAir("loss=0.05&speedup=50")
	a, b := newProcess(t, "--lora", air), newProcess(t, "--lora", air)
	a.start(t)
	b.start(t)
	pair := [2]*process{a, b}
	ids := [2]string{nodeID(t, a), nodeID(t, b)}
	sent := [2]map[string]string{{}, {}} // text by id, of what each was told is stored
	say := func(n int) {
		for i, p := range pair {
			text := fmt.Sprintf("number %d of %d", n, i)
			reply, err := p.MessageSend(t.Context(), rpc.MessageSendArgs{To: ids[1-i], Text: text})
			if err != nil {
				t.Fatal(err)
			}
			sent[i][reply.Message.ID] = text
		}
	}
	for n := range *kills {
		say(n)
		timer := time.NewTimer(rand.N(1500 * time.Millisecond)) // the moment is what is tried
		select {
		case <-timer.C:
		case <-t.Context().Done():
		}
		victim := pair[rand.IntN(2)]
		victim.kill()
		victim.start(t)
	}
	for i, p := range pair {
		eventually(t, p, "every message is delivered", func() (bool, error) {
			r, err := p.MessageList(t.Context(), rpc.MessageListArgs{Direction: "out", Limit: 1000})
			delivered := 0
			for _, m := range r.Messages {
				if m.State == rpc.MessageDelivered {
					delivered++
				}
			}
			return delivered == len(sent[i]), err
		})
	}
	for i, p := range pair {
		count := make(map[string]int)
		for _, text := range inbox(t, p) {
			count[text]++
		}
		for id, text := range sent[1-i] {
			if count[text] != 1 {
				t.Errorf("message %s, %q, is shown %d times", id, text, count[text])
			}
		}
		if len(count) != len(sent[1-i]) {
			t.Errorf("%d texts are shown, %d were sent", len(count), len(sent[1-i]))
		}
	}
}
