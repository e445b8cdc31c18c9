package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine does what its fields say. It stands in for the real engine where
// that cannot be made to fail, block or panic at will.
type fakeEngine struct {
	mu     sync.Mutex
	list   []torrent.Status
	detail torrent.Detail
	stats  torrent.Stats
	speed  torrent.Speed
	err    error                       // of every method that returns one
	block  func(context.Context) error // called by Start
	added  []torrent.AddOptions
	data   []byte // of the last Add
	called []string
}

var testHash = metainfo.Hash{0xab, 0xcd, 0xef}

func (e *fakeEngine) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.called = append(e.called, fmt.Sprintf(format, args...))
}

func (e *fakeEngine) calls() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.called, ", ")
}

func (e *fakeEngine) Add(_ context.Context, data []byte, o torrent.AddOptions) (torrent.Status, bool, error) {
	e.note("Add")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.added, e.data = append(e.added, o), data
	return torrent.Status{InfoHash: testHash, Name: "added", State: torrent.Downloading, Dir: o.Dir}, false, e.err
}
func (e *fakeEngine) AddMagnet(_ context.Context, uri string, o torrent.AddOptions) (torrent.Status, bool, error) {
	e.note("AddMagnet")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.added, e.data = append(e.added, o), []byte(uri)
	return torrent.Status{InfoHash: testHash, Name: "added", State: torrent.Metadata, Dir: o.Dir}, false, e.err
}
func (e *fakeEngine) List() []torrent.Status { return e.list }
func (e *fakeEngine) Get(_ context.Context, h metainfo.Hash) (torrent.Detail, error) {
	return e.detail, e.err
}
func (e *fakeEngine) Resolve(prefix string) (metainfo.Hash, error) {
	if strings.HasPrefix(testHash.String(), prefix) {
		return testHash, nil
	}
	return metainfo.Hash{}, fmt.Errorf("%w: %q", torrent.ErrNotFound, prefix)
}
func (e *fakeEngine) Start(ctx context.Context, h metainfo.Hash) error {
	e.note("Start")
	if e.block != nil {
		return e.block(ctx)
	}
	return e.err
}
func (e *fakeEngine) Stop(context.Context, metainfo.Hash) error {
	e.note("Stop")
	return e.err
}
func (e *fakeEngine) Recheck(context.Context, metainfo.Hash) error {
	e.note("Recheck")
	return e.err
}
func (e *fakeEngine) Reannounce(context.Context, metainfo.Hash) error {
	e.note("Reannounce")
	return e.err
}
func (e *fakeEngine) Remove(_ context.Context, _ metainfo.Hash, data bool) error {
	e.note("Remove %v", data)
	return e.err
}
func (e *fakeEngine) Stats() torrent.Stats { return e.stats }
func (e *fakeEngine) SetLimits(_ context.Context, h metainfo.Hash, download, upload *int64) (torrent.Status, error) {
	s := torrent.Status{InfoHash: h}
	set(&s.Limits.Download, download)
	set(&s.Limits.Upload, upload)
	return s, e.err
}
func (e *fakeEngine) SetFiles(_ context.Context, h metainfo.Hash, change torrent.FileChange) (torrent.Status, error) {
	e.note("SetFiles %+v", change)
	return torrent.Status{InfoHash: h, WantedBytes: 5, WantedVerifiedBytes: 3}, e.err
}
func (e *fakeEngine) Speed(context.Context) (torrent.SpeedStatus, error) {
	return torrent.SpeedStatus{Speed: e.speed}, e.err
}
func (e *fakeEngine) SetSpeed(ctx context.Context, change func(*torrent.Speed)) (torrent.SpeedStatus, error) {
	change(&e.speed)
	return torrent.SpeedStatus{Speed: e.speed, Changed: true}, e.err
}
func (e *fakeEngine) ResetSpeed(context.Context) (torrent.SpeedStatus, error) {
	e.speed = torrent.Speed{}
	return torrent.SpeedStatus{}, e.err
}

// fakeLoRa keeps messages in memory.
type fakeLoRa struct {
	Chat     // nil: real_test.go has the real one
	mu       sync.Mutex
	messages []storage.Message
	queries  []storage.MessageQuery
	err      error
	status   lora.Status
	nodes    []lora.Node
}

func (f *fakeLoRa) Resolve(who string) (lora.Target, error) {
	id, err := lora.ParseNodeID(who)
	if err != nil {
		return lora.Target{}, fmt.Errorf("%w: %w", lora.ErrAddress, err)
	}
	return lora.Target{Node: id}, nil
}
func (f *fakeLoRa) Nick(uint32) string           { return "" }
func (f *fakeLoRa) ChannelName(id string) string { return id }

