package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"lorrent/daemon/event"
	"lorrent/lora/modem/boardtest"
	"lorrent/rpc"
	"lorrent/storage"
)

// runHere runs a daemon that is expected to fail at once, in this process.
// Flags in args come on top of ones that work.
func runHere(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	dir := t.TempDir()
	all := append([]string{"run", "--config", os.DevNull, "--state-dir", dir, "--listen", "127.0.0.1:0",
		"--lora", "off", "--dht", "off", "--lsd", "off", "--log-level", "error"}, args...)
	if !strings.Contains(strings.Join(args, " "), "--rpc") {
		all = append(all, "--rpc", "unix:"+filepath.Join(dir, "rpc.sock"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code = execute(ctx, all, &out, &errs)
	if ctx.Err() != nil {
		t.Error("it ran")
	}
	return code, errs.String()
}

// TestCannotStart has what a daemon needs in the hands of another, or of
// nobody: it says so at once.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "--log-level", "error")
	p.start(t)
	status, err := p.DaemonStatus(t.Context(), rpc.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file := configAt(t, filepath.Join(t.TempDir(), "file"), "")
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"the database of another daemon", []string{"--state-dir", p.dir}, []string{filepath.Join(p.dir, "lorrent.db"), "another process"}},
		{"the peer port of another daemon", []string{"--listen", status.Listen}, []string{status.Listen, "address already in use"}},
		{"the socket of another daemon", []string{"--rpc", p.address}, []string{p.address, "another daemon answers there"}},
		{"the RPC port of somebody", []string{"--rpc", tcp.Addr().String()}, []string{tcp.Addr().String(), "address already in use"}},
		{"a file as socket", []string{"--rpc", "unix:" + file}, []string{file, "no socket"}},
		{"a file as state folder", []string{"--state-dir", file}, []string{file, "not a directory"}},
		{"a state folder below a file", []string{"--state-dir", file + "/state"}, []string{file, "not a directory"}},
		{"a state folder nobody may make", []string{"--state-dir", "/sys/lorrent"}, []string{"create state folder", "/sys/lorrent"}},
		{"a download folder below a file", []string{"--download-dir", file + "/down"}, []string{"download folder", file}},
		{"a database that is none", []string{"--state-dir", badDatabase(t)}, []string{"lorrent.db", "not a database"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stderr := runHere(t, tt.args...)
			if code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			for _, s := range tt.says {
				if !strings.Contains(stderr, s) {
					t.Errorf("%q does not say %q", stderr, s)
				}
			}
			if strings.Count(stderr, "\n") != 1 {
				t.Errorf("more than a line: %q", stderr)
			}
		})
	}
	if _, err := p.DaemonStatus(t.Context(), rpc.Empty{}); err != nil {
		t.Errorf("the first daemon afterwards: %v", err)
	}
	p.shutDown(t)
}

func badDatabase(t *testing.T) string {
	dir := t.TempDir()
	configAt(t, filepath.Join(dir, "lorrent.db"), strings.Repeat("no database\n", 4096))
	return dir
}

// TestFailedStartLeavesNothing starts with a busy port, then without: the
// first must not hold or spoil anything.
func TestFailedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	p := newProcess(t)
	for _, args := range [][]string{
		{"--listen", busy.Addr().String()},
		{"--rpc", p.address, "--rpc", busy.Addr().String()}, // the last thing opened
	} {
		if code, stderr := runHere(t, append(args, "--state-dir", p.dir)...); code != exitFailed {
			t.Fatalf("%q: exit code %d: %s", args, code, stderr)
		}
		if _, err := os.Stat(strings.TrimPrefix(p.address, "unix:")); err == nil {
			t.Errorf("%q: the socket is still there", args)
		}
	}
	p.start(t)
	if s, err := p.DaemonStatus(t.Context(), rpc.Empty{}); err != nil || !s.CleanStart {
		t.Errorf("got %+v %v", s, err)
	}
	p.shutDown(t)
}

