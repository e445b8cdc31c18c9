package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"lorrent/rpc"
)

// teletype is the far end of a pseudo-terminal: what a person sees and types.
type teletype struct {
	t      *testing.T
	master *os.File
	read   chan struct{} // closed when the other side hung up

	mu   sync.Mutex
	seen bytes.Buffer
}

func watchTeletype(t *testing.T, master *os.File) *teletype {
	tt := &teletype{t: t, master: master, read: make(chan struct{})}
	go func() {
		defer close(tt.read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			tt.mu.Lock()
			tt.seen.Write(buf[:n])
			tt.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return tt
}

func (tt *teletype) screen() string {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return strings.ReplaceAll(tt.seen.String(), "\r\n", "\n")
}

// forget drops what was seen so far.
func (tt *teletype) forget() {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	tt.seen.Reset()
}

// expect waits until text is seen.
func (tt *teletype) expect(text string) {
	tt.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(tt.screen(), text) {
		if time.Now().After(deadline) {
			seen := tt.screen()
			tt.t.Fatalf("%q does not appear at the end of %q", text, seen[max(0, len(seen)-2000):])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (tt *teletype) press(keys string) {
	tt.t.Helper()
	if _, err := io.WriteString(tt.master, keys); err != nil {
		tt.t.Fatal(err)
	}
}

// onTerminal runs ctl with a terminal of that width for its streams, and types
// the answer when asked a question.
func onTerminal(t *testing.T, d *fakeDaemon, width uint16, env []string, answer string, args ...string) (int, string) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: width}); err != nil {
		t.Fatal(err)
	}
	tt := watchTeletype(t, master)
	if answer != "" {
		tt.press(answer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	code := run(ctx, args, slave, slave, slave, append(d.env(), env...))
	// What is still on its way when a terminal is closed may be lost.
	const end = "\x00the end"
	if _, err := slave.WriteString(end); err != nil {
		t.Error(err)
	}
	tt.expect(end)
	slave.Close()
	<-tt.read
	master.Close()
	return code, strings.TrimSuffix(tt.screen(), end)
}

func TestTableOnTerminal(t *testing.T) {
	d := newFakeDaemon(t)
	for _, test := range []struct {
		name  string
		width uint16
		env   []string
		args  string
		want  string
	}{
		{"no colour", 100, []string{"NO_COLOR=1"}, "ls", "" +
			"ID          STATE          DONE     SIZE       DOWN         UP  PEERS    ETA  NAME\n" +
			"89abcdef01  downloading   50.0%  1.0 GiB  3.0 MiB/s  1.0 KiB/s     12  2m51s  debian.iso\n" +
			"89abff0000  seeding      100.0%   1000 B          -          -      0      -  本の名前\n" +
			"1234000000  error          0.0%   10 MiB          -          -      0      -  evil\uFFFD[2J\uFFFD31m name (di…\n"},
		{"dumb", 200, []string{"TERM=dumb"}, "ls --state error --no-header", "" +
			"1234000000  error  0.0%  10 MiB  -  -  0  -  evil\uFFFD[2J\uFFFD31m name (disk full)\n"},
		{"narrow", 30, []string{"NO_COLOR=1"}, "ls --no-header --state seeding", "89abff0000  seeding  100.0%  …\n"},
		{"coloured", 100, nil, "ls --state seeding", "" +
			"\x1b[1mID\x1b[0m          \x1b[1mSTATE\x1b[0m      \x1b[1mDONE\x1b[0m    \x1b[1mSIZE\x1b[0m  \x1b[1mDOWN\x1b[0m  \x1b[1mUP\x1b[0m  \x1b[1mPEERS\x1b[0m  \x1b[1mETA\x1b[0m  \x1b[1mNAME\x1b[0m\n" +
			"\x1b[33m89abff0000\x1b[0m  \x1b[32mseeding\x1b[0m  100.0%  1000 B     -   -      0    -  本の名前\n"},
		{"never coloured", 100, nil, "nodes --color never", "   RSSI     SNR  PACKETS      HEARD  NODE\n-97 dBm  5.2 dB        7  1d12h ago  !89abcdef\n"},
		{"always, in spite of NO_COLOR", 100, []string{"NO_COLOR=1"}, "stop 89abff --color always", "stopped  \x1b[33m89abff0000\x1b[0m  本の名前\n"},
		{"texts are not cut", 20, []string{"NO_COLOR=1"}, "inbox --no-header --peer !00000001",
			timeText(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) + "  !00000001  !00000002  received   hello\n"},
		{"JSON is indented", 100, nil, "start 1234 89abff --json", "[\n  {},\n  {}\n]\n"},
		{"aligned pairs", 100, []string{"NO_COLOR=1"}, "status --lora", "" +
			"radio       sim, up\nnode        !00000002\nfrequency   869.525 MHz\nmodulation  SF11, 250 kHz, coding rate 4/5\n" +
			"power       14 dBm\nairtime     12.3 of 360 s in the last hour\nqueued      1 message\n" +
			"packets     10 sent, 20 received, 3 bad, 4 duplicate\nnodes       1 heard\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, screen := onTerminal(t, d, test.width, test.env, "", strings.Fields(test.args)...)
			if code != exitOK || screen != test.want {
				t.Errorf("exit code %d, screen:\n%s\nwant:\n%s", code, screen, test.want)
			}
		})
	}
}

func TestColourInPipe(t *testing.T) {
	newFakeDaemon(t).ctl("ls", "--no-header", "--state", "seeding", "--color", "always").want(t, exitOK,
		hashBook+"\t\x1b[32mseeding\x1b[0m\t100.0%\t1000 B\t-\t-\t0\t-\t本の名前\n")
}

func TestRmAsks(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  string
		removed int
		last    string
	}{
		{"yes", "y\n", 2, "deleted"},
		{"yes in full", " YES\n", 2, "deleted"},
		{"no", "n\n", 0, "nothing removed"},
		{"just return", "\n", 0, "nothing removed"},
		{"end of input", "\x04", 0, "nothing removed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			code, screen := onTerminal(t, d, 100, nil, test.answer, "rm", "89abff", "1234", "--data")
			if code != exitOK || !strings.Contains(screen, "Delete the files of 2 torrents (1000 B) for good? [y/N]") ||
				!strings.Contains(screen, "1000 B  本の名前 in /srv\n") || !strings.Contains(screen, test.last) || strings.Contains(screen, "\x1b[2J") {
				t.Errorf("exit code %d, screen:\n%q", code, screen)
			}
			removed := d.called("Torrent.Remove")
			if len(removed) != test.removed {
				t.Fatalf("removed %v", removed)
			}
			if gets := d.called("Torrent.Get"); test.removed > 0 && gets[2] != `{"id":"`+hashBook+`"}` {
				t.Errorf("after the question it looks for %s, which may be another by now", gets[2])
			}
			if test.removed > 0 && removed[0] != `{"id":"`+hashBook+`","deleteData":true}` {
				t.Errorf("removed %v: not what was asked about", removed)
			}
		})
	}
	d := newFakeDaemon(t)
	if code, _ := onTerminal(t, d, 100, nil, "y\n", "rm", "89abff", "ffff", "--data"); code != exitNotFound || len(d.called("Torrent.Remove")) != 0 {
		t.Errorf("exit code %d: one of them does not exist, so none must go", code)
	}
}

func TestProgressOnTerminal(t *testing.T) {
	d := newFakeDaemon(t)
	go func() {
		d.await("Torrent.Get", 2)
		d.update(func() { d.torrents[3].State, d.torrents[3].VerifiedBytes = rpc.StateSeeding, 100 })
	}()
	code, screen := onTerminal(t, d, 60, []string{"NO_COLOR=1"}, "", "add", "http://u/a-name-that-does-not-fit", "--wait", "--interval", "20ms")
	first := "\r  0.0%  ░░░░░░░░░░░░░░░░░░░░  0 B/s  0 peers  ETA -  downl…\x1b[K"
	last := "\r100.0%  ████████████████████  0 B/s  0 peers  ETA -  seedi…\x1b[K\n"
	if code != exitOK || !strings.Contains(screen, first) || !strings.HasSuffix(screen, last) {
		t.Errorf("exit code %d, screen %q", code, screen)
	}
	if width := textWidth(strings.Trim(first, "\r\x1b[K")); width != 59 {
		t.Errorf("the line is %d cells wide", width)
	}
}

// startProgram starts this binary as ctl, in a process with a terminal of its own.
func startProgram(t *testing.T, d *fakeDaemon, rows, cols uint16, args ...string) (*exec.Cmd, *teletype) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), append(d.env(), asProgram+"=1", "NO_COLOR=1")...)
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: cols})
	if err != nil {
		t.Fatal(err)
	}
	tt := watchTeletype(t, master)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // when the test failed
		_, _ = cmd.Process.Wait()
		master.Close()
		<-tt.read
	})
	return cmd, tt
}

