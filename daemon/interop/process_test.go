package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	stopLimit = time.Minute // for a program that was asked to end
	shownLog  = 6000        // bytes of its output that a failed test shows
)

// process is a program that runs in a namespace, with its children in a
// process group of its own. It does not outlive the test, nor the test binary.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string        // file with its output
	ended chan struct{} // closed when it has been waited for
	err   error         // why it ended; read after ended
}

// start runs a program with dir as its home and working folder.
func start(t *testing.T, n *namespace, dir, program string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(program), log: filepath.Join(scratch(t), "output"), ended: make(chan struct{})}
	output, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb", "LORRENT_DHT=off", "LORRENT_LSD=off"} // and no proxy
	p.cmd.Stdout, p.cmd.Stderr = output, output
	// The signal comes when the starting thread ends: the namespace's, which
	// outlives the program unless the test binary dies.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.do(p.cmd.Start); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("last output of %s (%v):\n%s", p.name, p.err, p.tail())
		}
	})
	return p
}

// kill ends the whole group.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // none left is fine
	<-p.ended
}

// stop asks the program to end in order, so that it writes what it still holds.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		t.Errorf("%s did not end within %s", p.name, stopLimit)
	}
	p.kill()
}

// wait waits for a program that ends by itself.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s did not end in time: %w", p.name, context.Cause(ctx))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}
	return nil
}

// alive is an error when the program has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended: %w", p.name, errors.Join(p.err, errors.New("it should still run")))
	default:
		return nil
	}
}

// tail is the end of the output, without the lines that our own polling makes.
func (p *process) tail() []byte {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	var kept []byte
	for line := range bytes.Lines(b) {
		if !bytes.Contains(line, []byte(`"message":"rpc call"`)) {
			kept = append(kept, line...)
		}
	}
	return bytes.ToValidUTF8(kept[max(0, len(kept)-shownLog):], nil)
}
