package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lorrent/daemon/event"
	"lorrent/rpc"
)

func contextWithLocal(ctx context.Context, addr net.Addr) context.Context {
	return context.WithValue(ctx, http.LocalAddrContextKey, addr)
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no address", func(c *Config) { c.Listen = nil }, "no address"},
		{"no path", func(c *Config) { c.Listen = []string{"unix:"} }, "unix:PATH"},
		{"abstract socket", func(c *Config) { c.Listen = []string{"unix:@x"} }, "unix:PATH"},
		{"long path", func(c *Config) { c.Listen = []string{"unix:/" + strings.Repeat("x", 107)} }, "108 bytes, 107 fit"},
		{"no port", func(c *Config) { c.Listen = []string{"localhost"} }, "HOST:PORT"},
		{"named port", func(c *Config) { c.Listen = []string{"localhost:http"} }, `port "http"`},
		{"TCP without token", func(c *Config) { c.Listen, c.TokenFile = []string{"localhost:0"}, "" }, "token file"},
		{"host with path", func(c *Config) { c.AllowedHosts = []string{"a/b"} }, `"a/b"`},
		{"relative root", func(c *Config) { c.DownloadRoots = []string{"x"} }, `"x" is not absolute`},
		{"no engine", func(c *Config) { c.Engine = nil }, "missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Engine: &fakeEngine{}, LoRa: &fakeLoRa{}, Events: event.New(1), Listen: []string{"unix:/x"}, TokenFile: "/x"}
			tt.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error saying %q", err, tt.says)
			}
		})
	}
}

func TestSocketFile(t *testing.T) {
	f := start(t, nil)
	info, err := os.Lstat(f.socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("uid %d gid %d pid %d", os.Getuid(), os.Getgid(), os.Getpid()); !strings.Contains(f.log.String(), want) {
		t.Errorf("the log does not say %q", want)
	}
	f.stop()
	if _, err := os.Lstat(f.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestSocketGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for group, ok := range map[string]bool{fmt.Sprint(os.Getgid()): true, "no-such-group-here": false} {
		l, cleanup, err := openSocket(path, group)
		if (err == nil) != ok {
			t.Errorf("group %q: %v", group, err)
		}
		if err == nil {
			l.Close()
			cleanup()
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("group %q: the socket stays", group)
		}
	}
}

// TestSocketTaken starts where something is already.
func TestSocketTaken(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		says string // in the error; none if ""
	}{
		{"dead daemon", func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
		}, ""},
		{"living daemon", func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, "another daemon answers"},
		{"a file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "no socket"},
		{"a datagram socket", func(t *testing.T, path string) {
			c, err := net.ListenPacket("unixgram", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		}, "in use"},
		{"a link to a file", func(t *testing.T, path string) {
			if err := os.Symlink("/etc/passwd", path); err != nil {
				t.Fatal(err)
			}
		}, "no socket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rpc.sock")
			tt.make(t, path)
			before, _ := os.Lstat(path)
			s, err := New(Config{Engine: &fakeEngine{}, LoRa: &fakeLoRa{}, Events: event.New(1), Listen: []string{"unix:" + path}})
			if err != nil {
				t.Fatal(err)
			}
			err = s.Run(stopped(t)) // opens, closes
			if tt.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error saying %q", err, tt.says)
			}
			if after, _ := os.Lstat(path); !os.SameFile(before, after) {
				t.Error("what was there is gone")
			}
		})
	}
}

func stopped(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestSocketOfSuccessorStays has another daemon take the place of ours.
func TestSocketOfSuccessorStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, cleanup, err := openSocket(path, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cleanup()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

// TestListenUndoesHalfAnOpening fails at the second address.
func TestListenUndoesHalfAnOpening(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, err := New(Config{
		Engine: &fakeEngine{}, LoRa: &fakeLoRa{}, Events: event.New(1),
		Listen: []string{"unix:" + dir + "/s", taken.Addr().String()}, TokenFile: dir + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(dir + "/s"); err == nil {
		t.Error("the first socket stays")
	}
}

// TestRunAgain is what a supervisor does.
func TestRunAgain(t *testing.T) {
	f := start(t, nil)
	f.stop()
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	if _, err := f.client(t).DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestListenerFails closes a socket under a running server on which a poll
// waits: Run ends it, and says what failed.
func TestListenerFails(t *testing.T) {
	dir := t.TempDir()
	limits := defaultLimits()
	limits.drainTimeout = time.Hour // it is not waited for
	cfg := Config{Engine: &fakeEngine{}, LoRa: &fakeLoRa{}, Events: event.New(1), Listen: []string{"unix:" + dir + "/a", "unix:" + dir + "/b"}}
	s, err := newServer(cfg, limits)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	victim := s.listeners[1].Listener
	ended, polled := make(chan error, 1), make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	c := dial(t, "unix:"+dir+"/a", "")
	if _, err := c.DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Fatal(err)
	}
	go func() {
		cursor := uint64(0)
		_, err := c.EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 60})
		polled <- err
	}()
	for len(s.calls) == 0 && len(polled) == 0 { // until the poll is there
		runtime.Gosched()
	}
	victim.Close()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "unix:"+dir+"/b") {
		t.Errorf("Run: %v", err)
	}
	wantError(t, <-polled, rpc.CodeClosing, "shutting down")
}
