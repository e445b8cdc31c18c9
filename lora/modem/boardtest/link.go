package boardtest

import (
	"net"
	"os"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// New makes a board at a pseudo-terminal. onTransmit, which may be nil, gets
// each packet the host sends, before the host is told that it is on the air;
// it runs on the board's own goroutine. The board is unplugged when the test
// ends.
func New(t testing.TB, onTransmit func(packet []byte)) *Board {
	t.Helper()
	b := newBoard(t, onTransmit)
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
	b.path = slave.Name()
	// The slave is kept open: without, reading the master fails while no host
	// has the port open.
	b.hangUp = sync.OnceFunc(func() {
		master.Close()
		slave.Close()
	})
	b.mu.Lock()
	b.stream = master // writable before the first host comes
	b.mu.Unlock()
	b.running.Go(func() { b.Serve(master) })
	t.Cleanup(b.Unplug)
	return b
}

// NewTCP is New on a TCP address of the loopback. It serves one host after
// the other.
func NewTCP(t testing.TB, onTransmit func(packet []byte)) *Board {
	t.Helper()
	b := newBoard(t, onTransmit)
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
