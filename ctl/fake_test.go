package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lorrent/rpc"
)

// Info hashes of the fake daemon's torrents. The first two begin alike.
const (
	hashISO   = "89abcdef0123456789abcdef0123456789abcdef"
	hashBook  = "89abff0000000000000000000000000000000000"
	hashVideo = "12340000000000000000000000000000000000ff"
)

// fakeDaemon answers as the daemon would, from memory, over a unix socket.
type fakeDaemon struct {
	t      *testing.T
	socket string
	server *httptest.Server

	mu       sync.Mutex
	calls    []string // "Torrent.Stop {"id":"…"}"
	torrents []rpc.Torrent
	messages []rpc.Message
	nodes    []rpc.Node
	events   []rpc.Event
	limits   rpc.Limits
	news     chan struct{} // closed and replaced when an event comes
	override map[string]func(params json.RawMessage) (any, *rpc.Error)
	gate     http.HandlerFunc // answers instead of RPC when not nil
}

func newFakeDaemon(t *testing.T) *fakeDaemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") // t.TempDir's paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	added := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := &fakeDaemon{
		t: t, socket: filepath.Join(dir, "rpc.sock"),
		limits:   rpc.Limits{AltMode: rpc.AltOff},
		news:     make(chan struct{}),
		override: map[string]func(json.RawMessage) (any, *rpc.Error){},
		torrents: []rpc.Torrent{
			{InfoHash: hashISO, Name: "debian.iso", State: rpc.StateDownloading, TotalBytes: 1 << 30, VerifiedBytes: 1 << 29,
				CheckedBytes: -1, DownloadRate: 3 << 20, UploadRate: 1 << 10, Peers: 12, Seeds: 4, ETASeconds: 171, Dir: "/srv",
				PieceLength: 1 << 18, NumPieces: 4096, NumFiles: 1, AddedAt: added},
			{InfoHash: hashBook, Name: "本の名前", State: rpc.StateSeeding, TotalBytes: 1000, VerifiedBytes: 1000, CheckedBytes: -1,
				UploadedBytes: 2500, ETASeconds: -1, Dir: "/srv", SuperSeeding: true, PieceLength: 1 << 14, NumPieces: 1, NumFiles: 2, AddedAt: added.Add(time.Hour), CompletedAt: &added},
			{InfoHash: hashVideo, Name: "evil\x1b[2J\u009b31m\nname", State: rpc.StateError, Error: "disk full", TotalBytes: 10 << 20,
				CheckedBytes: -1, ETASeconds: -1, Dir: "/srv", PieceLength: 1 << 18, NumPieces: 40, NumFiles: 1, AddedAt: added.Add(2 * time.Hour)},
		},
		messages: []rpc.Message{
			{Seq: 1, ID: "a1", From: "!00000001", To: "!00000002", Text: "hello", Proven: true, State: rpc.MessageReceived, CreatedAt: added, UpdatedAt: added},
			{Seq: 2, ID: "a2", From: "!00000002", To: "all", Text: "mine", Outgoing: true, State: rpc.MessageSent, CreatedAt: added, UpdatedAt: added},
			{Seq: 3, ID: "a3", From: "!00000003", To: "all", Text: "two\nlines \x1b]0;title\x07", State: rpc.MessageReceived, CreatedAt: added, UpdatedAt: added},
		},
		nodes: []rpc.Node{{ID: "!89abcdef", LastHeard: dayAndAHalfAgo(), RSSIdBm: -97.4, SNRdB: 5.25, Packets: 7}},
	}
	d.start()
	t.Cleanup(func() { d.server.Close() })
	return d
}

