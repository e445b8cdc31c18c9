package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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
	os.Exit(m.Run())
}

// process is a daemon in a process of its own, with its folder and a client.
type process struct {
	*rpc.Client
	dir  string
	args []string
	cmd  *exec.Cmd
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
	p := &process{Client: client, dir: dir}
	p.args = append([]string{"run", "--config", os.DevNull, "--state-dir", dir, "--listen", "127.0.0.1:0", "--rpc", address,
		"--lora", "off", "--log-level", "warn"}, args...)
	t.Cleanup(func() { p.kill() })
	return p
}

// start runs the daemon and returns how long its RPC took to answer.
func (p *process) start(t *testing.T) time.Duration {
	t.Helper()
	p.cmd = exec.Command(os.Args[0], p.args...)
	p.cmd.Env = append(os.Environ(), asDaemon+"=1")
	p.cmd.Stderr = os.Stderr
	started := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
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
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("daemon: %v", err)
	}
	p.cmd = nil
}

// inCI reports whether tests run at full size and may not be left out.
func inCI() bool { return os.Getenv("LORRENT_CI") != "" }
