// Package boardtest has boards for tests: they speak the protocols of the
// MeshCore KISS modem, of RNode firmware and of our own on a real
// pseudo-terminal, and misbehave on request. Their radio is a function, so
// tests can join several boards by an air of their own. Only tests may import
// it.
package boardtest

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// wire is the far end of a board's link.
type wire struct {
	path    string
	hangUp  func()
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	stream io.Writer  // nil while nobody is connected
	halves bool       // write everything in two pieces
}

// Path is where the board is: the path of a terminal, or HOST:PORT.
func (w *wire) Path() string { return w.path }

// Write puts bytes on the link as they are.
func (w *wire) Write(raw []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(raw)
}

// Unplug ends the link at once and for good.
func (w *wire) Unplug() {
	w.hangUp()
	w.running.Wait()
}

// connect lets write write to a stream until the function returned is called.
func (w *wire) connect(stream io.Writer) (end func()) {
	w.mu.Lock()
	w.stream = stream
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.stream == stream {
			w.stream = nil
		}
	}
}

// write needs mu. Errors mean that the host has gone, which boards do not
// mind.
func (w *wire) write(raw []byte) {
	if w.stream == nil {
		return
	}
	if d, ok := w.stream.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Now().Add(5 * time.Second)) // a host that does not read
	}
	if w.halves && len(raw) > 1 {
		_, _ = w.stream.Write(raw[:len(raw)/2])
		raw = raw[len(raw)/2:]
	}
	_, _ = w.stream.Write(raw)
}

// New makes a MeshCore board at a pseudo-terminal. onTransmit, which may be
// nil, gets each packet the host sends, before the host is told that it is on
// the air; it runs on the board's own goroutine. The board is unplugged when
// the test ends.
func New(t testing.TB, onTransmit func(packet []byte)) *Board {
	t.Helper()
	b := newBoard(onTransmit)
	b.openTerminal(t, b.Serve)
	return b
}

// openTerminal makes a pseudo-terminal and serves it until the test ends or
// the board is unplugged.
func (w *wire) openTerminal(t testing.TB, serve func(io.ReadWriter)) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatalf("open pseudo-terminal: %v", err)
	}
	// As a serial port is: nothing echoed or changed, whoever opens it when.
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		t.Fatalf("set pseudo-terminal raw: %v", err)
	}
	// The pty package leaves the master blocking, and a blocked read outlives
	// Close; a file made of a non-blocking descriptor does not.
	fd, err := unix.Dup(int(master.Fd()))
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatalf("set pseudo-terminal non-blocking: %v", err)
	}
	master.Close()
	master = os.NewFile(uintptr(fd), master.Name())
	w.path = slave.Name()
	// The slave is kept open: without, reading the master fails while no host
	// has the port open.
	w.hangUp = sync.OnceFunc(func() {
		master.Close()
		slave.Close()
	})
	w.mu.Lock()
	w.stream = master // writable before the first host comes
	w.mu.Unlock()
	w.running.Go(func() { serve(master) })
	t.Cleanup(w.Unplug)
}

// NewTCP is New on a TCP address of the loopback. It serves one host after
// the other.
func NewTCP(t testing.TB, onTransmit func(packet []byte)) *Board {
	t.Helper()
	b := newBoard(onTransmit)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	b.path = listener.Addr().String()
	var mu sync.Mutex
	var current net.Conn
	unplugged := false
	b.hangUp = func() {
		mu.Lock()
		defer mu.Unlock()
		unplugged = true
		listener.Close()
		if current != nil {
			current.Close()
		}
	}
	b.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			current = conn
			if unplugged {
				conn.Close()
			}
			mu.Unlock()
			b.Serve(conn)
			conn.Close()
		}
	})
	t.Cleanup(b.Unplug)
	return b
}
