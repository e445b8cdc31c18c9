package server

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gorilla "github.com/gorilla/rpc/v2"
	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/rpc"
)

// TestBrokenBodies sends what a careless or hostile client may send.
func TestBrokenBodies(t *testing.T) {
	f := start(t, nil)
	f.engine.block = func(context.Context) error { panic("boom") }
	f.engine.detail.Peers = []torrent.PeerStatus{{}}
	call := func(method, params string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":` + params + `}`
	}
	tests := []struct {
		name string
		body string
		code int
		id   string
		says string
	}{
		{"empty", "", rpc.CodeParse, "null", "not valid JSON"},
		{"not JSON", "hello", rpc.CodeParse, "null", "at byte 1"},
		{"truncated", `{"jsonrpc":"2.0","id":7,"meth`, rpc.CodeParse, "null", "unexpected end"},
		{"trailing data", call("Daemon.Version", "{}") + "x", rpc.CodeParse, "null", "at byte"},
		{"two values", "{} {}", rpc.CodeParse, "null", "at byte"},
		{"nested too deep", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), rpc.CodeParse, "null", "depth"},
		{"a number", "17", rpc.CodeInvalidRequest, "null", "object"},
		{"null", "null", rpc.CodeInvalidRequest, "null", "object"},
		{"no version", `{"id":7,"method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "7", "jsonrpc"},
		{"wrong version", `{"jsonrpc":"1.0","id":7,"method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "7", "jsonrpc"},
		{"version as number", `{"jsonrpc":2.0,"id":7,"method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "7", "jsonrpc"},
		{"wrong case of a member", `{"jsonrpc":"2.0","id":7,"Method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "7", "method"},
		{"no method", `{"jsonrpc":"2.0","id":7}`, rpc.CodeInvalidRequest, "7", "method"},
		{"method as number", `{"jsonrpc":"2.0","id":7,"method":1}`, rpc.CodeInvalidRequest, "7", "method"},
		{"id as object", `{"jsonrpc":"2.0","id":{},"method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "null", "id:"},
		{"id as bool", `{"jsonrpc":"2.0","id":true,"method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "null", "id:"},
		{"long id", `{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 2000) + `","method":"Daemon.Version"}`, rpc.CodeInvalidRequest, "null", "id:"},
		{"unknown method", call("Torrent.Eat", "{}"), rpc.CodeMethodNotFound, "7", `"Torrent.Eat"`},
		{"unknown service", call("Cake.Eat", "{}"), rpc.CodeMethodNotFound, "7", "Cake.Eat"},
		{"no dot", call("version", "{}"), rpc.CodeMethodNotFound, "7", "version"},
		{"two dots", call("Daemon.Version.x", "{}"), rpc.CodeMethodNotFound, "7", ""},
		{"lower case", call("daemon.version", "{}"), rpc.CodeMethodNotFound, "7", ""},
		{"Go name of discover", call("rpc.Discover", "{}"), rpc.CodeMethodNotFound, "7", ""},
		{"long method", call(strings.Repeat("x", 100_000), "{}"), rpc.CodeMethodNotFound, "7", "…"},
		{"params as string", call("Torrent.Get", `"x"`), rpc.CodeInvalidParams, "7", "object"},
		{"params null", call("Torrent.Get", `null`), rpc.CodeInvalidParams, "7", "object"},
		{"two positional params", call("Torrent.Get", `[{"id":"a"},{}]`), rpc.CodeInvalidParams, "7", "by name"},
		{"positional string", call("Torrent.Get", `["a"]`), rpc.CodeInvalidParams, "7", "object"},
		{"unknown field", call("Torrent.Get", `{"id":"a","cake":1}`), rpc.CodeInvalidParams, "7", "cake: no such parameter; there are files, id,"},
		{"unknown field of none", call("Torrent.List", `{"cake":1}`), rpc.CodeInvalidParams, "7", "takes none"},
		{"wrong case of a field", call("Torrent.Get", `{"ID":"a"}`), rpc.CodeInvalidParams, "7", "ID:"},
		{"field twice", call("Torrent.Get", `{"id":"a","id":"b"}`), rpc.CodeInvalidParams, "7", "id: given twice"},
		{"wrong type", call("Torrent.Get", `{"id":17}`), rpc.CodeInvalidParams, "7", "id: want a string, not number"},
		{"bool as string", call("Torrent.Get", `{"id":"a","files":"yes"}`), rpc.CodeInvalidParams, "7", "files: want true or false"},
		{"fraction as integer", call("Message.List", `{"limit":1.5}`), rpc.CodeInvalidParams, "7", "limit: want an integer"},
		{"negative cursor", call("Event.Poll", `{"cursor":-1}`), rpc.CodeInvalidParams, "7", "cursor: want an integer from 0"},
		{"number beyond floats", call("Event.Poll", `{"timeoutSeconds":1e999}`), rpc.CodeInvalidParams, "7", "timeoutSeconds: want a number"},
		{"bad base64", call("Torrent.Add", `{"metainfo":"%%%"}`), rpc.CodeInvalidParams, "7", "metainfo: illegal base64"},
		{"list of wrong type", call("Event.Poll", `{"types":[1]}`), rpc.CodeInvalidParams, "7", "types: want an array of which each is a string"},
		{"panic", call("Torrent.Start", `{"id":"ab"}`), rpc.CodeInternal, "7", "Torrent.Start failed inside the daemon"},
		{"empty batch", "[]", rpc.CodeInvalidRequest, "null", "1 to 50"},
		{"batch of 51", "[" + strings.Repeat("1,", 50) + "1]", rpc.CodeInvalidRequest, "null", "not 51"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := f.request(t, post(t, tt.body))
			code, kind, message, id := replyError(t, body)
			if status != http.StatusOK || header.Get("Content-Type") != "application/json" {
				t.Errorf("HTTP %d %s", status, header.Get("Content-Type"))
			}
			if code != tt.code || kind != kinds[tt.code] || id != tt.id || !strings.Contains(message, tt.says) {
				t.Errorf("got %d %s %q id %s, want %d id %s saying %q", code, kind, message, id, tt.code, tt.id, tt.says)
			}
			if header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no X-Content-Type-Options")
			}
		})
	}
	if log := f.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "front_test.go") {
		t.Error("the log has no stack of the panic")
	}
}

func TestIDsComeBackAsTheyCame(t *testing.T) {
	f := start(t, nil)
	for _, id := range []string{`"a"`, `""`, "0", "-1", "1.5", "1e400", "123456789012345678901234567890", "null", `"\u00e9 \"x\""`} {
		t.Run(id, func(t *testing.T) {
			_, _, body := f.request(t, post(t, `{"jsonrpc":"2.0","id":`+id+`,"method":"Torrent.List"}`))
			if want := `{"jsonrpc":"2.0","result":{"torrents":[]},"id":` + id + `}`; body != want {
				t.Errorf("got %s, want %s", body, want)
			}
			_, _, body = f.request(t, post(t, `{"jsonrpc":"2.0","id":`+id+`,"method":"Torrent.Get"}`))
			if code, _, _, got := replyError(t, body); code != rpc.CodeInvalidParams || got != id {
				t.Errorf("error has code %d, id %s", code, got)
			}
		})
	}
}

func TestPositionalObject(t *testing.T) {
	f := start(t, nil)
	for _, params := range []string{`[{"id":"abcd"}]`, `{"id":"abcd"}`, ` [ { "id" : "abcd" } ] `} {
		_, _, body := f.request(t, post(t, `{"jsonrpc":"2.0","id":1,"method":"Torrent.Stop","params":`+params+`}`))
		if body != `{"jsonrpc":"2.0","result":{},"id":1}` {
			t.Errorf("%s: %s", params, body)
		}
	}
	_, _, body := f.request(t, post(t, `{"jsonrpc":"2.0","id":1,"method":"Torrent.List","params":[]}`))
	if body != `{"jsonrpc":"2.0","result":{"torrents":[]},"id":1}` {
		t.Errorf("[]: %s", body)
	}
}

func TestBatch(t *testing.T) {
	f := start(t, nil)
	_, _, body := f.request(t, post(t, ` [
		{"jsonrpc":"2.0","id":1,"method":"Torrent.List"},
		{"jsonrpc":"2.0","method":"Torrent.Stop","params":{"id":"ab"}},
		{"jsonrpc":"2.0","method":"No.Such"},
		17,
		{"jsonrpc":"2.0","id":"x","method":"No.Such"},
		{"jsonrpc":"2.0","id":null,"method":"Torrent.Recheck","params":{"id":"ab"}}
	]`))
	var replies []struct {
		ID    json.RawMessage
		Error *rpc.Error
	}
	if err := json.Unmarshal([]byte(body), &replies); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	want := []struct {
		id   string
		code int
	}{{"1", 0}, {"null", rpc.CodeInvalidRequest}, {`"x"`, rpc.CodeMethodNotFound}, {"null", 0}}
	if len(replies) != len(want) {
		t.Fatalf("%d replies, want %d: %s", len(replies), len(want), body)
	}
	for i, w := range want {
		code := 0
		if replies[i].Error != nil {
			code = replies[i].Error.Code
		}
		if string(replies[i].ID) != w.id || code != w.code {
			t.Errorf("reply %d has id %s and code %d, want %s and %d", i, replies[i].ID, code, w.id, w.code)
		}
	}
	if got := f.engine.calls(); got != "Stop, Recheck" {
		t.Errorf("engine saw %q", got)
	}
	many := strings.TrimSuffix(strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"Torrent.List"},`, 50), ",")
	if _, _, body := f.request(t, post(t, "["+many+"]")); strings.Count(body, `"result"`) != 50 {
		t.Errorf("batch of 50: %.200s", body)
	}
}

func TestNotifications(t *testing.T) {
	f := start(t, nil)
	for _, body := range []string{
		`{"jsonrpc":"2.0","method":"Torrent.Stop","params":{"id":"ab"}}`,
		`{"jsonrpc":"2.0","method":"Torrent.Stop","params":{"cake":"ab"}}`,
		`[{"jsonrpc":"2.0","method":"Torrent.Stop","params":{"id":"ab"}},{"jsonrpc":"2.0","method":"No.Such"}]`,
	} {
		if status, _, got := f.request(t, post(t, body)); status != http.StatusNoContent || got != "" {
			t.Errorf("%s: HTTP %d %q", body, status, got)
		}
	}
	if got := f.engine.calls(); got != "Stop, Stop" {
		t.Errorf("engine saw %q", got)
	}
}

// TestUnencodableResult has a handler return what JSON cannot say; adapters
// replace such numbers, so this goes to the front itself.
func TestUnencodableResult(t *testing.T) {
	f := newFront(t, &fakeEngine{})
	if err := f.rpc.RegisterService(&nanService{}, "Nan"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "null"} {
		reply := f.answer(post(t, ""), []byte(`{"jsonrpc":"2.0","id":`+id+`,"method":"Nan.Get"}`))
		if code, _, _, got := replyError(t, string(reply)); code != rpc.CodeInternal || got != id {
			t.Errorf("code %d id %s", code, got)
		}
	}
}

type nanService struct{}

func (*nanService) Get(_ *http.Request, _ *rpc.Empty, reply *rpc.LoRaStatus) error {
	reply.AirtimeUsedSeconds = math.NaN()
	return nil
}

func newFront(t testing.TB, engine Engine) *front {
	t.Helper()
	f := &front{rpc: gorilla.NewServer(), maxBatch: 50, log: zerolog.Nop()}
	f.rpc.RegisterCodec(newCodec(f.log), "application/json")
	l := defaultLimits()
	l.maxPoll = 0
	for name, s := range services(Config{Engine: engine, LoRa: &fakeLoRa{}, Events: event.New(4)}, l) {
		if err := f.rpc.RegisterService(s, name); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// FuzzFront wants a JSON-RPC answer, or none, to whatever comes.
func FuzzFront(f *testing.F) {
	for _, seed := range []string{
		"", "[]", "{}", "null", "[1,2]", `"x"`, "\xff", `{"jsonrpc":"2.0","id":1,"method":"Torrent.List"}`,
		`{"jsonrpc":"2.0","id":null,"method":"Torrent.Get","params":{"id":"ab","files":true}}`,
		`{"jsonrpc":"2.0","method":"Message.Send","params":[{"to":"all","text":"hi"}]}`,
		`{"jsonrpc":"2.0","id":"\ud800","method":"Event.Poll","params":{"cursor":0,"types":["torrent"]}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"Daemon.Status"},{"jsonrpc":"2.0","id":1e9,"method":"rpc.discover"}]`,
		`{"jsonrpc":"2.0","id":1,"method":"Torrent.Add","params":{"metainfo":"ZDg=","dir":"/tmp"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"Torrent.Start","params":{"id":""}}`,
	} {
		f.Add([]byte(seed))
	}
	front := newFront(f, &fakeEngine{})
	f.Fuzz(func(t *testing.T, body []byte) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // whatever URL comes up, nobody is to be asked for it
		reply := front.answer(httptest.NewRequestWithContext(ctx, http.MethodPost, "/rpc", nil), body)
		if reply == nil {
			return
		}
		if !json.Valid(reply) || reply[0] != '{' && reply[0] != '[' {
			t.Errorf("%q answered by %q", body, reply)
		}
	})
}