// exitCode waits for the process.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestWatchLive(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(cmd *exec.Cmd, tt *teletype)
	}{
		{"q", func(_ *exec.Cmd, tt *teletype) { tt.press("xq") }},
		{"Ctrl-C", func(_ *exec.Cmd, tt *teletype) { tt.press("\x03") }},
		{"SIGTERM", func(cmd *exec.Cmd, _ *teletype) { _ = cmd.Process.Signal(syscall.SIGTERM) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newFakeDaemon(t)
			before := terminalState(t)
			cmd, tt := startProgram(t, d, 20, 110, "watch", "--interval", "1h") // news alone redraws
			tt.expect(enterScreen)
			tt.expect("lorrent  ↓ 3.0 MiB/s  ↑ 1.0 KiB/s  3 torrents  12 peers  5.0 GiB free  radio serial:/dev/ttyUSB0 down")
			tt.expect("debian.iso")
			if raw := getState(t, tt.master); raw == before {
				t.Error("the terminal is not in raw mode")
			}

			d.await("Event.Poll", 2)
			d.publish("torrent.completed", map[string]any{"name": "evil\x1b[2J", "totalBytes": 2048})
			tt.expect("torrent.completed      evil\uFFFD[2J, 2.0 KiB")

			tt.forget()
			if err := pty.Setsize(tt.master, &pty.Winsize{Rows: 5, Cols: 24}); err != nil {
				t.Fatal(err)
			}
			tt.expect("lorrent  ↓ 3.0 MiB/s  ↑…" + clearLine) // 24 cells

			test.end(cmd, tt)
			if code := exitCode(t, cmd); code != exitOK {
				t.Errorf("exit code %d", code)
			}
			tt.expect(leaveScreen)
			if after := getState(t, tt.master); after != before {
				t.Error("the terminal is not as it was")
			}
		})
	}
}

