package firmware

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/link"
)

// patience is for what takes a moment, on a machine that is busy with others.
const patience = 30 * time.Second

// process is a node that runs, natively or in QEMU.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	host string // where its host link is

	mu     sync.Mutex
	stderr bytes.Buffer
	dead   chan struct{}
}

// station is where a node's radio is: a door to the air that stays when the node
// does not.
type station struct {
	path string
	port *ether.Port
}

// join opens a door to the air.
func join(t *testing.T, a *ether.Air, at ether.Position) *station {
	t.Helper()
	s := &station{path: filepath.Join(socketDir(t), "air"), port: a.Join("node", at)}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// It ends with its node, whatever that says.
			_ = ether.Serve(ctx, conn, s.port)
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		serving.Wait()
		s.port.Close()
	})
	return s
}

// socketDir is a directory of short name: socket paths have at most 107 bytes.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start runs a node's program. Whatever ends it but the test is a failure.
func start(t *testing.T, program string, args ...string) (p *process, out *bufio.Reader) {
	t.Helper()
	p = &process{t: t, dead: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stderr = p
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go func() {
		defer close(p.dead)
		state, _ := p.cmd.Process.Wait()
		if state != nil && state.Exited() { // nobody killed it
			t.Errorf("node ended: %v\n%s", state, p.log())
		}
	}()
	return p, bufio.NewReader(stdout)
}

// startNative starts a node at a station. Its flash file, if it has one, stays.
func startNative(t *testing.T, s *station, args ...string) *process {
	t.Helper()
	p, out := start(t, nativeNode(t), append([]string{"--air", s.path}, args...)...)
	line, err := out.ReadString('\n')
	path, ok := strings.CutPrefix(strings.TrimSpace(line), "host ")
	if err != nil || !ok {
		t.Fatalf("node said %q, %v\n%s", line, err, p.log())
	}
	p.host = path
	return p
}

// startQEMU starts a node at a station on a Cortex-M3.
func startQEMU(t *testing.T, s *station, flash, node string) *process {
	t.Helper()
	path := filepath.Join(socketDir(t), "host")
	p, _ := start(t, "qemu-system-arm", "-M", "lm3s6965evb", "-display", "none", "-monitor", "none", "-nodefaults",
		"-chardev", "socket,id=host,server=on,wait=off,path="+path, "-serial", "chardev:host",
		"-chardev", "socket,id=air,path="+s.path, "-serial", "chardev:air",
		"-semihosting-config", "enable=on,target=native,arg="+flash+",arg="+node+",arg=5eed",
		"-kernel", qemuImage(t))
	p.host = path
	for deadline := time.Now().Add(patience); ; {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("QEMU does not listen\n%s", p.log())
		}
		runtime.Gosched()
	}
}

// Write takes what the node says on stderr.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// kill ends the node as a power cut does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead
	<-p.dead
}

// host is the Go end of a node's link.
type host struct {
	t        *testing.T
	conn     conn
	sequence uint8
	frames   chan link.Frame
	running  sync.WaitGroup
	closed   chan struct{}
	closing  sync.Once
	writing  sync.Mutex
	kept     []link.Message // reports that came while an answer was awaited
}

type conn interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
}

// attach opens the link and says hello.
func attach(t *testing.T, p *process) *host {
	t.Helper()
	return attachOver(t, dial(t, p))
}

func attachOver(t *testing.T, c conn) *host {
	t.Helper()
	h := over(t, c)
	h.hello()
	h.running.Go(func() { // else the board takes it for dead
		again := time.NewTicker(2 * time.Second)
		defer again.Stop()
		for {
			select {
			case <-h.closed:
				return
			case <-again.C:
			}
			if h.put(link.Append(nil, link.Ping{}, pings)) != nil {
				return
			}
		}
	})
	return h
}

// pings is the sequence of commands whose answers nobody waits for.
const pings = 0

func connect(t *testing.T, p *process) *host {
	t.Helper()
	return over(t, dial(t, p))
}