// start listens; again after the server was closed.
func (d *fakeDaemon) start() {
	listener, err := net.Listen("unix", d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.server = httptest.NewUnstartedServer(http.HandlerFunc(d.serve))
	d.server.Listener.Close()
	d.server.Listener = listener
	d.server.Start()
}

func (d *fakeDaemon) address() string { return "unix:" + d.socket }
func (d *fakeDaemon) env() []string   { return []string{"LORRENT_RPC=" + d.address(), "TERM=xterm"} }

// fail makes a method answer with an error.
func (d *fakeDaemon) fail(method string, code int, kind, message string, matches ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.override[method] = func(json.RawMessage) (any, *rpc.Error) {
		return nil, &rpc.Error{Code: code, Message: message, Data: rpc.ErrorData{Kind: kind, Matches: matches}}
	}
}

// publish makes an event.
func (d *fakeDaemon) publish(kind string, data any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	raw, err := json.Marshal(data)
	if err != nil {
		d.t.Error(err)
	}
	d.events = append(d.events, rpc.Event{
		ID: uint64(len(d.events) + 1), Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Type: kind, Data: raw,
	})
	close(d.news)
	d.news = make(chan struct{})
}

// update changes the fake under its lock.
func (d *fakeDaemon) update(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
}

// dayAndAHalfAgo is shown as 1d12h ago, however long a test takes.
func dayAndAHalfAgo() time.Time { return time.Now().Add(-36*time.Hour - 10*time.Minute) }

// called lists the calls of a method.
func (d *fakeDaemon) called(method string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []string
	for _, call := range d.calls {
		if params, ok := strings.CutPrefix(call, method+" "); ok {
			found = append(found, params)
		}
	}
	return found
}

// await waits for the nth call of a method.
func (d *fakeDaemon) await(method string, n int) {
	d.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for len(d.called(method)) < n {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s was called %d times, want %d", method, len(d.called(method)), n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *fakeDaemon) serve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		gate(w, r)
		return
	}
	var req struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != rpc.Path || req.Version != "2.0" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	result, failed := d.answer(r, req.Method, req.Params)
	reply := map[string]any{"jsonrpc": "2.0", "id": req.ID}
	if failed != nil {
		reply["error"] = failed
	} else {
		reply["result"] = result
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		d.t.Logf("answer %s: %v", req.Method, err)
	}
}

func (d *fakeDaemon) answer(r *http.Request, method string, params json.RawMessage) (any, *rpc.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, method+" "+string(params))
	if fn := d.override[method]; fn != nil {
		return fn(params)
	}
	switch method {
	case "Torrent.Add":
		return d.add(params)
	case "Torrent.List":
		return rpc.TorrentListReply{Torrents: slices.Clone(d.torrents)}, nil
	case "Torrent.Get":
		return d.get(params)
	case "Torrent.Start", "Torrent.Stop", "Torrent.Recheck", "Torrent.Reannounce":
		_, failed := d.resolve(params)
		return rpc.Empty{}, failed
	case "Torrent.Remove":
		i, failed := d.resolve(params)
		if failed == nil {
			d.torrents = slices.Delete(d.torrents, i, i+1)
		}
		return rpc.Empty{}, failed
	case "Message.Send":
		args := decodeParams[rpc.MessageSendArgs](d, params)
		m := rpc.Message{Seq: uint64(len(d.messages) + 1), ID: fmt.Sprintf("b%d", len(d.messages)+1), From: "!00000002",
			To: args.To, Text: args.Text, Outgoing: true, State: rpc.MessageQueued}
		d.messages = append(d.messages, m)
		return rpc.MessageReply{Message: m}, nil
	case "Message.List":
		return d.list(decodeParams[rpc.MessageListArgs](d, params)), nil
	case "Message.Get":
		args := decodeParams[rpc.MessageArgs](d, params)
		for _, m := range d.messages {
			if m.ID == args.ID {
				return rpc.MessageReply{Message: m}, nil
			}
		}
		return nil, notFound("no message " + args.ID)
	case "LoRa.Status":
		return rpc.LoRaStatus{Radio: "sim", Up: true, NodeID: "!00000002", FrequencyHz: 869525000, BandwidthHz: 250000,
			SpreadingFactor: 11, CodingRate: 5, TxPowerDBm: 14, Queued: 1, PacketsSent: 10, PacketsReceived: 20, PacketsBad: 3,
			PacketsDuplicate: 4, AirtimeUsedSeconds: 12.3, AirtimeLimitSeconds: 360, Nodes: 1}, nil
	case "Message.MarkRead":
		return rpc.Empty{}, nil
	case "LoRa.Nodes":
		return rpc.NodesReply{Nodes: d.nodes}, nil
	case "LoRa.Boards":
		return rpc.BoardsReply{Boards: []rpc.Board{
			{Path: "/dev/ttyACM0", USB: "067b:2303", Product: "Mouse"},
			{Path: "/dev/ttyUSB0", USB: "10c4:ea60", Product: "CP2102", Boards: "CP210x: Heltec V2 and V3, many others", InUse: true},
		}}, nil
	case "Event.Poll":
		return d.poll(r, decodeParams[rpc.EventPollArgs](d, params))
	case "Daemon.Status":
		return rpc.DaemonStatus{Version: "v1.2.3", PID: 42, UptimeSeconds: 3723, StateDir: "/state", DownloadDir: "/srv",
			FreeBytes: 5 << 30, Listen: "[::]:20123", PortMapping: "mapped by UPnP 203.0.113.5:20123", Torrents: 3, States: map[string]int{"seeding": 1, "downloading": 1, "error": 1, "stopped": 0},
			Peers: 12, DownloadRate: 3 << 20, UploadRate: 1 << 10, LoRa: rpc.LoRaBrief{Radio: "serial:/dev/ttyUSB0", Error: "no such device"}}, nil
	case "Torrent.SetLimits":
		i, failed := d.resolve(params)
		if failed != nil {
			return nil, failed
		}
		args := decodeParams[rpc.TorrentSetLimitsArgs](d, params)
		if args.DownloadLimit != nil {
			d.torrents[i].DownloadLimit = *args.DownloadLimit
		}
		if args.UploadLimit != nil {
			d.torrents[i].UploadLimit = *args.UploadLimit
		}
		return d.torrents[i], nil
	case "Torrent.SetFiles":
		i, failed := d.resolve(params)
		if failed != nil {
			return nil, failed
		}
		if decodeParams[rpc.TorrentSetFilesArgs](d, params).Skip == "x" {
			return nil, &rpc.Error{Code: rpc.CodeInvalid, Message: `skip: files "x"`, Data: rpc.ErrorData{Kind: rpc.KindInvalid}}
		}
		return d.torrents[i], nil
	case "Daemon.Limits":
		return d.limits, nil
	case "Daemon.SetLimits":
		args := decodeParams[rpc.SetLimitsArgs](d, params)
		if args.Reset {
			d.limits = rpc.Limits{AltMode: rpc.AltOff}
			return d.limits, nil
		}
		if args.DownloadLimit != nil {
			d.limits.DownloadLimit = *args.DownloadLimit
		}
		if args.AltMode != nil {
			d.limits.AltMode = *args.AltMode
		}
		if args.AltSchedule != nil {
			d.limits.AltSchedule = *args.AltSchedule
		}
		d.limits.Changed = true
		return d.limits, nil
	case "Daemon.Version":
		return rpc.Version{Version: "v1.2.3", Revision: "abc", GoVersion: "go1.26", API: 1}, nil
	case "Daemon.Shutdown":
		return rpc.Empty{}, nil
	}
	return nil, &rpc.Error{Code: rpc.CodeMethodNotFound, Message: "no method " + method, Data: rpc.ErrorData{Kind: rpc.KindMethodNotFound}}
}

