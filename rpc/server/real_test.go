package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/lora"
	"lorrent/lora/packet"
	"lorrent/rpc"
	"lorrent/storage"
)

// TestRealDomain drives the real engine, database and bridge (its radio off)
// through the whole path.
func TestRealDomain(t *testing.T) {
	dir := t.TempDir()
	source, downloads := filepath.Join(dir, "source"), filepath.Join(dir, "downloads")
	if err := errors.Join(os.Mkdir(downloads, 0o700), os.WriteFile(source, make([]byte, 100_000), 0o600)); err != nil {
		t.Fatal(err)
	}
	data, err := metainfo.Build(source, metainfo.BuildOptions{PieceLength: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	db, err := storage.Open(filepath.Join(dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := start(t, func(c *Config, _ *limits) {
		engine, err := torrent.New(torrent.Config{Listen: "127.0.0.1:0", DownloadDir: downloads, Store: db, Events: c.Events, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- engine.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		if err := engine.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Engine = engine
		if c.LoRa, err = lora.New(lora.Config{Radio: "off", Store: db, Events: c.Events, Log: zerolog.Nop()}); err != nil {
			t.Fatal(err)
		}
	})
	c, ctx := f.client(t), t.Context()

	added, err := c.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: data, Dir: filepath.Join(dir, "elsewhere"), Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	if added.Duplicate || added.Torrent.State != rpc.StateStopped || added.Torrent.TotalBytes != 100_000 || added.Torrent.Name != "source" {
		t.Errorf("added %+v", added)
	}
	if added, err = c.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: data}); err != nil || !added.Duplicate {
		t.Errorf("added again: %+v %v", added, err)
	}
	id := added.Torrent.InfoHash
	list, err := c.TorrentList(ctx, rpc.Empty{})
	if err != nil || len(list.Torrents) != 1 || list.Torrents[0].InfoHash != id {
		t.Errorf("list %+v %v", list, err)
	}
	detail, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id[:6], Files: true, Pieces: true})
	if err != nil || len(detail.Files) != 1 || detail.Files[0].Length != 100_000 || len(detail.Pieces) != 1 || detail.NumPieces != 4 {
		t.Errorf("detail %+v %v", detail, err)
	}
	_, err = c.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: []byte("d4:infod4:name")})
	wantError(t, err, rpc.CodeInvalid, "invalid torrent")
	_, err = c.TorrentStop(ctx, rpc.TorrentArgs{ID: "zzzz"})
	wantError(t, err, rpc.CodeNotFound, "zzzz")
	_, err = c.MessageSend(ctx, rpc.MessageSendArgs{To: "all", Text: "hello"})
	wantError(t, err, rpc.CodeLoRaDown, "off")
	if status, err := c.DaemonStatus(ctx, rpc.Empty{}); err != nil || status.Torrents != 1 || status.LoRa.Radio != "off" || status.EventCursor == 0 {
		t.Errorf("status %+v %v", status, err)
	}
	if _, err := c.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: id, DeleteData: true}); err != nil {
		t.Error(err)
	}
	cursor := uint64(0)
	events, err := c.EventPoll(ctx, rpc.EventPollArgs{Cursor: &cursor, Types: []string{"torrent.removed"}, TimeoutSeconds: 10})
	if err != nil || len(events.Events) != 1 {
		t.Errorf("events %+v %v", events, err)
	}
}

// Contacts and channels through the whole of it.
func TestRealContacts(t *testing.T) {
	db, err := storage.Open(filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := start(t, func(c *Config, _ *limits) {
		if c.LoRa, err = lora.New(lora.Config{Radio: "sim", Store: db, Events: c.Events, Log: zerolog.Nop()}); err != nil {
			t.Fatal(err)
		}
	})
	c, ctx := f.client(t), t.Context()
	key := packet.NewIdentity().Public()
	added, err := c.LoRaAddContact(ctx, rpc.ContactAddArgs{Who: key.String(), Nick: "ann"})
	if err != nil || added.Contact.Nick != "ann" || added.Contact.Fingerprint != key.Fingerprint() {
		t.Fatalf("added %+v %v", added, err)
	}
	if got, err := c.LoRaVerifyContact(ctx, rpc.ContactSetArgs{Who: "Ann", On: true}); err != nil || !got.Contact.Verified {
		t.Errorf("verified %+v %v", got, err)
	}
	if got, err := c.LoRaAllowCommands(ctx, rpc.ContactSetArgs{Who: "ann", On: true}); err != nil || !got.Contact.Commands {
		t.Errorf("allowed %+v %v", got, err)
	}
	sent, err := c.MessageSend(ctx, rpc.MessageSendArgs{To: "ann", Text: "hello"})
	if err != nil || sent.Message.Nick != "ann" || !sent.Message.Proven || sent.Message.To != added.Contact.Node {
		t.Errorf("sent %+v %v", sent, err)
	}
	_, err = c.LoRaAddContact(ctx, rpc.ContactAddArgs{Who: key.String(), Nick: "a nn"})
	wantError(t, err, rpc.CodeInvalid, "blanks")
	made, err := c.LoRaCreateChannel(ctx, rpc.ChannelArgs{Name: "family"})
	if err != nil || made.Channel.Name != "family" {
		t.Fatalf("made %+v %v", made, err)
	}
	_, err = c.LoRaJoinChannel(ctx, rpc.ChannelJoinArgs{Link: made.Channel.Link})
	wantError(t, err, rpc.CodeInvalid, "already")
	if sent, err = c.MessageSend(ctx, rpc.MessageSendArgs{To: "#family", Text: "dinner"}); err != nil || sent.Message.To != "#family" {
		t.Errorf("sent %+v %v", sent, err)
	}
	list, err := c.MessageList(ctx, rpc.MessageListArgs{Peer: "#family"})
	if err != nil || len(list.Messages) != 1 || list.Messages[0].Text != "dinner" {
		t.Errorf("list %+v %v", list, err)
	}
	if list, err = c.MessageList(ctx, rpc.MessageListArgs{Text: "HELL"}); err != nil || len(list.Messages) != 1 {
		t.Errorf("search %+v %v", list, err)
	}
	if _, err := c.MessageMarkRead(ctx, rpc.MarkReadArgs{Peer: "ann", Seq: 1}); err != nil {
		t.Error(err)
	}
	if list, err := c.LoRaContacts(ctx, rpc.Empty{}); err != nil || len(list.Contacts) != 1 || !list.Contacts[0].Verified {
		t.Errorf("contacts %+v %v", list, err)
	}
	if _, err := c.LoRaLeaveChannel(ctx, rpc.ChannelArgs{Name: "family"}); err != nil {
		t.Error(err)
	}
	if list, err := c.LoRaChannels(ctx, rpc.Empty{}); err != nil || len(list.Channels) != 0 {
		t.Errorf("channels %+v %v", list, err)
	}
	_, err = c.MessageSend(ctx, rpc.MessageSendArgs{To: "#family", Text: "x"})
	wantError(t, err, rpc.CodeNotFound, "family")
	if _, err := c.LoRaRemoveContact(ctx, rpc.ContactArgs{Who: "ann"}); err != nil {
		t.Error(err)
	}
	if net, err := c.LoRaNetwork(ctx, rpc.Empty{}); err != nil || len(net.Neighbours) != 0 {
		t.Errorf("network %+v %v", net, err)
	}
}
