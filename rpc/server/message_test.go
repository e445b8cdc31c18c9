package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"lorrent/lora"
	"lorrent/lora/packet"
	"lorrent/rpc"
	"lorrent/storage"
)

func TestMessageSend(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	reply, err := c.MessageSend(ctx, rpc.MessageSendArgs{To: "!89abcdef", Text: "hello ☀"})
	if err != nil {
		t.Fatal(err)
	}
	if m := reply.Message; m.To != "!89abcdef" || m.From != "!00000007" || m.Text != "hello ☀" || m.Seq != 1 || !m.Outgoing || m.State != rpc.MessageQueued || m.ExpiresAt != nil {
		t.Errorf("got %+v", m)
	}
	if reply, err = c.MessageSend(ctx, rpc.MessageSendArgs{To: "all", Text: "x"}); err != nil || reply.Message.To != "all" {
		t.Errorf("got %+v %v", reply, err)
	}
	_, err = c.MessageSend(ctx, rpc.MessageSendArgs{Text: "x"})
	wantError(t, err, rpc.CodeInvalidParams, "to: missing")
	_, err = c.MessageSend(ctx, rpc.MessageSendArgs{To: "bob", Text: "x"})
	wantError(t, err, rpc.CodeInvalid, "to: no such receiver: node id")
	f.lora.err = fmt.Errorf("%w: 300 bytes", lora.ErrTooLong)
	_, err = c.MessageSend(ctx, rpc.MessageSendArgs{To: "all", Text: "x"})
	wantError(t, err, rpc.CodeInvalid, "300 bytes")
}

