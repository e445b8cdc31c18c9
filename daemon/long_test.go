package main

import (
	"fmt"
	"strings"
	"testing"

	"lorrent/rpc"
)

// longText has so many bytes, no two lines of it alike.
func longText(size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "Line %d: what nobody wants to type twice – naïve.\n", n)
	}
	text := strings.ToValidUTF8(b.String()[:size-1], "")
	return text + strings.Repeat(".", size-len(text))
}

// TestLongMessages sends texts of 4 kB from standard input between two daemons, over an
// air that loses every fifth packet: to a contact, both ways at once, and to a channel.
func TestLongMessages(t *testing.T) {
	t.Parallel()
	air := testAir("loss=0.2&speedup=50")
	var pair [2]*process
	var clients [2]ctl
	var ids [2]string
	for i := range pair {
		pair[i] = newProcess(t, "--lora", air)
		pair[i].start(t)
		clients[i], ids[i] = newCtl(t, pair[i].address), nodeID(t, pair[i])
	}
	texts := [2]string{longText(4096), longText(4000)}
	type result struct {
		code           int
		stdout, stderr string
	}
	results := [2]chan result{make(chan result, 1), make(chan result, 1)}
	for i, c := range clients {
		go func() {
			code, stdout, stderr := c.run(t, []byte(texts[i]+"\n"), "send", ids[1-i], "-", "--wait", "--timeout", "5m")
			results[i] <- result{code, stdout, stderr}
		}()
	}
	for i := range results {
		if r := <-results[i]; r.code != exitOK || !strings.HasPrefix(r.stdout, "delivered\t") {
			t.Errorf("exit code %d, %q, %s", r.code, r.stdout, r.stderr)
		}
	}

	var channel rpc.Channel
	clients[0].json(t, &channel, "lora", "channels", "create", "family")
	clients[1].ok(t, "lora", "channels", "join", channel.Link)
	code, stdout, stderr := clients[0].run(t, []byte(texts[0]), "send", "#family", "-", "--wait", "--timeout", "5m")
	if code != exitOK || !strings.HasPrefix(stdout, "sent\t") || !strings.HasSuffix(stdout, "\t#family\n") {
		t.Errorf("to a channel: exit code %d, %q, %s", code, stdout, stderr)
	}
	eventually(t, pair[1], "the channel shows it", func() (bool, error) { return len(inbox(t, pair[1])) == 2, nil })

	for i, want := range [][]string{{texts[1]}, {texts[0], texts[0]}} {
		got := inbox(t, pair[i])
		if len(got) != len(want) {
			t.Fatalf("inbox of %d messages, want %d", len(got), len(want))
		}
		for n := range want {
			if got[n] != want[n] {
				t.Errorf("message %d has %d bytes, want %d", n, len(got[n]), len(want[n]))
			}
		}
	}
	var out []rpc.Message
	clients[0].json(t, &out, "inbox", "--sent")
	if len(out) != 2 || out[0].Bytes != 4096 || out[0].Packets != 38 || out[1].Packets <= 38 {
		t.Errorf("sent %+v", out)
	}
	code, _, stderr = clients[0].run(t, []byte(longText(4097)), "send", ids[1], "-")
	if code != ctlRPC || !strings.Contains(stderr, "4097 bytes, at most 4096") {
		t.Errorf("a byte too many: exit code %d, %s", code, stderr)
	}
	for _, p := range pair {
		p.shutDown(t)
	}
}
