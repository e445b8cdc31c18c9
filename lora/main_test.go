package lora

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"lorrent/daemon/event"
	"lorrent/lora/ether"
	"lorrent/storage"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("LORA_TEST_SEND"); path != "" {
		sendAndHang(path) // we are the process that TestKilledAfterSend kills
	}
	goleak.VerifyTestMain(m)
}

func openStore(t *testing.T, path string) *storage.DB {
	t.Helper()
	db, err := storage.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// crash copies the database as it lies on the disk now, which is what a kill -9
// would leave, and opens the copy.
func crash(t *testing.T, path string) (*storage.DB, string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "crashed.db")
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return openStore(t, copied), copied
}

// station is a bridge with a store of its own.
type station struct {
	*Bridge
	t      *testing.T
	path   string
	events *event.Ring
	ended  chan error
	stop   context.CancelFunc
}

// newStation opens a store and a bridge on it, not running. change may be nil.
func newStation(t *testing.T, air *ether.Air, change func(*Config)) *station {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lorrent.db")
	return stationOn(t, openStore(t, path), path, air, change)
}

func stationOn(t *testing.T, db *storage.DB, path string, air *ether.Air, change func(*Config)) *station {
	t.Helper()
	cfg := Config{Radio: "sim", Store: db, Events: event.New(4096), Log: zerolog.Nop(), Air: air}
	if change != nil {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &station{Bridge: b, t: t, path: path, events: cfg.Events}
}

// run runs the bridge until halt or the end of the test, and returns once its
// radio is up.
func (s *station) run() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.ended = make(chan error, 1)
	s.stop = cancel
	ended := s.ended
	go func() { ended <- s.Run(ctx) }()
	s.t.Cleanup(func() { s.halt() })
	await(s.t, time.Minute, "the radio", func() bool { return s.Status().Up || s.radio.kind == radioOff })
}

// halt stops the bridge and waits for it.
func (s *station) halt() error {
	if s.ended == nil {
		return nil
	}
	s.stop()
	err := <-s.ended
	s.ended = nil
	return err
}

func (s *station) send(to uint32, text string) storage.Message {
	s.t.Helper()
	m, err := s.Send(context.Background(), Target{Node: to}, text)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// inbox returns the texts received, in order.
func (s *station) inbox() (texts []string) {
	s.t.Helper()
	messages, err := s.Messages(storage.MessageQuery{Incoming: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// states counts the outgoing messages by state.
func (s *station) states() map[string]int {
	s.t.Helper()
	messages, err := s.Messages(storage.MessageQuery{Outgoing: true})
	if err != nil {
		s.t.Fatal(err)
	}
	count := make(map[string]int)
	for _, m := range messages {
		count[m.State]++
	}
	return count
}

// published returns the events so far as "type detail".
func (s *station) published() (list []string) {
	s.t.Helper()
	if s.events.Cursor() == 0 {
		return nil
	}
	events, dropped, err := s.events.Since(context.Background(), 0)
	if err != nil || dropped > 0 {
		s.t.Fatalf("events: %d dropped, %v", dropped, err)
	}
	for _, e := range events {
		switch d := e.Data.(type) {
		case event.MessageReceived:
			list = append(list, fmt.Sprintf("received %s", d.Text))
		case event.MessageState:
			list = append(list, fmt.Sprintf("state %s", d.State))
		case event.LoRaState:
			list = append(list, fmt.Sprintf("up %v", d.Up))
		}
	}
	return list
}

// count is how often an event was published.
func (s *station) count(what string) (n int) {
	for _, e := range s.published() {
		if e == what {
			n++
		}
	}
	return n
}

// await lets time pass, virtual inside synctest, until done or the limit.
func await(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
