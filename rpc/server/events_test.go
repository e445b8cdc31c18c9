package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/lora"
	"lorrent/rpc"
)

func TestPoll(t *testing.T) {
	f := start(t, nil) // the ring holds 16
	c, ctx := f.client(t), t.Context()
	base := f.events.Cursor()
	at := func(n uint64) *uint64 { n += base; return &n }
	for i := range 20 {
		f.events.Publish(event.TorrentAdded{InfoHash: fmt.Sprint(i)}) // 1 3 5 …
		f.events.Publish(event.LoRaState{Up: true})                   // 2 4 6 …
	}
	tests := []struct {
		name    string
		args    rpc.EventPollArgs
		cursor  uint64
		dropped uint64
		ids     string
	}{
		{"no cursor", rpc.EventPollArgs{TimeoutSeconds: 60}, 40, 0, "[]"},
		{"newer ones", rpc.EventPollArgs{Cursor: at(37)}, 40, 0, "[38 39 40]"},
		{"none newer", rpc.EventPollArgs{Cursor: at(40)}, 40, 0, "[]"},
		{"none newer, wait", rpc.EventPollArgs{Cursor: at(40), TimeoutSeconds: 0.05}, 40, 0, "[]"},
		{"family", rpc.EventPollArgs{Cursor: at(37), Types: []string{"torrent"}}, 40, 0, "[39]"},
		{"exact", rpc.EventPollArgs{Cursor: at(36), Types: []string{"lora.state", "torrent.state"}}, 40, 0, "[38 40]"},
		{"nothing of the type", rpc.EventPollArgs{Cursor: at(36), Types: []string{"message"}}, 40, 0, "[]"},
		{"dropped", rpc.EventPollArgs{Cursor: at(20), Types: []string{"lora"}}, 40, 4, "[26 28 30 32 34 36 38 40]"},
		{"dropped, nothing of the type", rpc.EventPollArgs{Cursor: at(20), Types: []string{"message"}, TimeoutSeconds: 60}, 40, 4, "[]"},
		{"of an earlier process", rpc.EventPollArgs{Cursor: at(99), Types: []string{"message"}}, 40, 24, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := c.EventPoll(ctx, tt.args)
			if err != nil {
				t.Fatal(err)
			}
			ids := []uint64{}
			for _, e := range reply.Events {
				ids = append(ids, e.ID-base)
			}
			if reply.Cursor -= base; reply.Cursor != tt.cursor || reply.Dropped != tt.dropped || fmt.Sprint(ids) != tt.ids || reply.Events == nil {
				t.Errorf("got cursor %d, dropped %d, %v; want %d, %d, %s", reply.Cursor, reply.Dropped, ids, tt.cursor, tt.dropped, tt.ids)
			}
		})
	}
	for name, args := range map[string]rpc.EventPollArgs{
		"types[1]": {Types: []string{"torrent", "torrents"}}, "types: 33": {Types: make([]string, 33)}, "timeoutSeconds": {TimeoutSeconds: -1},
	} {
		_, err := c.EventPoll(ctx, args)
		wantError(t, err, rpc.CodeInvalidParams, name)
	}
}

// TestPollCursorOfTheFuture polls an empty ring, as after a restart.
func TestPollCursorOfTheFuture(t *testing.T) {
	f := start(t, nil)
	cursor := f.events.Cursor() + 500
	reply, err := f.client(t).EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor})
	if err != nil || reply.Cursor != 0 {
		t.Errorf("got %+v %v", reply, err)
	}
}

// TestPollWakes waits for an event of the wanted type, past another, and
// longer than the body of a request may take to arrive.
func TestPollWakes(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *Config, l *limits) { l.headerTimeout, l.readTimeout = 2*time.Second, 2*time.Second })
	base, cursor := f.events.Cursor(), uint64(0)
	time.AfterFunc(100*time.Millisecond, func() { f.events.Publish(event.LoRaState{}) })
	time.AfterFunc(3*time.Second, func() { f.events.Publish(event.MessageReceived{ID: "x", Text: "hi"}) })
	reply, err := f.client(t).EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 30, Types: []string{"message.received"}})
	if err != nil || len(reply.Events) != 1 || reply.Cursor != base+2 {
		t.Fatalf("got %+v %v", reply, err)
	}
	e := reply.Events[0]
	var data event.MessageReceived
	if err := json.Unmarshal(e.Data, &data); err != nil || e.Type != "message.received" || e.ID != base+2 || data.Text != "hi" || e.Time.IsZero() {
		t.Errorf("got %+v %v", e, err)
	}
}

// TestPollPages asks for more than one answer may hold.
func TestPollPages(t *testing.T) {
	f := start(t, func(c *Config, _ *limits) { c.Events = event.New(2 * maxEvents) })
	cursor := f.cfg.Events.Cursor()
	for range maxEvents + 5 {
		f.cfg.Events.Publish(event.LoRaState{})
	}
	for _, want := range []int{maxEvents, 5} {
		reply, err := f.client(t).EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor})
		if err != nil || len(reply.Events) != want || reply.Events[0].ID != cursor+1 {
			t.Fatalf("got %d events, %v; want %d", len(reply.Events), err, want)
		}
		cursor = reply.Cursor
	}
}

