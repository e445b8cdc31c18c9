package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon answers every request with what respond returns for it.
type daemon struct {
	mu      sync.Mutex
	last    *http.Request
	method  string
	params  string
	respond func(w http.ResponseWriter, id json.RawMessage)
}

func (d *daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || req.Version != "2.0" || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	d.last, d.method, d.params = r, req.Method, string(req.Params)
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	d.respond(w, req.ID)
}

func result(text string) func(http.ResponseWriter, json.RawMessage) {
	return func(w http.ResponseWriter, id json.RawMessage) {
		fmt.Fprintf(w, `{"jsonrpc":"2.0","result":%s,"id":%s}`, text, id)
	}
}

func serve(t *testing.T, d *daemon) *httptest.Server {
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	return srv
}

func dial(t *testing.T, address string, o Options) *Client {
	t.Helper()
	c, err := Dial(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCallResults(t *testing.T) {
	plain := func(status int, kind, body string) func(http.ResponseWriter, json.RawMessage) {
		return func(w http.ResponseWriter, _ json.RawMessage) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	failed := `{"jsonrpc":"2.0","error":{"code":2,"message":"which?","data":{"kind":"ambiguous","matches":["ab"]}},"id":null}`
	tests := []struct {
		name    string
		respond func(http.ResponseWriter, json.RawMessage)
		want    string // type and text of the error; "" for none
	}{
		{"result", result(`{"version":"1"}`), ""},
		{"error", plain(200, "application/json; charset=utf-8", failed), "*rpc.Error which? (ambiguous)"},
		{"error with another status", plain(503, "application/json", failed), "*rpc.Error which? (ambiguous)"},
		{"401", plain(401, "application/json", failed), "*rpc.DeniedError access denied by the daemon at HERE: which?"},
		{"403 of a proxy", plain(403, "text/html", "<h1>No</h1>"), "*rpc.DeniedError access denied by the daemon at HERE: 403 Forbidden"},
		{"a web page", plain(200, "text/html", "<h1>Hello</h1>"), `does not speak lorrent's RPC: HTTP 200 OK, 14 bytes of "text/html"`},
		{"404", plain(404, "text/plain", "404 page not found"), "HTTP 404 Not Found"},
		{"redirect", func(w http.ResponseWriter, _ json.RawMessage) {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "HTTP 307"},
		{"not JSON", plain(200, "application/json", "{"), "does not speak"},
		{"other JSON", plain(200, "application/json", `{"ok":true}`), "does not speak"},
		{"another id", plain(200, "application/json", `{"jsonrpc":"2.0","result":{},"id":99}`), "answered request 99 instead of 1"},
		{"neither", plain(200, "application/json", `{"jsonrpc":"2.0","id":1}`), "neither result nor error"},
		{"result of another type", result(`{"version":17}`), "decode result"},
		{"cut off", func(w http.ResponseWriter, _ json.RawMessage) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
		}, "*rpc.UnreachableError reach daemon at HERE: unexpected EOF"},
		{"hung up", func(http.ResponseWriter, json.RawMessage) { panic(http.ErrAbortHandler) }, "*rpc.UnreachableError reach daemon at HERE: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, &daemon{respond: tt.respond})
			c := dial(t, srv.URL, Options{})
			version, err := c.DaemonVersion(t.Context(), Empty{})
			if tt.want == "" {
				if err != nil || version.Version != "1" {
					t.Errorf("got %+v %v", version, err)
				}
				return
			}
			got := fmt.Sprintf("%T %v", err, err)
			if want := strings.ReplaceAll(tt.want, "HERE", srv.URL); !strings.Contains(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			var e *Error
			if errors.As(err, &e) && (e.Code != CodeAmbiguous || e.Data.Matches[0] != "ab") {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	dir := t.TempDir()
	dead, err := net.Listen("unix", dir+"/dead")
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close()
	for address, says := range map[string]string{
		"unix:" + dir + "/none": "no such file", "unix:" + dir + "/dead": "refused", tcp.Addr().String(): "refused",
	} {
		c := dial(t, address, Options{})
		_, err := c.DaemonVersion(t.Context(), Empty{})
		var gone *UnreachableError
		if !errors.As(err, &gone) || gone.Address != address || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "localhost") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestSocketForbidden is about a user outside the socket's group; root, who
// may run this, is kept out of nothing.
func TestSocketForbidden(t *testing.T) {
	c := dial(t, "unix:/x", Options{})
	cause := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}
	var denied *DeniedError
	if err := c.transportError(t.Context(), cause); !errors.As(err, &denied) || denied.Status != 0 || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v", err)
	}
}

func TestPatience(t *testing.T) {
	hang := make(chan struct{})
	srv := serve(t, &daemon{respond: func(http.ResponseWriter, json.RawMessage) { <-hang }})
	defer close(hang)
	c := dial(t, srv.URL, Options{HTTPTimeout: 50 * time.Millisecond})
	if _, err := c.DaemonVersion(t.Context(), Empty{}); err != context.DeadlineExceeded {
		t.Errorf("own limit: %v", err)
	}
	c = dial(t, srv.URL, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.DaemonVersion(ctx, Empty{}); err != context.DeadlineExceeded {
		t.Errorf("the caller's limit: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.DaemonVersion(ctx, Empty{}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestToken looks for the token where it belongs, and nowhere else.
func TestToken(t *testing.T) {
	d := &daemon{respond: result("{}")}
	srv := serve(t, d)
	c := dial(t, srv.URL, Options{Token: " secret\n"})
	if _, err := c.DaemonVersion(t.Context(), Empty{}); err != nil || d.last.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("got %q %v", d.last.Header.Get("Authorization"), err)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	onSocket := httptest.NewUnstartedServer(d)
	onSocket.Listener.Close()
	onSocket.Listener = l
	onSocket.Start()
	defer onSocket.Close()
	c = dial(t, "unix:"+path, Options{Token: "secret"})
	if _, err := c.DaemonVersion(t.Context(), Empty{}); err != nil || d.last.Header.Get("Authorization") != "" || d.last.URL.Path != Path {
		t.Errorf("got %q %s %v", d.last.Header.Get("Authorization"), d.last.URL, err)
	}
	c.Close()
	if _, err := Dial("x:1", Options{Token: "a\nb"}); err == nil || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("a broken token: %v", err)
	}
}

// TestCalls goes through every typed call by reflection: Client.TorrentAdd
// must call Torrent.Add and pass its arguments on.
func TestCalls(t *testing.T) {
	d := &daemon{respond: result("{}")}
	c := dial(t, serve(t, d).URL, Options{})
	calls := 0
	for i := range reflect.TypeOf(c).NumMethod() {
		m := reflect.TypeOf(c).Method(i)
		if m.Type.NumIn() != 3 || m.Type.NumOut() != 2 {
			continue
		}
		calls++
		args := reflect.New(m.Type.In(2)).Elem()
		for _, name := range []string{"ID", "To", "URL", "Peer", "Who", "Nick", "Name", "Link"} {
			if field := reflect.Indirect(args).FieldByName(name); field.IsValid() {
				field.SetString("here")
			}
		}
		out := m.Func.Call([]reflect.Value{reflect.ValueOf(c), reflect.ValueOf(t.Context()), args})
		if err := out[1].Interface(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		params, err := json.Marshal(args.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Replace(d.method, ".", "", 1) != m.Name || d.params != string(params) {
			t.Errorf("%s calls %s with %s, want %s", m.Name, d.method, d.params, params)
		}
	}
	if calls != 34 {
		t.Errorf("%d calls", calls)
	}
}