func dial(t *testing.T, p *process) conn {
	t.Helper()
	var c conn
	var err error
	if strings.HasPrefix(p.host, "/dev/pts/") {
		c, err = os.OpenFile(p.host, os.O_RDWR|0x900, 0) // O_NOCTTY, O_NONBLOCK: Close ends Read
	} else {
		c, err = net.Dial("unix", p.host)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func over(t *testing.T, c conn) *host {
	t.Helper()
	h := &host{t: t, conn: c, frames: make(chan link.Frame, 4096), closed: make(chan struct{})}
	h.running.Go(func() {
		defer close(h.frames)
		d := link.NewDecoder(c)
		for {
			f, err := d.Next()
			if err != nil {
				return
			}
			f.Body = bytes.Clone(f.Body)
			h.frames <- f
		}
	})
	t.Cleanup(h.close)
	h.write([]byte{link.Delimiter})
	return h
}

// close is the death of the host.
func (h *host) close() {
	h.closing.Do(func() {
		close(h.closed)
		h.conn.Close()
		h.running.Wait()
	})
}

func (h *host) write(b []byte) {
	h.t.Helper()
	if err := h.put(b); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) put(b []byte) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	_, err := h.conn.Write(b)
	return err
}

// next is the next message of the node.
func (h *host) next(within time.Duration) (link.Message, uint8, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case f, ok := <-h.frames:
		if !ok {
			return nil, 0, errors.New("link is closed")
		}
		m, err := link.Parse(f)
		return m, f.Sequence, err
	case <-limit.C:
		return nil, 0, fmt.Errorf("nothing within %v", within)
	}
}

// ask sends a command, as often as it takes, and returns the answer.
func (h *host) ask(m link.Message) link.Message {
	h.t.Helper()
	if h.sequence++; h.sequence == pings {
		h.sequence++
	}
	for range 6 {
		h.write(link.Append(nil, m, h.sequence))
		deadline := time.Now().Add(patience / 6)
		for time.Now().Before(deadline) {
			answer, sequence, err := h.next(time.Until(deadline))
			if err != nil {
				break
			}
			if answer.Type().IsAnswer() && sequence == h.sequence {
				return answer
			}
			if !answer.Type().IsAnswer() {
				h.kept = append(h.kept, answer)
			}
		}
	}
	h.t.Fatalf("no answer to %+v", m)
	return nil
}

// want is ask for an answer of type T.
func want[T link.Message](h *host, m link.Message) T {
	h.t.Helper()
	answer := h.ask(m)
	got, ok := answer.(T)
	if !ok {
		h.t.Fatalf("%+v was answered by %T %+v", m, answer, answer)
	}
	return got
}

// await returns the next report that accept likes; others are dropped.
func await[T link.Message](h *host, within time.Duration, accept func(T) bool) T {
	h.t.Helper()
	deadline := time.Now().Add(within)
	for {
		var m link.Message
		if len(h.kept) > 0 {
			m, h.kept = h.kept[0], h.kept[1:]
		} else {
			var err error
			if m, _, err = h.next(time.Until(deadline)); err != nil {
				var wanted T
				h.t.Fatalf("waiting for %T: %v", wanted, err)
			}
		}
		if got, ok := m.(T); ok && (accept == nil || accept(got)) {
			return got
		}
	}
}

// session is that of the latest hello, of any host.
var session atomic.Uint32

func (h *host) hello() link.HelloAnswer {
	h.t.Helper()
	mine := session.Add(1)
	m := want[link.HelloAnswer](h, link.Hello{Version: link.Version, Session: mine})
	if m.Session != mine {
		h.t.Fatalf("hello %d was answered by %+v", mine, m)
	}
	return m
}

// fast is SF7 at 250 kHz, without a limit: 20 bytes take 33 ms, a slot is 3 ms.
var fast = link.Radio{
	FrequencyHz: 869_525_000, BandwidthHz: 250_000, SpreadingFactor: 7, CodingRate: 5, PreambleSymbols: 16,
	SyncWord: 0x12, TxPowerDBm: 14, DutyCycle: 10000,
}

// tune sets the radio.
func (h *host) tune(r link.Radio) *host {
	h.t.Helper()
	if got := want[link.RadioAnswer](h, link.SetRadio{Radio: r}); got.Radio != r {
		h.t.Fatalf("radio in effect is %+v, want %+v", got.Radio, r)
	}
	return h
}