func (f *fakeLoRa) Send(_ context.Context, to lora.Target, text string) (storage.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return storage.Message{}, f.err
	}
	m := storage.Message{Seq: uint64(len(f.messages) + 1), ID: fmt.Sprintf("%016x", len(f.messages)), From: 7, To: to.Node, Text: text, Outgoing: true, State: "queued"}
	f.messages = append(f.messages, m)
	return m, nil
}

func (f *fakeLoRa) Messages(q storage.MessageQuery) ([]storage.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, q)
	var page []storage.Message
	for _, m := range f.messages {
		if m.Seq > q.AfterSeq && (q.BeforeSeq == 0 || m.Seq < q.BeforeSeq) {
			page = append(page, m)
		}
	}
	return page[max(0, len(page)-q.Limit):], f.err
}
func (f *fakeLoRa) Message(id string) (storage.Message, error) {
	for _, m := range f.messages {
		if m.ID == id {
			return m, f.err
		}
	}
	return storage.Message{}, fmt.Errorf("read message: %w", storage.ErrNotFound)
}
func (f *fakeLoRa) Status() lora.Status { return f.status }
func (f *fakeLoRa) Nodes() []lora.Node  { return f.nodes }

// fixture is a server on a unix socket and on TCP.
type fixture struct {
	*Server
	engine *fakeEngine
	lora   *fakeLoRa
	events *event.Ring
	socket string // path
	tcp    string // host:port
	token  string
	log    *syncBuffer
	stop   func() // ends Run and waits for it
}

// start runs a server; change may edit its configuration and limits.
func start(t *testing.T, change func(*Config, *limits)) *fixture {
	t.Helper()
	f := &fixture{engine: &fakeEngine{}, lora: &fakeLoRa{}, events: event.New(16), log: &syncBuffer{}}
	dir := t.TempDir()
	f.socket = filepath.Join(dir, "s", "rpc.sock")
	cfg := Config{
		Engine: f.engine, LoRa: f.lora, Events: f.events,
		Listen:       []string{"unix:" + f.socket, "127.0.0.1:0"},
		TokenFile:    filepath.Join(dir, "token"),
		AllowedHosts: []string{"box.example"},
		Log:          zerolog.New(f.log),
	}
	limits := defaultLimits()
	limits.drainTimeout = 2 * time.Second
	if change != nil {
		change(&cfg, &limits)
	}
	var err error
	if f.Server, err = newServer(cfg, limits); err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	f.tcp = f.Addrs()[1]
	token, err := os.ReadFile(cfg.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	f.token = strings.TrimSpace(string(token))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(f.stop)
	return f
}

// client returns a client of package rpc, on the socket.
func (f *fixture) client(t *testing.T) *rpc.Client {
	return dial(t, "unix:"+f.socket, "")
}

func dial(t *testing.T, address, token string) *rpc.Client {
	t.Helper()
	c, err := rpc.Dial(address, rpc.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// request sends an HTTP request to the socket (or, with url, anywhere) and
// returns status, header and body.
func (f *fixture) request(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	if req.URL.Host == "socket" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", f.socket)
		}
	}
	resp, err := transport.RoundTrip(req)
	for tries := 0; errors.Is(err, syscall.EPIPE) && tries < 20; tries++ { // refused before it was all written
		if req.Body, err = req.GetBody(); err == nil {
			resp, err = transport.RoundTrip(req)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// post makes a well-formed POST to the socket.
func post(t *testing.T, body string) *http.Request {
	return postTo(t, "http://socket/rpc", strings.NewReader(body))
}

func postTo(t *testing.T, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

// wantError checks the code and kind of an error from the client.
func wantError(t *testing.T, err error, code int, says string) {
	t.Helper()
	var e *rpc.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want one with code %d", err, code)
	}
	if e.Code != code || e.Data.Kind != kinds[code] || !strings.Contains(e.Message, says) {
		t.Errorf("got %d %q %q, want %d %q saying %q", e.Code, e.Data.Kind, e.Message, code, kinds[code], says)
	}
}

// replyError takes code, kind and id from a JSON-RPC error.
func replyError(t *testing.T, body string) (code int, kind, message, id string) {
	t.Helper()
	var a struct {
		Version string          `json:"jsonrpc"`
		Error   rpc.Error       `json:"error"`
		ID      json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil || a.Version != "2.0" {
		t.Fatalf("no JSON-RPC answer: %q (%v)", body, err)
	}
	return a.Error.Code, a.Error.Data.Kind, a.Error.Message, string(a.ID)
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
