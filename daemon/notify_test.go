package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent"
	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
)

// manager is the end of the notification socket that systemd has.
type manager struct {
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{conn: conn, path: path}
}

// next is the next notification.
func (m *manager) next(t *testing.T) string {
	t.Helper()
	buf := make([]byte, 4096)
	m.conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	n, err := m.conn.Read(buf)
	if err != nil {
		t.Fatalf("no notification: %v", err)
	}
	return string(buf[:n])
}

// waiting are the notifications that have arrived and were not read.
func (m *manager) waiting(t *testing.T) (list []string) {
	t.Helper()
	const end = "the end of the test" // behind all that were sent before
	self, err := net.Dial("unixgram", m.path)
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	if _, err := io.WriteString(self, end); err != nil {
		t.Fatal(err)
	}
	for state := m.next(t); state != end; state = m.next(t) {
		list = append(list, state)
	}
	return list
}

// TestNotifications follows what a daemon tells systemd in its life.
func TestNotifications(t *testing.T) {
	t.Parallel()
	const watchdog = 8 * time.Second // a busy machine may be late by half of it
	m, p := newManager(t), newProcess(t)
	p.env = []string{"NOTIFY_SOCKET=" + m.path, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds())}
	// The watchdog is for one process: that which the shell becomes.
	p.program = []string{"/bin/sh", "-c", `WATCHDOG_PID=$$ exec "$0" "$@"`, os.Args[0]}
	p.launch(t)
	if state := m.next(t); state != "READY=1" {
		t.Fatalf("%s comes before READY=1", state)
	}
	if _, err := p.DaemonVersion(t.Context(), rpc.Empty{}); err != nil {
		t.Fatalf("ready, but: %v", err)
	}
	last := time.Now()
	beats, statuses := 0, 0
	for beats < 3 {
		switch state := m.next(t); {
		case state == "WATCHDOG=1":
			if silence := time.Since(last); silence > watchdog {
				t.Errorf("systemd would have acted after %s", silence)
			}
			last = time.Now()
			beats++
		case strings.HasPrefix(state, "STATUS=0 torrents, ") && strings.HasSuffix(state, "radio off down") && !strings.Contains(state, "\n"):
			statuses++
		default:
			t.Errorf("got %q", state)
		}
	}
	if statuses == 0 {
		t.Error("no STATUS=")
	}
	p.terminate(t)
	rest := m.waiting(t)
	if i := slices.Index(rest, "STOPPING=1"); i < 0 || i != len(rest)-1 {
		t.Errorf("at the end: %q", rest)
	}
}

// TestWatchdogOfAnother has the variables of a process further up.
func TestWatchdogOfAnother(t *testing.T) {
	t.Parallel()
	m, p := newManager(t), newProcess(t)
	p.env = []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=100000", "WATCHDOG_PID=1"}
	p.start(t)
	if state := m.next(t); state != "READY=1" {
		t.Errorf("got %q", state)
	}
	if state := m.next(t); !strings.HasPrefix(state, "STATUS=") {
		t.Errorf("got %q", state)
	}
	p.terminate(t)
	if rest := m.waiting(t); !slices.Contains(rest, "STOPPING=1") || slices.Contains(rest, "WATCHDOG=1") {
		t.Errorf("got %q", rest)
	}
}

// TestNotReadyWhenFailing starts a daemon that cannot be.
func TestNotReadyWhenFailing(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if code, _ := runHere(t, "--listen", taken.Addr().String()); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if list := m.waiting(t); list != nil {
		t.Errorf("systemd was told %q", list)
	}
}

// TestEngineThatDoesNotTurn wires the heartbeat to an engine whose loop does
// not run.
func TestEngineThatDoesNotTurn(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", "")
	store, err := storage.Open(filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := &daemon{cfg: &config{}, log: zerolog.Nop(), events: event.New(16), store: store}
	if d.engine, err = torrent.New(torrent.Config{Listen: "127.0.0.1:0", DownloadDir: t.TempDir(), Store: store, Events: d.events}); err != nil {
		t.Fatal(err)
	}
	defer d.engine.Close()
	if d.bridge, err = lora.New(lora.Config{Radio: "off", Store: store, Events: d.events}); err != nil {
		t.Fatal(err)
	}
	if err := d.watch(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if list := m.waiting(t); list != nil {
		t.Errorf("systemd was told %q", list)
	}
}

// TestHeartbeat lets the engine hang and recover, on a clock of the test's own.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Minute
		var mu sync.Mutex
		hangs := false
		var beats, others []string
		h := heartbeat{
			limit:   limit,
			log:     zerolog.Nop(),
			summary: func() string { return "fine" },
			ping: func(ctx context.Context) error {
				mu.Lock()
				stuck := hangs
				mu.Unlock()
				if !stuck {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			},
			notify: func(state string) {
				mu.Lock()
				defer mu.Unlock()
				if state == "WATCHDOG=1" {
					beats = append(beats, state)
				} else if len(others) == 0 || others[len(others)-1] != state {
					others = append(others, state)
				}
			},
		}
		during := func(d time.Duration) int {
			mu.Lock()
			beats = nil
			mu.Unlock()
			time.Sleep(d) // the bubble's clock
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return len(beats)
		}
		hang := func(yes bool) {
			mu.Lock()
			hangs = yes
			mu.Unlock()
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.run(ctx) }()
		if n := during(limit); n < 3 {
			t.Errorf("%d beats in the time after which systemd acts", n)
		}
		hang(true)
		during(statusRefresh) // one may be under way
		if n := during(10 * limit); n != 0 {
			t.Errorf("%d beats while the engine hangs", n)
		}
		hang(false)
		if n := during(limit); n < 3 {
			t.Errorf("%d beats after the engine recovered", n)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if want := []string{"READY=1", "STATUS=fine", "STOPPING=1"}; !slices.Equal(others, want) {
			t.Errorf("got %q, want %q", others, want)
		}
	})
}

// TestHeartbeatWithoutWatchdog still shows the status.
func TestHeartbeatWithoutWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		count := make(map[string]int)
		h := heartbeat{log: zerolog.Nop(), summary: func() string { return "fine" }, ping: func(context.Context) error { return nil },
			notify: func(state string) { count[state]++ }}
		h.run(ctx)
		if count["READY=1"] != 1 || count["WATCHDOG=1"] != 0 || count["STATUS=fine"] < 10 {
			t.Errorf("in a minute: %v", count)
		}
	})
}