// terminalState is the state of a terminal that nobody touched.
func terminalState(t *testing.T) term.State {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	return getState(t, master)
}

func getState(t *testing.T, f *os.File) term.State {
	t.Helper()
	var state *term.State
	var err error
	control(f, func(fd int) { state, err = term.GetState(fd) })
	if err != nil {
		t.Fatal(err)
	}
	return *state
}

// TestWatchLiveSurvivesRestart checks that the picture comes back with the
// daemon, events included.
func TestWatchLiveSurvivesRestart(t *testing.T) {
	d := newFakeDaemon(t)
	cmd, tt := startProgram(t, d, 20, 110, "watch", "--interval", "100ms")
	tt.expect("debian.iso")
	d.await("Event.Poll", 2)
	d.server.CloseClientConnections()
	d.server.Close()
	tt.expect("reach daemon at unix:")

	polls := len(d.called("Event.Poll"))
	d.start()
	d.await("Event.Poll", polls+2)
	tt.forget()
	d.publish("torrent.added", map[string]any{"name": "after the restart"})
	tt.expect("after the restart")
	tt.expect("q quits")
	tt.press("q")
	if code := exitCode(t, cmd); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestWatchLiveInProcess(t *testing.T) {
	d := newFakeDaemon(t)
	t.Run("time-out", func(t *testing.T) {
		code, screen := onTerminal(t, d, 80, nil, "", "watch", "--timeout", "300ms")
		if code != exitTimeout || !strings.Contains(screen, enterScreen) || !strings.Contains(screen, leaveScreen+"lorrentctl: not done after 300ms") {
			t.Errorf("exit code %d, screen %q", code, screen)
		}
	})
	t.Run("q", func(t *testing.T) {
		if code, screen := onTerminal(t, d, 80, nil, "q", "watch"); code != exitOK || !strings.HasSuffix(screen, leaveScreen) {
			t.Errorf("exit code %d, screen %q", code, screen)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		code, screen := onTerminal(t, d, 80, nil, "", "watch", "--rpc", "unix:/nonexistent/rpc.sock")
		if code != exitUnreachable || strings.Contains(screen, enterScreen) {
			t.Errorf("exit code %d, screen %q", code, screen)
		}
	})
	t.Run("dumb terminal", func(t *testing.T) {
		code, screen := onTerminal(t, d, 80, []string{"TERM=dumb"}, "", "watch", "--timeout", "100ms")
		if code != exitTimeout || strings.Contains(screen, "\x1b") {
			t.Errorf("exit code %d, screen %q", code, screen)
		}
	})
}

func TestAddWaitInterrupted(t *testing.T) {
	d := newFakeDaemon(t)
	cmd, tt := startProgram(t, d, 24, 80, "add", "http://u", "--wait")
	tt.expect("downloading")
	tt.press("\x03")
	if code := exitCode(t, cmd); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	tt.expect("\nlorrentctl: interrupted\n")
}

func TestPicture(t *testing.T) {
	d := newFakeDaemon(t)
	p := &picture{out: &output{tty: true}}
	status := rpc.DaemonStatus{LoRa: rpc.LoRaBrief{Radio: "off"}}
	p.apply(update{status: &status, torrents: append([]rpc.Torrent{}, d.torrents...)})
	for range 2 * maxEvents {
		p.apply(update{events: []rpc.Event{{Type: "torrent.added", Data: []byte(`{"name":"a name of some length, longer than the terminal"}`)}}})
	}
	if len(p.events) != maxEvents {
		t.Errorf("%d events are remembered", len(p.events))
	}
	if p.torrents[0].InfoHash != hashISO || p.torrents[2].InfoHash != hashBook {
		t.Errorf("order %v", p.torrents)
	}
	p.apply(update{err: errors.New("gone\x1b")})
	for height := range 40 {
		for _, width := range []int{1, 2, 13, 40, 200} {
			lines := p.lines(width, height, time.Time{})
			if len(lines) != max(height, 0) && height >= 3 || len(lines) > height {
				t.Errorf("%d lines on %d", len(lines), height)
			}
			for _, line := range lines {
				if textWidth(line) > width || strings.ContainsFunc(line, unsafeRune) {
					t.Errorf("%d×%d: %q does not fit", width, height, line)
				}
			}
			if height >= 3 && width == 200 && !strings.Contains(lines[height-1], "gone\uFFFD") {
				t.Errorf("height %d: the error is not shown", height)
			}
		}
	}
	if lines := p.lines(80, 5, time.Time{}); !strings.Contains(strings.Join(lines, "\n"), "ID") {
		t.Errorf("five lines without a table: %q", lines)
	}
	p.torrents = append(p.torrents, p.torrents...)
	if lines := strings.Join(p.lines(80, 8, time.Time{}), "\n"); !strings.Contains(lines, "… and 3 more") {
		t.Errorf("lines:\n%s", lines)
	}
}
