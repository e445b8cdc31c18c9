package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

func TestSendStdin(t *testing.T) {
	for _, test := range []struct{ name, stdin, want string }{
		{"line end dropped", "two\nlines\n", "two\nlines"},
		{"Windows line end dropped", "text\r\n", "text"},
		{"no line end", "text", "text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			r := invocation{stdin: test.stdin, env: d.env()}.run(t, "send", "all", "-")
			if r.code != exitOK || d.messages[3].Text != test.want {
				t.Errorf("exit code %d, sent %q, want %q", r.code, d.messages[3].Text, test.want)
			}
		})
	}
	d := newFakeDaemon(t)
	r := invocation{stdin: strings.Repeat("x", maxText+1), env: d.env()}.run(t, "send", "all", "-")
	if r.code != exitUsage || len(d.called("Message.Send")) != 0 {
		t.Errorf("endless text: exit code %d", r.code)
	}
}

func TestSendWait(t *testing.T) {
	for _, test := range []struct {
		name   string
		to     string
		states []string
		code   int
		stdout string
		stderr string
	}{
		{"delivered", "!89abcdef", []string{rpc.MessageSent, rpc.MessageDelivered}, exitOK, "delivered\tb4\t!89abcdef\n", ""},
		{"expired", "!89abcdef", []string{rpc.MessageSent, rpc.MessageExpired}, exitTimeout, "", "expired after 0 times on air"},
		{"failed", "!89abcdef", []string{rpc.MessageFailed}, exitRPC, "", "message b4 to !89abcdef failed: no luck"},
		{"broadcast", "all", []string{rpc.MessageSent}, exitOK, "sent\tb4\tall\n", ""},
		{"channel", "#family", []string{rpc.MessageSent}, exitOK, "sent\tb4\t#family\n", ""},
		{"channel, relayed at once", "#family", []string{rpc.MessageRelayed}, exitOK, "relayed\tb4\t#family\n", ""},
		{"channel, never on air", "#family", []string{rpc.MessageExpired}, exitTimeout, "", "to #family expired before all of it was on air"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i, state := range test.states {
					d.await("Event.Poll", 2+i)
					d.update(func() { d.messages[3].State, d.messages[3].Error = state, "no luck" })
					d.publish("message.state", map[string]string{"id": "b4", "state": state})
				}
			}()
			r := d.ctl("send", test.to, "hi", "--wait")
			<-done
			r.want(t, test.code, test.stdout)
			if !strings.Contains(r.stderr, test.stderr) {
				t.Errorf("stderr %q, want %q in it", r.stderr, test.stderr)
			}
		})
	}
}

func TestSendWaitTimeout(t *testing.T) {
	r := newFakeDaemon(t).ctl("send", "!89abcdef", "hi", "--wait", "--timeout", "100ms")
	if r.code != exitTimeout || !strings.Contains(r.stderr, "not done after 100ms") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

// stream runs ctl and hands over its stdout line by line.
func stream(t *testing.T, d *fakeDaemon, args ...string) (lines *bufio.Scanner, interrupt func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, strings.NewReader(""), writer, io.Discard, d.env())
		writer.Close()
	}()
	return bufio.NewScanner(reader), func() int {
		cancel()
		go func() { _, _ = io.Copy(io.Discard, reader) }()
		select {
		case c := <-code:
			return c
		case <-time.After(time.Minute):
			t.Error("does not end when interrupted")
			return -1
		}
	}
}

