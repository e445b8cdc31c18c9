package ether

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"
)

// freeGroup is a group whose port nobody uses now.
func freeGroup(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return netip.AddrPortFrom(netip.MustParseAddr("239.76.82.84"), c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
}

func openUDP(t *testing.T, group netip.AddrPort, at Position) *Port {
	t.Helper()
	p, err := OpenUDP(t.Context(), group, at, Config{Speedup: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	configure(t, p)
	return p
}

func receiveSoon(t *testing.T, p *Port) ([]byte, error) {
	t.Helper()
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := p.Receive(limited)
	return r.Packet, err
}

func TestUDP(t *testing.T) {
	group := freeGroup(t)
	a, b, c := openUDP(t, group, Position{}), openUDP(t, group, Position{X: 500}), openUDP(t, group, Position{X: 30_000})
	for i := range 20 {
		want := fmt.Appendf(nil, "packet %d", i)
		if err := a.Send(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := receiveSoon(t, b); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("received %q, %v; want %q", got, err, want)
		}
	}
	if _, ok, _ := a.take(); ok {
		t.Error("the sender heard itself")
	}
	if _, ok, _ := c.take(); ok {
		t.Error("a station 30 km away heard it")
	}
}

// The socket takes nothing seriously that is not a datagram of ours.
func TestUDPHostile(t *testing.T) {
	group := freeGroup(t)
	a, b := openUDP(t, group, Position{}), openUDP(t, group, Position{X: 500})
	raw := a.carrier.(*udpCarrier)
	whole := encodeDatagram(99, sampleTransmission)
	for _, garbage := range [][]byte{{}, {0}, whole[:20], whole[:datagramHeader], bytes.Repeat([]byte{0xFF}, 9000)} {
		if _, err := raw.send.WriteTo(garbage, raw.group); err != nil {
			t.Fatal(err)
		}
	}
	want := []byte("still there")
	if err := a.Send(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := receiveSoon(t, b); err != nil || !bytes.Equal(got, want) {
		t.Errorf("after garbage received %q, %v; want %q", got, err, want)
	}
}

func TestUDPClose(t *testing.T) {
	p := openUDP(t, freeGroup(t), Position{})
	go p.Close()
	if _, err := receiveSoon(t, p); !errors.Is(err, ErrClosed) {
		t.Errorf("Receive on a closed port: %v", err)
	}
}

func TestUDPRefuses(t *testing.T) {
	for _, group := range []string{"127.0.0.1:7000", "192.168.1.1:7000", "239.1.1.1:0", "[ff02::1]:7000"} {
		if p, err := OpenUDP(t.Context(), netip.MustParseAddrPort(group), Position{}, Config{}); err == nil {
			p.Close()
			t.Errorf("OpenUDP(%s): no error", group)
		}
	}
}

// Two processes share the air: the second answers every packet.
func TestTwoProcesses(t *testing.T) {
	group := freeGroup(t)
	p := openUDP(t, group, Position{})
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "ETHER_TEST_ANSWER="+group.String())
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) { // it needs a moment to join
		if err := p.Send(t.Context(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		limited, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		r, err := p.Receive(limited)
		cancel()
		if err == nil {
			if string(r.Packet) != "answer to hello" {
				t.Errorf("received %q", r.Packet)
			}
			return
		}
	}
	t.Error("no answer from the other process")
}

// answer is the second process.
func answer(group string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := OpenUDP(ctx, netip.MustParseAddrPort(group), Position{X: 500}, Config{Speedup: 100})
	if err != nil {
		panic(err)
	}
	defer p.Close()
	if err := p.Configure(ctx, fast); err != nil {
		panic(err)
	}
	for {
		r, err := p.Receive(ctx)
		if err != nil {
			return
		}
		if err := p.Send(ctx, append([]byte("answer to "), r.Packet...)); err != nil {
			panic(err)
		}
	}
}