// TestStartAfterKill tells an ordered end from a kill.
func TestStartAfterKill(t *testing.T) {
	t.Parallel()
	const says = "not stopped in order"
	p := newProcess(t)
	for _, life := range []struct {
		name  string
		clean bool
		end   func()
	}{
		{"the first", true, p.kill},
		{"after a kill", false, func() { p.terminate(t) }},
		{"after SIGTERM", true, func() { p.shutDown(t) }},
		{"after Daemon.Shutdown", true, func() {}},
	} {
		p.start(t)
		s, err := p.DaemonStatus(t.Context(), rpc.Empty{})
		if err != nil || s.CleanStart != life.clean {
			t.Errorf("%s: clean start is %t %v", life.name, s.CleanStart, err)
		}
		if strings.Contains(p.log.String(), says) == life.clean {
			t.Errorf("%s: the log is %q", life.name, &p.log)
		}
		life.end()
	}
}

// TestTerminatedDownload sends SIGTERM in the middle of a download: nothing
// verified is lost, and the rest comes after the next start.
func TestTerminatedDownload(t *testing.T) {
	t.Parallel()
	const size, rate = 24 << 20, 8 << 20
	world := newSwarm(t, size, rate)
	p := newProcess(t)
	p.start(t)
	added, err := p.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: world.torrent})
	if err != nil {
		t.Fatal(err)
	}
	id := added.Torrent.InfoHash
	var verified int64
	eventually(t, p, "some of it is there", func() (bool, error) {
		got, err := p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id})
		verified = got.VerifiedBytes
		return verified >= size/4, err
	})
	// A client that waits for events must not keep the daemon up.
	polled := make(chan error, 1)
	go func() {
		cursor := uint64(1 << 40)
		_, err := p.EventPoll(t.Context(), rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: 60})
		polled <- err
	}()
	took := p.terminate(t)
	if took > stopGrace {
		t.Errorf("it took %s to end", took)
	}
	<-polled
	kept := world.checkStored(t, p.dir, true)
	if kept < verified || kept == size {
		t.Errorf("%d bytes are kept, %d were verified, of %d", kept, verified, int64(size))
	}
	p.start(t)
	after, err := p.TorrentGet(t.Context(), rpc.TorrentGetArgs{ID: id}) // its files may still be looked at, but are not hashed
	if err != nil || after.State == rpc.StateChecking || after.CheckedBytes >= 0 || after.VerifiedBytes < kept {
		t.Errorf("after the start: %+v %v", after.Torrent, err)
	}
	waitState(t, p, id, rpc.StateSeeding)
	if !bytes.Equal(sumFile(t, filepath.Join(p.dir, "downloads", "payload")), sumFile(t, world.path)) {
		t.Error("the download differs from its source")
	}
	p.shutDown(t)
	t.Logf("ended %s after SIGTERM with %.1f MiB", took.Round(time.Millisecond), float64(kept)/(1<<20))
}

// slot is a TCP port that is taken, but refuses connections until it listens.
type slot struct {
	fd      int
	address string
}

func newSlot(t *testing.T) *slot {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	a := name.(*unix.SockaddrInet4)
	return &slot{fd: fd, address: (&net.TCPAddr{IP: a.Addr[:], Port: a.Port}).String()}
}

func (s *slot) listen(t *testing.T) net.Listener {
	t.Helper()
	if err := unix.Listen(s.fd, 8); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(s.fd), s.address)
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// bridge offers a board at a TCP port, as ser2net does; while there is none it
// hangs up.
type bridge struct {
	listener net.Listener
	ended    sync.WaitGroup
	hungUp   chan struct{} // one for each connection that came to nothing

	mu    sync.Mutex
	board *boardtest.Board
	conn  net.Conn
}

func newBridge(t *testing.T, l net.Listener) *bridge {
	b := &bridge{listener: l, hungUp: make(chan struct{}, 1)}
	b.ended.Go(b.run)
	t.Cleanup(func() {
		l.Close()
		b.plug(nil)
		b.ended.Wait()
	})
	return b
}

func (b *bridge) run() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		board := b.board
		b.conn = conn
		b.mu.Unlock()
		if board != nil {
			board.Serve(conn)
		}
		conn.Close()
		select {
		case b.hungUp <- struct{}{}:
		default:
		}
	}
}

// plug gives the port a board, or with nil takes it away.
func (b *bridge) plug(board *boardtest.Board) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.board = board
	if b.conn != nil {
		b.conn.Close()
	}
}