func decodeParams[T any](d *fakeDaemon, params json.RawMessage) T {
	var args T
	if err := json.Unmarshal(params, &args); err != nil {
		d.t.Errorf("params %s: %v", params, err)
	}
	return args
}

func notFound(message string) *rpc.Error {
	return &rpc.Error{Code: rpc.CodeNotFound, Message: message, Data: rpc.ErrorData{Kind: rpc.KindNotFound}}
}

// resolve finds the index of the torrent that params name.
func (d *fakeDaemon) resolve(params json.RawMessage) (int, *rpc.Error) {
	id := decodeParams[struct{ ID string }](d, params).ID
	var matches []string
	index := -1
	for i, t := range d.torrents {
		if strings.HasPrefix(t.InfoHash, id) {
			matches = append(matches, t.InfoHash)
			index = i
		}
	}
	switch len(matches) {
	case 0:
		return 0, notFound("no torrent " + id)
	case 1:
		return index, nil
	}
	return 0, &rpc.Error{Code: rpc.CodeAmbiguous, Message: "id " + id + " is ambiguous",
		Data: rpc.ErrorData{Kind: rpc.KindAmbiguous, Matches: matches}}
}

// add knows three torrents by their metainfo: "iso" is there already, "bad" is
// no torrent, and everything else is new.
func (d *fakeDaemon) add(params json.RawMessage) (any, *rpc.Error) {
	args := decodeParams[rpc.TorrentAddArgs](d, params)
	switch string(args.Metainfo) {
	case "iso":
		return rpc.TorrentAddReply{Torrent: d.torrents[0], Duplicate: true}, nil
	case "bad":
		return nil, &rpc.Error{Code: rpc.CodeInvalid, Message: "parse metainfo: no info dict", Data: rpc.ErrorData{Kind: rpc.KindInvalid}}
	}
	name := string(args.Metainfo) + args.URL
	t := rpc.Torrent{InfoHash: fmt.Sprintf("%040x", len(d.torrents)), Name: name, State: rpc.StateDownloading, TotalBytes: 100,
		CheckedBytes: -1, ETASeconds: -1, Dir: args.Dir}
	if args.Paused {
		t.State = rpc.StateStopped
	}
	d.torrents = append(d.torrents, t)
	return rpc.TorrentAddReply{Torrent: t}, nil
}

