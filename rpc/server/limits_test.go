package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

// halfRequests opens connections with half a request in each: the even ones
// lack the end of the headers, the odd ones that of the body.
func halfRequests(t *testing.T, f *fixture) (slow []net.Conn) {
	t.Helper()
	for range 5 {
		for _, text := range []string{"POST /rpc HT", "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"} {
			c, err := net.Dial("unix", f.socket)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			io.WriteString(c, text)
			slow = append(slow, c)
		}
	}
	return slow
}

// TestSlowClientsHoldUpNobody has patience without end with those who send
// half a request: another is answered all the same.
func TestSlowClientsHoldUpNobody(t *testing.T) {
	f := start(t, func(_ *Config, l *limits) { l.headerTimeout, l.readTimeout = time.Hour, time.Hour })
	halfRequests(t, f)
	if _, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Error(err)
	}
}

// TestSlowClientsAreCutOff waits for the end of those who send half a request.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *Config, l *limits) { l.headerTimeout, l.readTimeout = 2*time.Second, 3*time.Second })
	for i, c := range halfRequests(t, f) {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		answer, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("client %d was not cut off: %v", i, err)
		}
		if i%2 == 1 && !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
			t.Errorf("client %d got %.60q", i, answer)
		}
	}
}

// TestConnectionLimit opens more connections than there are places: the
// next is served once one is given back.
func TestConnectionLimit(t *testing.T) {
	f := start(t, func(_ *Config, l *limits) { l.maxConns = 2 })
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("unix", f.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := f.client(t).DaemonVersion(ctx, rpc.Empty{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third connection got %v", err)
	}
	held[0].Close()
	if _, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
}

// TestCallLimit keeps every place busy.
func TestCallLimit(t *testing.T) {
	f := start(t, func(_ *Config, l *limits) { l.maxCalls = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	f.engine.block = func(context.Context) error { close(entered); <-leave; return nil }
	done := make(chan error, 1)
	go func() {
		_, err := f.client(t).TorrentStart(t.Context(), rpc.TorrentArgs{ID: "ab"})
		done <- err
	}()
	<-entered
	_, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{})
	wantError(t, err, rpc.CodeBusy, "1 requests")
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Error(err)
	}
}

// TestLargeBodyLimit has one client be slow with a large body, and another
// come with one.
func TestLargeBodyLimit(t *testing.T) {
	f := start(t, func(_ *Config, l *limits) { l.maxLarge, l.smallBody = 1, 100 })
	large := strings.Repeat(" ", 200) + versionCall
	slow := &slowReader{text: strings.NewReader(large), reading: make(chan struct{}), rest: make(chan struct{})}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rpc", slow)
	req = req.WithContext(context.WithValue(req.Context(), clientKey{}, client{socket: true, stopping: t.Context()}))
	req.Header.Set("Content-Type", "application/json")
	answer, done := httptest.NewRecorder(), make(chan struct{})
	go func() { defer close(done); f.handler.ServeHTTP(answer, req) }()
	<-slow.reading
	status, _, text := f.request(t, post(t, large))
	if code, _, _, _ := replyError(t, text); status != http.StatusServiceUnavailable || code != rpc.CodeBusy {
		t.Errorf("HTTP %d, code %d", status, code)
	}
	if status, _, _ := f.request(t, post(t, versionCall)); status != 200 {
		t.Errorf("a small body got HTTP %d", status)
	}
	close(slow.rest)
	<-done
	if answer.Code != 200 {
		t.Errorf("the slow one got HTTP %d", answer.Code)
	}
	if status, _, _ := f.request(t, post(t, large)); status != 200 {
		t.Errorf("the place was not given back: HTTP %d", status)
	}
}

// slowReader gives its text, says that more is wanted, and ends when told.
type slowReader struct {
	text    *strings.Reader
	reading chan struct{}
	rest    chan struct{}
}

func (r *slowReader) Read(p []byte) (int, error) {
	if n, err := r.text.Read(p); err == nil {
		return n, nil
	}
	close(r.reading)
	<-r.rest
	return 0, io.EOF
}

// TestDrain ends the server while calls are under way: one that finishes is
// answered, one that does not is cancelled, and Run waits for both.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		drain time.Duration
		block func(ctx context.Context, release chan struct{}) error
		check func(t *testing.T, err error)
	}{
		{"finishes", time.Hour, func(_ context.Context, release chan struct{}) error { <-release; return nil },
			func(t *testing.T, err error) {
				if err != nil {
					t.Errorf("got %v", err)
				}
			}},
		{"hangs", 300 * time.Millisecond, func(ctx context.Context, _ chan struct{}) error { <-ctx.Done(); return ctx.Err() },
			func(t *testing.T, err error) {
				if err == nil {
					t.Error("the call succeeded")
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, func(_ *Config, l *limits) { l.drainTimeout, l.callTimeout = tt.drain, time.Hour })
			entered, release := make(chan struct{}), make(chan struct{})
			f.engine.block = func(ctx context.Context) error {
				close(entered)
				return tt.block(ctx, release)
			}
			done := make(chan error, 1)
			go func() {
				_, err := f.client(t).TorrentStart(t.Context(), rpc.TorrentArgs{ID: "ab"})
				done <- err
			}()
			<-entered
			time.AfterFunc(50*time.Millisecond, func() { close(release) })
			f.stop() // no hour is waited for
			tt.check(t, <-done)
			_, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{})
			var gone *rpc.UnreachableError
			if !errors.As(err, &gone) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}