func TestMessageList(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	tests := []struct {
		name string
		args rpc.MessageListArgs
		want string // the query, or what the error says
		code int
	}{
		{"default", rpc.MessageListArgs{}, "{AfterSeq:0 BeforeSeq:0 Limit:100 Peer:<nil> Channel: Text: Incoming:false Outgoing:false}", 0},
		{"page", rpc.MessageListArgs{AfterSeq: 3, BeforeSeq: 9, Limit: 1000, Direction: "in"}, "{AfterSeq:3 BeforeSeq:9 Limit:1000 Peer:<nil> Channel: Text: Incoming:true Outgoing:false}", 0},
		{"out", rpc.MessageListArgs{Limit: 1, Direction: "out"}, "{AfterSeq:0 BeforeSeq:0 Limit:1 Peer:<nil> Channel: Text: Incoming:false Outgoing:true}", 0},
		{"limit too large", rpc.MessageListArgs{Limit: 1001}, "limit: want 0 to 1000", rpc.CodeInvalidParams},
		{"limit negative", rpc.MessageListArgs{Limit: -1}, "limit: want 0 to 1000", rpc.CodeInvalidParams},
		{"direction", rpc.MessageListArgs{Direction: "up"}, `direction: want "in" or "out"`, rpc.CodeInvalidParams},
		{"peer", rpc.MessageListArgs{Peer: "x"}, "peer: no such receiver: node id", rpc.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := c.MessageList(ctx, tt.args)
			if tt.code != 0 {
				wantError(t, err, tt.code, tt.want)
				return
			}
			if err != nil || reply.Messages == nil {
				t.Fatalf("got %+v %v", reply, err)
			}
			if got := fmt.Sprintf("%+v", f.lora.queries[len(f.lora.queries)-1]); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := c.MessageList(ctx, rpc.MessageListArgs{Peer: "!89abcdef"}); err != nil {
		t.Fatal(err)
	}
	if peer := f.lora.queries[len(f.lora.queries)-1].Peer; peer == nil || *peer != 0x89abcdef {
		t.Errorf("peer %v", peer)
	}
}

func TestMessageGet(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	expires := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for seq := range uint64(2500) {
		f.lora.messages = append(f.lora.messages, storage.Message{
			Seq: seq + 1, ID: fmt.Sprintf("%016x", seq), From: 1, To: lora.Broadcast, RSSIdBm: math.NaN(), SNRdB: -7.5, ExpiresAt: expires,
		})
	}
	for _, seq := range []uint64{0, 499, 500, 1499, 1500, 2499} {
		reply, err := c.MessageGet(ctx, rpc.MessageArgs{ID: fmt.Sprintf("%016x", seq)})
		if err != nil {
			t.Fatal(err)
		}
		if m := reply.Message; m.Seq != seq+1 || m.RSSIdBm != 0 || m.SNRdB != -7.5 || m.To != "all" || !m.ExpiresAt.Equal(expires) {
			t.Errorf("%d: got %+v", seq, m)
		}
	}
	_, err := c.MessageGet(ctx, rpc.MessageArgs{ID: "nope"})
	wantError(t, err, rpc.CodeNotFound, `no message "nope"`)
	_, err = c.MessageGet(ctx, rpc.MessageArgs{})
	wantError(t, err, rpc.CodeInvalidParams, "id: missing")
	if len(f.lora.queries) > 0 {
		t.Errorf("the history was read: %+v", f.lora.queries)
	}
}

func TestLoRa(t *testing.T) {
	f := start(t, nil)
	c, ctx := f.client(t), t.Context()
	heard := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	f.lora.nodes = []lora.Node{{ID: 0x1234, LastHeard: heard, RSSIdBm: -100, SNRdB: math.Inf(1), Packets: 3}}
	f.lora.status = lora.Status{
		Radio: "sim", Up: true, Error: "e", NodeID: 0xa, FrequencyHz: 1, BandwidthHz: 2, SpreadingFactor: 3, CodingRate: 4, TxPowerDBm: -5,
		Queued: 6, PacketsSent: 7, PacketsReceived: 8, PacketsBad: 9, PacketsDuplicate: 10, PacketsLost: 11,
		AirtimeUsed: 1500 * time.Millisecond, AirtimeLimit: time.Minute,
		Name: "me", Region: "EU868", Band: "P", BusyShare: 0.5, MaxText: 99, PacketsForged: 12,
	}
	status, err := c.LoRaStatus(ctx, rpc.Empty{})
	want := rpc.LoRaStatus{
		Radio: "sim", Up: true, Error: "e", NodeID: "!0000000a", FrequencyHz: 1, BandwidthHz: 2, SpreadingFactor: 3, CodingRate: 4, TxPowerDBm: -5,
		Queued: 6, PacketsSent: 7, PacketsReceived: 8, PacketsBad: 9, PacketsDuplicate: 10, PacketsLost: 11,
		AirtimeUsedSeconds: 1.5, AirtimeLimitSeconds: 60, Nodes: 1,
		Name: "me", Region: "EU868", Band: "P", BusyShare: 0.5, MaxText: 99, PacketsForged: 12,
		Key: strings.Repeat("0", 64), Fingerprint: packet.PublicKey{}.Fingerprint(),
	}
	if err != nil || status != want {
		t.Errorf("got %+v %v", status, err)
	}
	nodes, err := c.LoRaNodes(ctx, rpc.Empty{})
	if err != nil || len(nodes.Nodes) != 1 || nodes.Nodes[0] != (rpc.Node{ID: "!00001234", LastHeard: heard, RSSIdBm: -100, Packets: 3}) {
		t.Errorf("got %+v %v", nodes, err)
	}
}

func TestMessageSize(t *testing.T) {
	for _, tt := range []struct {
		m    storage.Message
		want int
	}{
		{storage.Message{To: 7, Outgoing: true}, 1},
		{storage.Message{To: 7, Outgoing: true, DataShares: 38, Shares: 48}, 38},
		{storage.Message{To: lora.Broadcast, Outgoing: true, DataShares: 38, Shares: 48}, 48},
		{storage.Message{From: 7, To: 8, DataShares: 38}, 38},
		{storage.Message{From: 7, To: lora.Broadcast}, 1},
	} {
		tt.m.Text = "zwölf"
		s := MessageService{lora: new(fakeLoRa)}
		if m := s.toMessage(tt.m); m.Packets != tt.want || m.Bytes != 6 {
			t.Errorf("%+v: %d bytes in %d packets, want 6 in %d", tt.m, m.Bytes, m.Packets, tt.want)
		}
	}
}
