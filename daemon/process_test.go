package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"lorrent/rpc"
)

// asDaemon makes the test program behave as the daemon: the crash tests need a
// process that can be killed.
const asDaemon = "LORRENT_TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	code := m.Run()
	os.RemoveAll(releaseDir)
	os.Exit(code)
}

// process is a daemon in a process of its own, with its folder and a client.
type process struct {
	*rpc.Client
	dir     string
	address string   // of its RPC
	program []string // this test program, unless set
	args    []string
	env     []string // on top of the test's own
	cmd     *exec.Cmd
	log     lines // what its last life wrote to stderr
}

func newProcess(t *testing.T, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	address := "unix:" + filepath.Join(dir, "rpc.sock")
	client, err := rpc.Dial(address, rpc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p := &process{Client: client, dir: dir, address: address, program: []string{os.Args[0]}}
	p.args = append([]string{"run", "--config", os.DevNull, "--state-dir", dir, "--listen", "127.0.0.1:0", "--rpc", address,
		"--lora", "off", "--dht", "off", "--lsd", "off", "--log-level", "warn"}, args...)
	t.Cleanup(func() { p.kill() })
	return p
}

// launch runs the daemon.
func (p *process) launch(t *testing.T) {
	t.Helper()
	line := append(p.program[1:len(p.program):len(p.program)], p.args...)
	p.cmd = exec.Command(p.program[0], line...)
	p.cmd.Env = append(append(os.Environ(), asDaemon+"=1"), p.env...)
	p.log.reset()
	p.cmd.Stderr = io.MultiWriter(&p.log, t.Output())
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// start runs the daemon and returns how long its RPC took to answer.
func (p *process) start(t *testing.T) time.Duration {
	t.Helper()
	started := time.Now()
	p.launch(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		if _, err := p.DaemonStatus(ctx, rpc.Empty{}); err == nil {
			return time.Since(started)
		}
		select {
		case <-ctx.Done():
			t.Fatal("the daemon does not answer")
		case <-poll.C:
		}
	}
}

// kill ends the daemon as a power cut would.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill()
	p.cmd.Wait()
	p.cmd = nil
}

// shutDown ends the daemon in order.
func (p *process) shutDown(t *testing.T) {
	t.Helper()
	if _, err := p.DaemonShutdown(t.Context(), rpc.Empty{}); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
}

// terminate ends the daemon as systemd does, and returns how long it took.
func (p *process) terminate(t *testing.T) time.Duration {
	t.Helper()
	asked := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	return time.Since(asked)
}

// wait expects the daemon to end well within its grace.
func (p *process) wait(t *testing.T) {
	t.Helper()
	late := time.AfterFunc(stopGrace+5*time.Second, func() { p.cmd.Process.Signal(syscall.SIGQUIT) })
	defer late.Stop()
	err := p.cmd.Wait()
	p.cmd = nil
	if err != nil {
		t.Fatalf("daemon: %v", err)
	}
}

// lines keeps what a process writes; it may be read meanwhile.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

// runToEnd runs a program to its end.
func runToEnd(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// inCI reports whether tests run at full size and may not be left out.
func inCI() bool { return os.Getenv("LORRENT_CI") != "" }
