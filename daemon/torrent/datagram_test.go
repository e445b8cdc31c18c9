package torrent

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

const patience = time.Minute

// The peer port has the same number for TCP and UDP, and what begins with "d"
// comes out at the tap of the sender's family, and is answered from the port.
func TestPortIsShared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ listen, from string }{
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"[::1]:0", "[::1]:0"},
		{":0", "127.0.0.1:0"},
		{":0", "[::1]:0"},
	} {
		t.Run(c.listen+" from "+c.from, func(t *testing.T) {
			t.Parallel()
			if c.from[0] == '[' && !hasIPv6() {
				t.Skip("no IPv6 here")
			}
			n := startNode(t, t.TempDir(), func(cfg *Config) { cfg.Listen = c.listen })
			if port := n.udp.conn.LocalAddr().(*net.UDPAddr).Port; port != n.port {
				t.Fatalf("UDP port %d, TCP port %d", port, n.port)
			}
			conn, err := net.ListenPacket("udp", c.from)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			own := conn.LocalAddr().(*net.UDPAddr)
			to := &net.UDPAddr{IP: own.IP, Port: n.port}
			for _, packet := range []string{"", "garbage", "e", "d1:ad2:id20:"} { // only the last is for the tap
				if _, err := conn.WriteTo([]byte(packet), to); err != nil {
					t.Fatal(err)
				}
			}
			tap := n.udp.dht4
			if own.IP.To4() == nil {
				tap = n.udp.dht6
			}
			b := make([]byte, 100)
			length, from, err := tap.ReadFrom(b)
			if err != nil || string(b[:length]) != "d1:ad2:id20:" {
				t.Fatalf("%q, %v", b[:length], err)
			}
			if got := from.(*net.UDPAddr).AddrPort(); got != own.AddrPort() {
				t.Errorf("from %v, want %v", got, own)
			}
			if _, err := tap.WriteTo([]byte("answer"), from); err != nil {
				t.Fatal(err)
			}
			length, from, err = conn.ReadFrom(b)
			if err != nil || string(b[:length]) != "answer" || from.(*net.UDPAddr).Port != n.port {
				t.Errorf("%q from %v, %v", b[:length], from, err)
			}
		})
	}
}

func hasIPv6() bool {
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestPortIsBusy(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if l, _, err := openPort(new(net.ListenConfig), conn.LocalAddr().String()); err == nil {
		l.Close()
		t.Error("opened a port that is in use")
	} else if !strings.Contains(err.Error(), "udp") {
		t.Errorf("the error does not say that it is the UDP port: %v", err)
	}
}

func openTap(t *testing.T) *tap {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newTap(conn.(*net.UDPConn), func(netip.Addr) bool { return false })
}

// Nobody reads: what is too much is dropped, the first packets are kept, and
// whoever puts never waits.
func TestTapIsBounded(t *testing.T) {
	t.Parallel()
	tap, from := openTap(t), netip.MustParseAddrPort("192.0.2.1:6881")
	packet := []byte{'d', 0}
	tap.put(slices.Repeat([]byte{'d'}, maxTapPacket+1), from)
	for i := range 3 * maxTapPackets {
		packet[1] = byte(i)
		tap.put(packet, from)
	}
	b := make([]byte, 2*maxTapPacket)
	for i := range maxTapPackets {
		n, _, err := tap.ReadFrom(b)
		if err != nil || !bytes.Equal(b[:n], []byte{'d', byte(i)}) {
			t.Fatalf("packet %d is %x, %v", i, b[:n], err)
		}
	}
	if len(tap.packets) != 0 {
		t.Errorf("%d packets more", len(tap.packets))
	}
}

func TestTapIsClosed(t *testing.T) {
	t.Parallel()
	tap := openTap(t)
	read := make(chan error)
	go func() {
		_, _, err := tap.ReadFrom(make([]byte, 100))
		read <- err
	}()
	tap.Close()
	tap.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("waiting read: %v", err)
	}
	tap.put([]byte("d"), netip.MustParseAddrPort("192.0.2.1:6881"))
	if _, _, err := tap.ReadFrom(make([]byte, 100)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if _, err := tap.WriteTo([]byte("d"), tap.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}