// waitRadio waits until the radio is up, or down with a reason.
func waitRadio(t *testing.T, p *process, up bool, reason string) {
	t.Helper()
	eventually(t, p, "the radio is as expected", func() (bool, error) {
		s, err := p.LoRaStatus(t.Context(), rpc.Empty{})
		return s.Up == up && strings.Contains(s.Error, reason) && (s.Error == "") == up, err
	})
}

// TestBoardGoesAndComes has no board, then one that hangs up again and again,
// then a good one, that is unplugged and plugged in again. Torrents never
// notice.
func TestBoardGoesAndComes(t *testing.T) {
	t.Parallel()
	at := newSlot(t)
	world := newSwarm(t, 8<<20, 2<<20)
	p := newProcess(t, "--lora", "tcp:"+at.address)
	p.start(t)
	waitRadio(t, p, false, "refused")
	added, err := p.TorrentAdd(t.Context(), rpc.TorrentAddArgs{Metainfo: world.torrent})
	if err != nil {
		t.Fatal(err)
	}
	// A message is taken while there is no radio.
	sent, err := p.MessageSend(t.Context(), rpc.MessageSendArgs{To: "all", Text: "is anybody there"})
	if err != nil || sent.Message.State != rpc.MessageQueued {
		t.Fatalf("got %+v %v", sent, err)
	}

	port := newBridge(t, at.listen(t))
	for range 2 {
		select {
		case <-port.hungUp:
		case <-time.After(time.Minute):
			t.Fatal("the daemon does not try again")
		}
	}
	waitRadio(t, p, false, "radio: open board")
	// The log says each reason once, however often it was tried.
	if n := strings.Count(p.log.String(), "refused"); n != 1 {
		t.Errorf("%d lines in the log say that nobody listens:\n%s", n, &p.log)
	}
	waitState(t, p, added.Torrent.InfoHash, rpc.StateSeeding)
	if !bytes.Equal(sumFile(t, filepath.Join(p.dir, "downloads", "payload")), sumFile(t, world.path)) {
		t.Error("the download differs from its source")
	}

	heard := make(chan []byte, 16)
	board := boardtest.NewDetached(t, func(packet []byte) { heard <- packet })
	port.plug(board)
	waitRadio(t, p, true, "")
	port.plug(nil)
	waitRadio(t, p, false, "radio")
	port.plug(board)
	waitRadio(t, p, true, "")
	eventually(t, p, "the message is on air", func() (bool, error) {
		m, err := p.MessageGet(t.Context(), rpc.MessageArgs{ID: sent.Message.ID})
		return m.Message.State == rpc.MessageSent, err
	})
	if packet := <-heard; len(packet) == 0 {
		t.Error("an empty packet")
	}
	p.terminate(t)
	db, err := storage.Open(filepath.Join(p.dir, "lorrent.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if !db.WasClean() {
		t.Error("the database is not marked clean")
	}
}

// TestCallBeforeTheEngine calls when the socket is open and the engine does not
// run yet: the call waits, and is then answered as at any other time.
func TestCallBeforeTheEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := "unix:" + filepath.Join(dir, "rpc.sock")
	cfg, err := load(t, nil, "--state-dir", dir, "--listen", "127.0.0.1:0", "--rpc", address, "--lora", "off", "--dht", "off", "--lsd", "off")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d := &daemon{cfg: cfg, log: zerolog.Nop(), events: event.New(eventMemory), stop: cancel}
	if err := d.open(); err != nil {
		t.Fatal(err)
	}
	var services sync.WaitGroup
	defer func() {
		cancel()
		services.Wait()
		d.bridge.Close()
		d.store.Close()
	}()
	services.Go(func() { d.answer(ctx) })
	client, err := rpc.Dial(address, rpc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	magnet := rpc.TorrentAddArgs{URL: "magnet:?xt=urn:btih:" + strings.Repeat("1", 40)}
	early, done := context.WithTimeout(ctx, 200*time.Millisecond)
	defer done()
	if _, err := client.TorrentAdd(early, magnet); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before the engine runs, the answer is %v", err)
	}
	services.Go(func() { d.engine.Run(ctx) })
	if _, err := client.TorrentAdd(ctx, magnet); err != nil {
		t.Error(err)
	}
}
