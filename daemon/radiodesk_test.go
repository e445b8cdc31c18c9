package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
)

// deskFake is an engine with one torrent and a radio with one contact.
type deskFake struct {
	added, stopped, sent []string
	allowed              bool
}

var deskHash = metainfo.Hash{0xab, 0xcd, 0xef}

func (f *deskFake) List() []torrent.Status {
	return []torrent.Status{{InfoHash: deskHash, Name: strings.Repeat("ä", 40), State: torrent.Downloading, TotalBytes: 1000, VerifiedBytes: 500, WantedBytes: 200, WantedVerifiedBytes: 90}}
}
func (f *deskFake) Stats() torrent.Stats {
	return torrent.Stats{Torrents: 1, ByState: map[torrent.State]int{torrent.Downloading: 1}, DownloadRate: 2048}
}

func (f *deskFake) Stop(_ context.Context, h metainfo.Hash) error {
	f.stopped = append(f.stopped, h.String())
	return nil
}

func (f *deskFake) AddMagnet(_ context.Context, uri string, _ torrent.AddOptions) (torrent.Status, bool, error) {
	f.added = append(f.added, uri)
	return torrent.Status{InfoHash: deskHash, Name: "new"}, len(f.added) > 1, nil
}

func (f *deskFake) Send(_ context.Context, to lora.Target, text string) (storage.Message, error) {
	f.sent = append(f.sent, lora.FormatNodeID(to.Node)+" "+text)
	return storage.Message{}, nil
}
func (f *deskFake) MayCommand(node uint32) bool { return f.allowed && node == 7 }
func (f *deskFake) Status() lora.Status         { return lora.Status{MaxText: 60} }

// deskSides resolve names of torrents and of nodes.
type deskTorrents struct{ *deskFake }
type deskNodes struct{ *deskFake }

func (deskTorrents) Resolve(prefix string) (metainfo.Hash, error) {
	if !strings.HasPrefix(deskHash.String(), prefix) {
		return metainfo.Hash{}, torrent.ErrNotFound
	}
	return deskHash, nil
}
func (deskNodes) Resolve(string) (lora.Target, error) { return lora.Target{Node: 9}, nil }

func TestDesk(t *testing.T) {
	const link = "magnet:?xt=urn:btih:abcdef0000000000000000000000000000000000"
	said := func(text string) event.MessageReceived {
		return event.MessageReceived{From: "!00000007", To: "!00000001", Text: text}
	}
	late, channel, everyone, other := said("status"), said("status"), said("status"), said("status")
	late.Late, channel.Channel, channel.To, everyone.To, other.From = true, "#family", "all", "all", "!00000008"
	for _, test := range []struct {
		name    string
		message event.MessageReceived
		off     bool
		want    string // beginning of the answer; none when empty
	}{
		{"status", said("status"), false, "!00000007 1 torrents, 1 downloading; down 2.0 KiB/s, up 0 B/s"},
		{"with a slash", said("/Status "), false, "!00000007 1 torrents"},
		{"ls, cut to size", said("ls"), false, "!00000007 abcdef00 downloading 45% äää"},
		{"add", said("add " + link), false, "!00000007 added abcdef00 new"},
		{"add something else", said("add /etc/passwd"), false, ""},
		{"stop", said("stop abc"), false, "!00000007 stopped abcdef00"},
		{"stop what is not there", said("stop 99"), false, "!00000007 stop: "},
		{"talk", said("stop it now"), false, ""},
		{"more talk", said("status quo"), false, ""},
		{"too late to tell", late, false, ""},
		{"in a channel", channel, false, ""},
		{"for everyone", everyone, false, ""},
		{"by another", other, false, ""},
		{"when off", said("status"), true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &deskFake{allowed: true}
			d := desk{engine: deskTorrents{f}, radio: deskNodes{f}, commands: !test.off, free: func() int64 { return -1 }, failed: func(err error) { t.Error(err) }}
			d.hear(t.Context(), test.message)
			switch {
			case test.want == "" && len(f.sent)+len(f.added)+len(f.stopped) == 0:
			case test.want != "" && len(f.sent) == 1 && strings.HasPrefix(f.sent[0], test.want) && len(f.sent[0]) <= 10+60:
			default:
				t.Errorf("answered %q, added %q, stopped %q; want %q", f.sent, f.added, f.stopped, test.want)
			}
		})
	}
	f := &deskFake{}
	d := desk{radio: deskNodes{f}, notify: "ann", failed: func(err error) { t.Error(err) }}
	d.tell(t.Context(), event.TorrentCompleted{Name: "x.iso", TotalBytes: 1 << 20})
	d.hear(t.Context(), said("status"))
	if !slices.Equal(f.sent, []string{"!00000009 Complete: x.iso, 1.0 MiB"}) {
		t.Errorf("told %q", f.sent)
	}
}

// A daemon is commanded over the air by a contact, once it is allowed to, and once
// for each message, whatever is killed in between.
func TestCommandsOverTheAir(t *testing.T) {
	air := testAir("speedup=50")
	a, b := newProcess(t, "--lora", air, "--lora-commands", "on"), newProcess(t, "--lora", air)
	a.start(t)
	b.start(t)
	to := nodeID(t, a)
	if _, err := a.LoRaAddContact(t.Context(), rpc.ContactAddArgs{Who: nodeID(t, b), Nick: "boss"}); err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		t.Helper()
		sent, err := b.MessageSend(t.Context(), rpc.MessageSendArgs{To: to, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, b, "the command is delivered", func() (bool, error) {
			m, err := b.MessageGet(t.Context(), rpc.MessageArgs{ID: sent.Message.ID})
			return m.Message.State == rpc.MessageDelivered, err
		})
	}
	say("status") // not allowed yet
	if _, err := a.LoRaAllowCommands(t.Context(), rpc.ContactSetArgs{Who: "boss", On: true}); err != nil {
		t.Fatal(err)
	}
	say("ls")
	eventually(t, b, "an answer", func() (bool, error) { return len(inbox(t, b)) == 1, nil })
	a.kill()
	a.start(t)
	say("status")
	eventually(t, b, "another answer", func() (bool, error) { return len(inbox(t, b)) == 2, nil })
	if got := inbox(t, b); got[0] != "no torrents" || !strings.HasPrefix(got[1], "0 torrents") {
		t.Errorf("answers %q", got)
	}
}
