package utp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMeasure is one end of a measurement between two processes, which may
// live in different network namespaces. LORRENT_MEASURE says which end:
// "serve ADDRESS", or "PROTOCOL ADDRESS MEBIBYTES", where the protocol is utp
// or the name of a TCP congestion control. Sending ends with a byte 1, which
// the server answers.
func TestMeasure(t *testing.T) {
	var role, address string
	var size int64
	if n, _ := fmt.Sscan(os.Getenv("LORRENT_MEASURE"), &role, &address, &size); n < 2 {
		t.Skip("measures between two processes, when LORRENT_MEASURE says how")
	}
	if role == "serve" {
		serveMeasure(t, address)
		return
	}
	size <<= 20
	c := dialMeasure(t, role, address)
	defer c.Close()
	began := time.Now()
	if _, err := io.CopyN(c, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	answer := []byte{1}
	if _, err := c.Write(answer); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	line := fmt.Sprintf("%s: %.2f Mbit/s, %d MiB in %v", role, float64(size)*8/1e6/took.Seconds(), size>>20, took.Round(time.Millisecond))
	if c, ok := c.(*conn); ok {
		c.mu.Lock()
		line += fmt.Sprint(" ", (&end{stream: c.stream}).describe(), "noise ", c.stream.control.noise)
		c.mu.Unlock()
	}
	fmt.Println(line)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func serveMeasure(t *testing.T, address string) {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp := listen(t, address, nil)
	fmt.Println("serving")
	serve := func(accept func() (net.Conn, error)) {
		for {
			c, err := accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 256<<10)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if b[n-1] == 1 {
						c.Write([]byte{1})
					}
				}
			}()
		}
	}
	go serve(tcp.Accept)
	go serve(udp.Accept)
	io.Copy(io.Discard, os.Stdin)
	udp.Close()
}

func dialMeasure(t *testing.T, role, address string) net.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if role == "utp" {
		c, err := listen(t, "0.0.0.0:0", nil).Dial(ctx, netip.MustParseAddrPort(address))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), unix.SOL_TCP, unix.TCP_CONGESTION, role) })
		return err
	}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
