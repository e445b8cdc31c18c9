package utp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestTransfer moves bytes both ways at once over real UDP sockets.
func TestTransfer(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		plain   bool
	}{
		"IPv4":                 {address: "127.0.0.1:0"},
		"IPv6":                 {address: "[::1]:0"},
		"one packet at a time": {address: "127.0.0.1:0", plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(cfg *Config) {
				if c.plain {
					cfg.Conn = struct{ net.PacketConn }{cfg.Conn}
				}
			}
			a, b := connect(t, listen(t, c.address, change), listen(t, c.address, change))
			data := randomBytes(rand.New(rand.NewPCG(1, 1)), 8<<20)
			sums := make(chan error, 4)
			for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
				go func() {
					_, err := pair[0].Write(data)
					sums <- err
				}()
				go func() {
					got := make([]byte, len(data))
					_, err := io.ReadFull(pair[1], got)
					if err == nil && sha256.Sum256(got) != sha256.Sum256(data) {
						err = errors.New("other bytes than sent")
					}
					sums <- err
				}()
			}
			for range 4 {
				if err := <-sums; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestClose: everything written before Close arrives, then io.EOF; afterwards
// both connections are forgotten.
func TestClose(t *testing.T) {
	from, to := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	a, b := connect(t, from, to)
	data := bytes.Repeat([]byte("lorrent"), 100000)
	wrote := make(chan error, 1)
	go func() {
		_, err := a.Write(data)
		wrote <- errors.Join(err, a.Close())
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("read %d bytes of %d, error %v", len(got), len(data), err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if err := a.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	b.Close()
	waitFor(t, "both sides to forget the connection", func() bool {
		return from.Stats().Conns == 0 && to.Stats().Conns == 0
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func TestDeadlines(t *testing.T) {
	a, b := connect(t, listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil))
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read with nothing to read: %v", err)
	}
	a.SetReadDeadline(time.Time{})
	if _, err := b.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := io.ReadFull(a, one); err != nil || one[0] != 7 {
		t.Errorf("read after the deadline was taken away: %v, %v", one, err)
	}
	much := make([]byte, 64<<20) // before the clock runs: so much memory takes a while
	a.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := a.Write(much) // nobody reads it
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n > 16<<20 {
		t.Errorf("wrote %d bytes to a peer that does not read: %v", n, err)
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error of a deadline is no time-out: %v", err)
	}
	go a.SetReadDeadline(time.Now())
	if _, err := a.Read(one); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read under a deadline that is moved to now: %v", err)
	}
}

// raw is a peer that sends what it likes.
type raw struct {
	*net.UDPConn
	t  *testing.T
	to net.Addr
}

func newRaw(t *testing.T, to *Socket) *raw {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	udp.SetReadDeadline(time.Now().Add(time.Minute))
	return &raw{udp, t, to.Addr()}
}

func (r *raw) send(p packet) {
	r.t.Helper()
	b := make([]byte, headerLen)
	p.putHeader(b, 0)
	if _, err := r.WriteTo(append(b, p.payload...), r.to); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) receive() packet {
	r.t.Helper()
	b := make([]byte, 2000)
	n, err := r.Read(b)
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := parsePacket(b[:n])
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// TestHandshakeOnTheWire is BEP 29's diagram, with a SYN sent twice.
func TestHandshakeOnTheWire(t *testing.T) {
	s := listen(t, "127.0.0.1:0", nil)
	r := newRaw(t, s)
	var answer packet
	for range 2 {
		r.send(packet{kind: kindSyn, id: 65535, stamp: 1, window: 1 << 20, seq: 65535})
		again := answer
		if answer = r.receive(); answer.kind != kindState || answer.id != 65535 || answer.ack != 65535 {
			t.Fatalf("SYN answered with %+v", answer)
		}
		if again.kind == kindState && again.seq != answer.seq {
			t.Fatalf("the second SYN made another connection: %+v, %+v", again, answer)
		}
	}
	if got := s.Stats(); got.Conns != 1 || got.HalfOpen != 1 {
		t.Errorf("after the SYN: %+v", got)
	}
	r.send(packet{kind: kindData, id: 0, stamp: 2, window: 1 << 20, seq: 0, ack: answer.seq - 1, payload: []byte("hello")})
	c, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 10)
	if n, err := c.Read(b); string(b[:n]) != "hello" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if p := r.receive(); p.kind != kindState || p.ack != 0 || p.id != 65535 {
		t.Errorf("data answered with %+v", p)
	}
	// A peer that has forgotten the connection answers with the id it got.
	r.send(packet{kind: kindReset, id: 65535, ack: answer.seq})
	if _, err := c.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a reset: %v", err)
	}
}

// TestSharedSocket: what is not uTP goes to the callback, segment by segment.
func TestSharedSocket(t *testing.T) {
	got := make(chan string, 8)
	s := listen(t, "127.0.0.1:0", func(c *Config) {
		c.Other = func(b []byte, from netip.AddrPort) { got <- from.String() + " " + string(b) }
	})
	r := newRaw(t, s)
	for _, sent := range []string{"d1:q4:pinge", "", "d1:r0:e", "\x00\x00\x00\x01tracker reply"} {
		if _, err := r.WriteTo([]byte(sent), r.to); err != nil {
			t.Fatal(err)
		}
		if want := r.LocalAddr().String() + " " + sent; <-got != want {
			t.Errorf("callback did not get %q", want)
		}
	}
}

// TestFlood: SYNs, resets and stray packets of strangers take a bounded place
// and do not keep a friend out.
func TestFlood(t *testing.T) {
	s := listen(t, "127.0.0.1:0", nil)
	r := newRaw(t, s)
	r.SetReadBuffer(4 << 20)
	for i := range 5000 {
		r.send(packet{kind: kindSyn, id: uint16(2 * i), seq: 1})
		r.send(packet{kind: kindReset, id: uint16(2 * i), seq: 1})
		r.send(packet{kind: kindData, id: uint16(2*i + 20001), seq: 1})
	}
	a, b := connect(t, listen(t, "127.0.0.1:0", nil), s)
	if _, err := a.Write([]byte("friend")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "friend" {
		t.Errorf("read %q, %v", got, err)
	}
	stats := s.Stats()
	if stats.HalfOpen > maxHalfOpen || stats.Conns > maxHalfOpen+1 || stats.Invalid < 100 {
		t.Errorf("after the flood: %+v", stats)
	}
	resets := 0
	r.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	buffer := make([]byte, 100)
	for {
		n, err := r.Read(buffer)
		if err != nil {
			break
		}
		if p, err := parsePacket(buffer[:n]); err == nil && p.kind == kindReset {
			resets++
		}
	}
	if resets > 10*resetsPerSecond {
		t.Errorf("%d resets sent", resets)
	}
}

// TestLimits: no more connections than allowed, no more waiting than allowed.
func TestLimits(t *testing.T) {
	to := listen(t, "127.0.0.1:0", func(c *Config) { c.Backlog = 2 })
	from := listen(t, "127.0.0.1:0", func(c *Config) { c.MaxConns = 4 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range 4 {
		c, err := from.Dial(ctx, addrOf(to))
		if i >= 2 && errors.Is(err, syscall.ECONNRESET) {
			continue // before Dial had looked
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i < 2 {
			continue
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection %d, with nobody to accept it: %v", i, err)
		}
	}
	for range 2 {
		c, err := to.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	waitFor(t, "the reset connections to go", func() bool { return from.Stats().Conns == 2 })
	for range 2 {
		if _, err := from.Dial(ctx, addrOf(to)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.Dial(ctx, addrOf(to)); !errors.Is(err, errTooMany) {
		t.Errorf("fifth connection of four: %v", err)
	}
}

// TestDial: to nobody, to a socket without uTP, with a context that ends.
func TestDial(t *testing.T) {
	s := listen(t, "127.0.0.1:0", nil)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	silent := newRaw(t, s)
	if _, err := s.Dial(ctx, silent.LocalAddr().(*net.UDPAddr).AddrPort()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent peer: %v", err)
	}
	syn := silent.receive()
	if syn.kind != kindSyn {
		t.Errorf("dialled with %+v", syn)
	}
	refused := make(chan error, 1)
	go func() {
		_, err := s.Dial(context.Background(), silent.LocalAddr().(*net.UDPAddr).AddrPort())
		refused <- err
	}()
	syn = silent.receive()
	silent.send(packet{kind: kindReset, id: syn.id, ack: syn.seq})
	if err := <-refused; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("peer that refuses: %v", err)
	}
	if _, err := s.Dial(context.Background(), netip.AddrPort{}); err == nil {
		t.Error("dialled nowhere")
	}
	waitFor(t, "failed connections to go", func() bool { return s.Stats().Conns == 0 })
	s.Close()
	if _, err := s.Dial(context.Background(), netip.MustParseAddrPort("127.0.0.1:9")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial on a closed socket: %v", err)
	}
	if _, err := s.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept on a closed socket: %v", err)
	}
}

// TestEnd: connections that are left when Run ends fail at once, on both sides.
func TestEnd(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	s, err := New(Config{Conn: udp})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	a, b := connect(t, s, listen(t, "127.0.0.1:0", nil))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer's read: %v", err)
	}
	if err := s.Run(context.Background()); err == nil {
		t.Error("ran twice")
	}
	if _, err := udp.WriteTo([]byte{1}, udp.LocalAddr()); err != nil {
		t.Errorf("the UDP socket is closed: %v", err)
	}
}

// TestManyConnections: a hundred connections share the socket and its budget.
func TestManyConnections(t *testing.T) {
	const conns, size = 100, 200 << 10
	from, to := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	results := make(chan error, 2*conns)
	for range conns {
		a, b := connect(t, from, to)
		go func() {
			_, err := a.Write(make([]byte, size))
			results <- err
		}()
		go func() {
			_, err := io.ReadFull(b, make([]byte, size))
			results <- err
		}()
	}
	for range 2 * conns {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
