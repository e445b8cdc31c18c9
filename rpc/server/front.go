package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	gorilla "github.com/gorilla/rpc/v2"
	"github.com/rs/zerolog"

	"lorrent/rpc"
)

// front makes gorilla/rpc a JSON-RPC 2.0 server. gorilla finds the method and
// calls it; batches, notifications, null ids, unknown methods, broken
// requests and panics are handled here.
type front struct {
	rpc      *gorilla.Server
	maxBatch int
	log      zerolog.Logger
}

// call is one well-formed request.
type call struct {
	id     json.RawMessage // string, number or null; nil for a notification
	method string
	params json.RawMessage // nil when absent
}

var nullID = json.RawMessage("null")

// maxID bounds an id, which is sent back as it came.
const maxID = 1024

// answer carries out the call or batch in body, in order, and returns the
// JSON to send back; nil when there was nothing but notifications.
func (f *front) answer(r *http.Request, body []byte) []byte {
	body = bytes.Trim(body, " \t\r\n")
	if !json.Valid(body) {
		return errorReply(nullID, failure(rpc.CodeParse, "the body is not valid JSON: %s", syntaxError(body)))
	}
	if body[0] != '[' {
		return f.one(r, body)
	}
	var batch []json.RawMessage
	if err := json.Unmarshal(body, &batch); err != nil {
		return errorReply(nullID, failure(rpc.CodeParse, "decode batch: %v", err))
	}
	if len(batch) == 0 || len(batch) > f.maxBatch {
		return errorReply(nullID, failure(rpc.CodeInvalidRequest, "a batch has 1 to %d calls, not %d", f.maxBatch, len(batch)))
	}
	var replies [][]byte
	for _, raw := range batch {
		if reply := f.one(r, raw); reply != nil {
			replies = append(replies, reply)
		}
	}
	if replies == nil {
		return nil
	}
	return append(append([]byte{'['}, bytes.Join(replies, []byte{','})...), ']')
}

// one carries out a single request.
func (f *front) one(r *http.Request, raw json.RawMessage) []byte {
	c, err := parseCall(raw)
	if err != nil {
		return errorReply(c.id, err)
	}
	started := time.Now()
	reply := f.dispatch(r, c)
	f.log.Debug().Str("method", clip(c.method, 64)).Str("client", clientOf(r).name).
		Dur("took", time.Since(started)).Int("bytes", len(reply)).Msg("rpc call")
	if c.id == nil {
		return nil
	}
	return reply
}

// parseCall checks what the specification says about a request object. With
// an error, the call's id is what the answer shall carry.
func parseCall(raw json.RawMessage) (call, *rpc.Error) {
	c := call{id: nullID}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return c, failure(rpc.CodeInvalidRequest, "a call is a JSON object")
	}
	id, hasID := members["id"]
	if hasID && !validID(id) {
		return c, failure(rpc.CodeInvalidRequest, "id: want a string, a number or null of at most %d bytes", maxID)
	}
	if hasID {
		c.id = id
	}
	var version string
	if err := json.Unmarshal(members["jsonrpc"], &version); err != nil || version != "2.0" {
		return c, failure(rpc.CodeInvalidRequest, `jsonrpc: want "2.0"`)
	}
	if err := json.Unmarshal(members["method"], &c.method); err != nil || c.method == "" {
		return c, failure(rpc.CodeInvalidRequest, "method: want a name")
	}
	c.params = members["params"]
	if !hasID {
		c.id = nil
	}
	return c, nil
}

// validID looks at the first byte, which says the type of a JSON value.
func validID(id json.RawMessage) bool {
	if len(id) > maxID {
		return false
	}
	switch id[0] {
	case '{', '[', 't', 'f':
		return false
	}
	return true
}

// dispatch calls the method through gorilla/rpc. The arguments travel in the
// context, to be decoded by our codec.
func (f *front) dispatch(r *http.Request, c call) (reply []byte) {
	id := c.id
	if id == nil {
		id = nullID
	}
	defer func() {
		if p := recover(); p != nil {
			f.log.Error().Str("method", c.method).Interface("panic", fmt.Sprint(p)).
				Bytes("stack", debug.Stack()).Msg("rpc handler panicked")
			reply = errorReply(id, failure(rpc.CodeInternal, "%s failed inside the daemon; its log says more", c.method))
		}
	}()
	name := c.method
	switch {
	case name == discoverMethod:
		name = "rpc.Discover" // gorilla wants the exported Go name
	case strings.HasPrefix(name, "rpc."):
		name = ""
	}
	if !f.rpc.HasMethod(name) {
		return errorReply(id, failure(rpc.CodeMethodNotFound, "there is no method %q", clip(c.method, 100)))
	}
	// gorilla neither answers null ids nor tells them from absent ones: it
	// gets a number, and the answer its null back.
	asked := id
	if bytes.Equal(id, nullID) {
		asked = json.RawMessage("0")
	}
	envelope, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": name, "id": asked})
	if err != nil {
		return errorReply(id, failure(rpc.CodeInternal, "encode request: %v", err))
	}
	inner := r.WithContext(context.WithValue(r.Context(), paramsKey{}, c.params))
	inner.Header = http.Header{"Content-Type": {"application/json"}}
	inner.Body = io.NopCloser(bytes.NewReader(envelope))
	var out recorder
	f.rpc.ServeHTTP(&out, inner)
	if out.status != 0 { // it could not encode the result
		f.log.Error().Str("method", c.method).Int("status", out.status).Msg("rpc: " + strings.TrimSpace(out.body.String()))
		return errorReply(id, failure(rpc.CodeInternal, "the result of %s cannot be written as JSON", c.method))
	}
	reply = bytes.TrimSpace(out.body.Bytes())
	if bytes.Equal(id, nullID) {
		return withNullID(reply)
	}
	return reply
}

// answerObject is a JSON-RPC response.
type answerObject struct {
	Version string          `json:"jsonrpc"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
	ID      json.RawMessage `json:"id"`
}

func withNullID(reply []byte) []byte {
	var a answerObject
	if err := json.Unmarshal(reply, &a); err != nil {
		return errorReply(nullID, failure(rpc.CodeInternal, "encode answer: %v", err))
	}
	a.ID = nullID
	return mustMarshal(a)
}

func errorReply(id json.RawMessage, err *rpc.Error) []byte {
	return mustMarshal(answerObject{Version: "2.0", Error: mustMarshal(err), ID: id})
}

// mustMarshal encodes values that cannot fail: strings, numbers and JSON that
// was valid when it came in.
func mustMarshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("encode json-rpc answer: " + err.Error())
	}
	return data
}

// syntaxError says where JSON goes wrong.
func syntaxError(body []byte) string {
	var v any
	err := json.Unmarshal(body, &v)
	if syntax, ok := err.(*json.SyntaxError); ok {
		return fmt.Sprintf("%v at byte %d", syntax, syntax.Offset)
	}
	return "it cannot be read"
}

// recorder is a ResponseWriter in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }
