package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"lorrent/rpc"
)

// startChat runs ctl chat on a terminal of its own.
func startChat(t *testing.T, d *fakeDaemon, args ...string) (tt *teletype, ended chan int) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	tt = watchTeletype(t, master)
	ended = make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() {
		ended <- run(ctx, append([]string{"chat", "--color", "never"}, args...), slave, slave, slave, d.env())
		cancel()
		slave.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-tt.read
		master.Close()
	})
	return tt, ended
}

func TestChat(t *testing.T) {
	d := newFakeDaemon(t)
	tt, ended := startChat(t, d)
	tt.expect("Everyone in reach can read this")
	tt.expect("two lines \uFFFD]0;title\uFFFD") // nothing drives the terminal
	tt.expect("!00000003?")                     // and nobody is taken for who he says he is
	tt.press("good mornink\x7fg all")
	tt.press("\x01Very \r") // Ctrl-A: to the beginning
	d.await("Message.Send", 1)
	if got := d.called("Message.Send")[0]; got != `{"to":"all","text":"Very good morning all"}` {
		t.Errorf("sent %s", got)
	}
	tt.expect("·  Very good morning all")
	for _, step := range []struct{ state, mark string }{
		{rpc.MessageSent, "↑  Very"}, {rpc.MessageRelayed, "⇢  Very"}, {rpc.MessageDelivered, "✓  Very"}, {rpc.MessageRead, "✓✓  Very"},
	} {
		d.update(func() { d.messages[3].State = step.state })
		d.publish("message.state", map[string]any{"id": "b4", "state": step.state})
		tt.expect(step.mark)
	}
	d.update(func() {
		d.messages = append(d.messages, rpc.Message{Seq: 9, ID: "c9", From: "!89abcdef", To: "all", Nick: "ann", Proven: true, Text: "hi \x1b[2J", State: rpc.MessageReceived, CreatedAt: time.Now()})
	})
	d.publish("message.received", map[string]any{"id": "c9"})
	tt.expect("ann  hi \uFFFD[2J")
	d.await("Message.MarkRead", 2)
	if got := d.called("Message.MarkRead"); got[len(got)-1] != `{"peer":"all","seq":9}` {
		t.Errorf("marked %q", got)
	}
	d.fail("Message.Send", rpc.CodeInvalid, rpc.KindInvalid, "the message is too long")
	tt.press("x\r")
	tt.expect("not sent: the message is too long")
	tt.press("\x04")
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// With a contact; the daemon ends.
func TestChatEndsWithTheDaemon(t *testing.T) {
	d := newFakeDaemon(t)
	tt, ended := startChat(t, d, "ann")
	tt.expect("With ann")
	if got := d.called("Message.List"); got[0] != `{"limit":50,"peer":"ann"}` {
		t.Errorf("asked for %q", got)
	}
	d.await("Event.Poll", 2)
	d.server.CloseClientConnections()
	d.server.Close()
	if code := <-ended; code == exitOK {
		t.Error("exit code 0 though the daemon is gone")
	}
}

func TestChatNeedsATerminal(t *testing.T) {
	d := newFakeDaemon(t)
	if r := d.ctl("chat"); r.code != exitUsage || !strings.Contains(r.stderr, "terminal") {
		t.Errorf("%+v", r)
	}
}

func TestLoRaCommands(t *testing.T) {
	d := newFakeDaemon(t)
	contact := rpc.Contact{Node: "!89abcdef", Key: strings.Repeat("ab", 32), Fingerprint: "89ab cdef", Nick: "ann", Name: "evil\x1b[2J", Unread: 3}
	channel := rpc.Channel{ID: "a1", Name: "family", Link: "lorrent://channel/family#AAAA"}
	replies := map[string]any{
		"LoRa.Contacts": rpc.ContactsReply{Contacts: []rpc.Contact{contact}}, "LoRa.AddContact": rpc.ContactReply{Contact: contact},
		"LoRa.VerifyContact": rpc.ContactReply{Contact: contact}, "LoRa.AllowCommands": rpc.ContactReply{Contact: contact},
		"LoRa.RemoveContact": rpc.Empty{}, "LoRa.LeaveChannel": rpc.Empty{},
		"LoRa.Channels": rpc.ChannelsReply{Channels: []rpc.Channel{channel}}, "LoRa.CreateChannel": rpc.ChannelReply{Channel: channel},
		"LoRa.JoinChannel": rpc.ChannelReply{Channel: channel},
		"LoRa.Ping":        rpc.PingReply{Node: "!89abcdef", Seconds: 1.25, Attempts: 2, Path: []rpc.Station{{Short: "1234"}, {Short: "cdef", Node: "!89abcdef", Nick: "ann"}}},
		"LoRa.Network": rpc.NetworkReply{
			Neighbours: []rpc.Neighbour{{Station: rpc.Station{Short: "cdef", Node: "!89abcdef"}, LastHeard: dayAndAHalfAgo(), RSSIdBm: -97, SNRdB: 5, MarginDB: 12, HearsUs: true, TheirMarginDB: 9, Passes: 0.9}},
			Routes:     []rpc.Route{{To: rpc.Station{Short: "0001"}, Next: rpc.Station{Short: "cdef", Node: "!89abcdef"}, Hops: 2}},
		},
	}
	for method, reply := range replies {
		d.answerWith(method, reply)
	}
	for _, test := range []struct{ line, method, params, want string }{
		{"lora contacts", "LoRa.Contacts", `{}`, "ann\t!89abcdef\tno\tno\t3\t89ab cdef\tevil\uFFFD[2J\n"},
		{"lora contacts add 89abcdef ann", "LoRa.AddContact", `{"who":"89abcdef","nick":"ann"}`, "fingerprint\t89ab cdef\n"},
		{"lora contacts verify ann", "LoRa.VerifyContact", `{"who":"ann","on":true}`, "nick\tann\n"},
		{"lora contacts unverify ann", "LoRa.VerifyContact", `{"who":"ann","on":false}`, "nick\tann\n"},
		{"lora contacts allow ann", "LoRa.AllowCommands", `{"who":"ann","on":true}`, "nick\tann\n"},
		{"lora contacts rm ann", "LoRa.RemoveContact", `{"who":"ann"}`, ""},
		{"lora channels", "LoRa.Channels", `{}`, "#family\ta1\t0\tlorrent://channel/family#AAAA\n"},
		{"lora channels create family", "LoRa.CreateChannel", `{"name":"family"}`, "#family\tlorrent://channel/family#AAAA\n"},
		{"lora channels join lorrent://x kin", "LoRa.JoinChannel", `{"link":"lorrent://x","name":"kin"}`, "#family\t"},
		{"lora channels leave family", "LoRa.LeaveChannel", `{"name":"family"}`, ""},
		{"lora ping ann", "LoRa.Ping", `{"who":"ann"}`, "!89abcdef\tanswered after 1.25s\t2 times on air\n"},
		{"lora trace ann", "LoRa.Ping", `{"who":"ann"}`, "1\t…1234\n2\tann\n!89abcdef\t"},
		{"lora status", "LoRa.Network", `{}`, "-97 dBm\t5.0 dB\t+12 dB\t+9 dB\t90 %\t1d12h ago\t!89abcdef\n"},
		{"lora status", "LoRa.Network", `{}`, "2\t!89abcdef\t…0001\n"},
		{"lora status", "LoRa.Status", `{}`, "airtime left\t347.7 of 360 s this hour\n"},
	} {
		r := d.ctl(strings.Fields(test.line)...)
		calls := d.called(test.method)
		if r.code != exitOK || !strings.Contains(r.stdout, test.want) || len(calls) == 0 || calls[len(calls)-1] != test.params {
			t.Errorf("%s: code %d, stdout %q, stderr %q, calls %q; want %q", test.line, r.code, r.stdout, r.stderr, calls, test.want)
		}
		if r := d.ctl(append(strings.Fields(test.line), "--json")...); r.code != exitOK {
			t.Errorf("%s --json: %+v", test.line, r)
		}
	}
	if r := d.ctl("lora"); r.code != exitUsage {
		t.Errorf("lora alone: %+v", r)
	}
}

// answerWith makes a method answer with a result.
func (d *fakeDaemon) answerWith(method string, result any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.override[method] = func(json.RawMessage) (any, *rpc.Error) { return result, nil }
}