func TestInboxFollow(t *testing.T) {
	d := newFakeDaemon(t)
	lines, interrupt := stream(t, d, "inbox", "--follow", "--json", "--limit", "1")
	next := func() (m rpc.Message) {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the stream ended")
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := next(); m.Seq != 3 {
		t.Errorf("first message %+v, want the newest", m)
	}
	for seq := uint64(4); seq < 7; seq++ {
		d.update(func() {
			d.messages = append(d.messages, rpc.Message{Seq: seq, From: "!00000009", Text: "new", State: rpc.MessageReceived})
		})
		d.publish("message.received", map[string]string{"text": "new"})
		if m := next(); m.Seq != seq {
			t.Errorf("message %d, want %d", m.Seq, seq)
		}
	}
	if code := interrupt(); code != exitOK {
		t.Errorf("exit code %d after an interrupt", code)
	}
}

func TestInboxFollowLosesDaemon(t *testing.T) {
	d := newFakeDaemon(t)
	go func() {
		d.await("Event.Poll", 2)
		d.server.CloseClientConnections()
		d.server.Close()
	}()
	if r := d.ctl("inbox", "--follow"); r.code != exitUnreachable {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestWatchPiped(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Format(time.RFC3339)
	for _, test := range []struct {
		name string
		kind string
		data any
		want string
	}{
		{"added", "torrent.added", map[string]any{"name": "evil\x1b[2J"}, "evil\uFFFD[2J"},
		{"removed", "torrent.removed", map[string]any{"name": "x"}, "x"},
		{"removed with data", "torrent.removed", map[string]any{"name": "x", "dataDeleted": true}, "x with its files"},
		{"state", "torrent.state", map[string]any{"name": "x", "state": "error", "error": "disk full"}, "error x: disk full"},
		{"completed", "torrent.completed", map[string]any{"name": "x", "totalBytes": 2048}, "x, 2.0 KiB"},
		{"banned", "torrent.peerBanned", map[string]any{"address": "10.0.0.1:1", "reason": "bad hash"}, "10.0.0.1:1: bad hash"},
		{"tracker", "torrent.trackerFailed", map[string]any{"url": "http://t", "error": "refused"}, "http://t: refused"},
		{"message", "message.received", map[string]any{"from": "!1", "to": "all", "text": "a\nb"}, "!1 to all: a b"},
		{"message state", "message.state", map[string]any{"id": "a1", "to": "!1", "state": "delivered"}, "a1 to !1 delivered"},
		{"radio up", "lora.state", map[string]any{"up": true, "radio": "sim"}, "radio sim is up"},
		{"radio down", "lora.state", map[string]any{"radio": "sim", "error": "gone"}, "radio sim is down: gone"},
		{"from the future", "torrent.teleported", map[string]any{"to": "\x1bmoon"}, `{"to":"\u001bmoon"}`},
		{"not an object", "torrent.added", []int{1}, "[1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			d.publish("torrent.added", map[string]any{"name": "before"})
			lines, interrupt := stream(t, d, "watch")
			d.await("Event.Poll", 2)
			d.publish(test.kind, test.data)
			if !lines.Scan() || lines.Text() != at+"\t"+test.kind+"\t"+test.want {
				t.Errorf("line %q, want %q", lines.Text(), test.want)
			}
			if code := interrupt(); code != exitOK {
				t.Errorf("exit code %d after an interrupt", code)
			}
		})
	}
}

func TestWatchJSON(t *testing.T) {
	d := newFakeDaemon(t)
	lines, interrupt := stream(t, d, "watch", "--json", "--type", "message")
	d.await("Event.Poll", 2)
	d.publish("torrent.added", map[string]any{"name": "not asked for"})
	d.publish("message.received", map[string]any{"text": "\u009b31m"})
	var e rpc.Event
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &e) != nil || e.Type != "message.received" || strings.ContainsFunc(lines.Text(), unsafeRune) {
		t.Errorf("line %q", lines.Text())
	}
	d.publish("message.state", map[string]any{"state": "sent"})
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &e) != nil || e.Type != "message.state" {
		t.Errorf("line %q: want the next event, not one again", lines.Text())
	}
	if code := interrupt(); code != exitOK {
		t.Errorf("exit code %d after an interrupt", code)
	}
}

func FuzzEventText(f *testing.F) {
	f.Add("torrent.added", []byte(`{"name":"\u001b[2J"}`))
	f.Add("torrent.completed", []byte(`{"totalBytes":-5}`))
	f.Add("message.received", []byte(`{"text":7}`))
	f.Add("lora.state", []byte(`null`))
	f.Add("x\x1b", []byte(`{`))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		out := &output{tty: true}
		line := out.joined(eventCells(rpc.Event{Type: kind, Data: data}))
		if strings.ContainsFunc(line, unsafeRune) {
			t.Errorf("%q", line)
		}
	})
}