// TestPollLimits: one poll waits, the second is refused; the first ends at
// once when the server does.
func TestPollLimits(t *testing.T) {
	f := start(t, func(_ *Config, l *limits) { l.maxPolls, l.drainTimeout = 1, time.Hour })
	first, second := f.client(t), f.client(t)
	cursor, done := uint64(0), make(chan error, 1)
	go func() {
		for { // each of the two may find the other in the one place
			_, err := first.EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 60})
			if !isBusy(err) {
				done <- err
				return
			}
		}
	}()
	var err error
	for err == nil { // until the first has its place
		if _, err = second.EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor}); err == nil {
			runtime.Gosched()
		}
	}
	wantError(t, err, rpc.CodeBusy, "1 polls")
	if _, err := second.DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Error(err)
	}
	f.stop() // neither the poll's minute nor the hour of the others is waited for
	wantError(t, <-done, rpc.CodeClosing, "shutting down")
}

func isBusy(err error) bool {
	var e *rpc.Error
	return errors.As(err, &e) && e.Code == rpc.CodeBusy
}

func TestPollIsCapped(t *testing.T) {
	s := &EventService{maxPoll: time.Minute}
	for seconds, want := range map[float64]time.Duration{0: 0, 1.5: 1500 * time.Millisecond, 60: time.Minute, 61: time.Minute, 1e300: time.Minute} {
		if got, err := s.checkPoll(&rpc.EventPollArgs{TimeoutSeconds: seconds}); err != nil || got != want {
			t.Errorf("%v: %v %v", seconds, got, err)
		}
	}
}

func TestDaemon(t *testing.T) {
	started := time.Now().Add(-time.Hour).UTC()
	shutdown := make(chan struct{})
	f := start(t, func(c *Config, _ *limits) {
		c.Info = Info{Version: "1.2", Revision: "abc", StartedAt: started, CleanStart: true, StateDir: "/s", DownloadDir: "/d", FreeBytes: func() int64 { return 17 }}
		c.Shutdown = func() { close(shutdown) }
	})
	c, ctx := f.client(t), t.Context()
	f.engine.stats = torrent.Stats{Torrents: 3, ByState: map[torrent.State]int{torrent.Seeding: 2, torrent.Failed: 1}, Peers: 4, DownloadRate: 5, UploadRate: 6, ListenAddress: "[::]:6881"}
	f.lora.status = lora.Status{Radio: "sim", Up: true, Error: "e"}
	f.events.Publish(event.LoRaState{})
	status, err := c.DaemonStatus(ctx, rpc.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if status.UptimeSeconds < 3600 || status.UptimeSeconds > 3700 {
		t.Errorf("uptime %d", status.UptimeSeconds)
	}
	status.UptimeSeconds = 0
	want := rpc.DaemonStatus{
		Version: "1.2", PID: os.Getpid(), StartedAt: started, CleanStart: true, StateDir: "/s", DownloadDir: "/d", FreeBytes: 17,
		Listen: "[::]:6881", Torrents: 3, States: map[string]int{"seeding": 2, "error": 1}, Peers: 4, DownloadRate: 5, UploadRate: 6,
		LoRa: rpc.LoRaBrief{Radio: "sim", Up: true, Error: "e"}, EventCursor: f.events.Cursor(),
	}
	if fmt.Sprintf("%+v", status) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", status, want)
	}
	version, err := c.DaemonVersion(ctx, rpc.Empty{})
	if err != nil || version.Version != "1.2" || version.Revision != "abc" || version.API != rpc.API || !strings.HasPrefix(version.GoVersion, "go") {
		t.Errorf("got %+v %v", version, err)
	}
	if _, err := c.DaemonShutdown(ctx, rpc.Empty{}); err != nil {
		t.Error(err)
	}
	<-shutdown
}

func TestShutdownRefused(t *testing.T) {
	f := start(t, nil)
	_, err := f.client(t).DaemonShutdown(t.Context(), rpc.Empty{})
	wantError(t, err, rpc.CodeDenied, "cannot be shut down")
	if status, err := f.client(t).DaemonStatus(t.Context(), rpc.Empty{}); err != nil || status.FreeBytes != -1 {
		t.Errorf("got %+v %v", status, err)
	}
}

func TestDiscover(t *testing.T) {
	f := start(t, nil)
	var doc struct {
		OpenRPC string
		Methods []struct{ Name string }
	}
	if err := f.client(t).Call(t.Context(), "rpc.discover", nil, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenRPC, "1.3") || len(doc.Methods) != 34 {
		t.Errorf("OpenRPC %q with %d methods", doc.OpenRPC, len(doc.Methods))
	}
	for _, m := range doc.Methods {
		_, _, body := f.request(t, post(t, `{"jsonrpc":"2.0","id":1,"method":"`+m.Name+`","params":{"cake":1}}`))
		if code, _, _, _ := replyError(t, body); code != rpc.CodeInvalidParams {
			t.Errorf("%s: code %d", m.Name, code)
		}
	}
}

// TestTCPClient goes through package rpc with and without the token.
func TestTCPClient(t *testing.T) {
	f := start(t, nil)
	for token, status := range map[string]int{f.token: 0, f.token + "\n": 0, "": 401, "wrong": 401} {
		_, err := dial(t, f.tcp, token).DaemonVersion(t.Context(), rpc.Empty{})
		denied, ok := err.(*rpc.DeniedError)
		if status == 0 && err != nil || status != 0 && (!ok || denied.Status != status || !strings.Contains(denied.Message, "token")) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	_, err := dial(t, "http://localhost:"+f.tcp[strings.LastIndex(f.tcp, ":")+1:], f.token).DaemonVersion(t.Context(), rpc.Empty{})
	if err != nil {
		t.Error(err)
	}
}