func (d *fakeDaemon) get(params json.RawMessage) (any, *rpc.Error) {
	i, failed := d.resolve(params)
	if failed != nil {
		return nil, failed
	}
	args := decodeParams[rpc.TorrentGetArgs](d, params)
	detail := rpc.TorrentDetail{Torrent: d.torrents[i]}
	if args.Files {
		detail.Files = []rpc.File{{Path: "a/\x1bb", Length: 2048, VerifiedBytes: 1024, Priority: "high"}, {Index: 2, Path: "empty", Priority: "skip"}}
	}
	if args.Peers {
		detail.PeerList = []rpc.Peer{{Address: "10.0.0.1:51413", Client: "Evil\x07 1.0", Direction: "in", Source: "incoming", Transport: "utp", Encryption: "handshake", Progress: 0.5,
			DownloadRate: 2048, Interested: true, PeerChoking: true, PeerInterested: true, Requests: 5}}
	}
	if args.Trackers {
		detail.Trackers = []rpc.Tracker{{URL: "http://t/announce", State: "error", Error: "refused\x1b[0m", Seeders: -1, Leechers: 3}}
	}
	detail.Finding = fakeFinding
	if args.WebSeeds {
		detail.WebSeeds = []rpc.WebSeed{{URL: "http://w/", State: "banned", Error: "sent piece 3 with a wrong hash\x1b[0m", DownloadedBytes: 2048, MissingFiles: 1}}
	}
	if args.Pieces {
		detail.Pieces = []byte{0xFF, 0xF0, 0x00, 0x80, 0x00}
		detail.Availability = []int{2, 0, 1}
	}
	return detail, nil
}

func (d *fakeDaemon) list(args rpc.MessageListArgs) rpc.MessageListReply {
	var reply rpc.MessageListReply
	for _, m := range d.messages {
		if m.Seq <= args.AfterSeq || args.Direction == "in" && m.Outgoing || args.Direction == "out" && !m.Outgoing ||
			args.Peer != "" && m.From != args.Peer && m.To != args.Peer {
			continue
		}
		reply.Messages = append(reply.Messages, m)
	}
	if args.Limit > 0 && len(reply.Messages) > args.Limit {
		reply.Messages = reply.Messages[len(reply.Messages)-args.Limit:]
	}
	return reply
}

// poll holds the lock on entry and on return, but not while it waits.
func (d *fakeDaemon) poll(r *http.Request, args rpc.EventPollArgs) (any, *rpc.Error) {
	if args.Cursor == nil {
		return rpc.EventPollReply{Cursor: uint64(len(d.events))}, nil
	}
	for {
		reply := rpc.EventPollReply{Cursor: uint64(len(d.events))}
		for _, e := range d.events {
			family, _, _ := strings.Cut(e.Type, ".")
			if e.ID > *args.Cursor && (len(args.Types) == 0 || slices.Contains(args.Types, e.Type) || slices.Contains(args.Types, family)) {
				reply.Events = append(reply.Events, e)
			}
		}
		if len(reply.Events) > 0 {
			return reply, nil
		}
		news := d.news
		d.mu.Unlock()
		select {
		case <-news:
		case <-r.Context().Done():
		}
		d.mu.Lock()
		if r.Context().Err() != nil {
			return reply, nil
		}
	}
}

var fakeFinding = []rpc.Finding{{Source: "tracker", Text: "HTTP 502"}, {Source: "dht", Text: "412 nodes"}, {Source: "port", Text: "51767, nobody has called yet"}}
