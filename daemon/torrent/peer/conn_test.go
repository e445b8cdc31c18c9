package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open lets everything pass.
type open struct{}

func (open) Wait(<-chan struct{}) bool { return false }

// desk is a Conn, its actor's end and the remote end of its connection.
type desk struct {
	*Conn
	remote net.Conn
	ready  chan *Conn
	ended  chan error
}

// newDesk runs a Conn over a pipe. The pipe has no buffer: what is written has
// been read when Write returns.
func newDesk(t testing.TB, change func(*Config)) *desk {
	here, there := net.Pipe()
	return runDesk(t, here, there, change)
}

func runDesk(t testing.TB, here, there net.Conn, change func(*Config)) *desk {
	d := &desk{remote: there, ready: make(chan *Conn, 16), ended: make(chan error, 1)}
	cfg := Config{
		Conn: here, ID: 7, Fast: true, BitfieldLen: 2, Ready: d.ready,
		Gate: open{}, MaxUploads: 100,
		Unreadable: func(error) {},
		ReadBlock: func(dst []byte, index, begin uint32) error {
			for i := range dst {
				dst[i] = byte(index) + byte(begin/block)
			}
			return nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	d.Conn = New(cfg)
	go func() { d.ended <- d.Run(context.Background()) }()
	t.Cleanup(func() { d.Close(); there.Close() })
	return d
}

func tcpPair(t testing.TB) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return here, there
}

// events collects what the actor is told until n events are there.
func (d *desk) events(t testing.TB, n int) (all []Event) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for len(all) < n {
		select {
		case <-d.ready:
			all = append(all, d.Take(nil)...)
		case <-deadline:
			t.Fatalf("%d events of %d", len(all), n)
		}
	}
	return all
}

func (d *desk) write(t testing.TB, b []byte) {
	t.Helper()
	if _, err := d.remote.Write(b); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly these bytes from the Conn.
func (d *desk) expect(t testing.TB, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	d.remote.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := io.ReadFull(d.remote, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %x, not %x, %v", got[:n], want, err)
	}
}

func (d *desk) waitEnd(t testing.TB) error {
	t.Helper()
	select {
	case err := <-d.ended:
		d.ended <- err
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("connection does not end")
		return nil
	}
}

func pieceMessage(index, begin uint32, data []byte) []byte {
	return append(peerwire.AppendPieceHeader(nil, index, begin, uint32(len(data))), data...)
}

func TestBlocksGoIntoTheirPiece(t *testing.T) {
	for _, kind := range []string{"pipe", "TCP"} {
		t.Run(kind, func(t *testing.T) {
			here, there := net.Pipe()
			if kind == "TCP" {
				here, there = tcpPair(t)
			}
			d := runDesk(t, here, there, nil)
			go io.Copy(io.Discard, there)
			buf := piece.NewPool(0).New(3, 2*block+9)
			var requests []Request
			for begin := uint32(0); begin < 2*block+9; begin += block {
				requests = append(requests, Request{3, begin, min(block, 2*block+9-begin), buf})
			}
			if err := d.Request(requests); err != nil {
				t.Fatal(err)
			}
			want := bytes.Repeat([]byte("0123456789"), block)[:2*block+9]
			for _, r := range requests {
				d.write(t, pieceMessage(3, r.Begin, want[r.Begin:r.Begin+r.Length]))
			}
			all := d.events(t, 3)
			for i, e := range all {
				if e.ID != peerwire.Piece || e.Piece != buf || e.Begin != requests[i].Begin || e.Complete != (i == 2) || e.Late {
					t.Errorf("event %d: %+v", i, e)
				}
			}
			if !bytes.Equal(buf.Take(0), want) || buf.Contributors()[1] != 7 {
				t.Error("piece differs")
			}
			if d.Downloaded() != int64(len(want)) || d.Outstanding() != 0 {
				t.Errorf("%d bytes counted, %d blocks outstanding", d.Downloaded(), d.Outstanding())
			}
		})
	}
}

// Whatever ends a connection, its Run says it.
func TestViolationsEndTheConnection(t *testing.T) {
	asked := Request{Index: 1, Begin: 0, Length: block}
	cases := []struct {
		name string
		wire []byte
	}{
		{"block never asked for", pieceMessage(0, 0, []byte("x"))},
		{"other length than asked for", pieceMessage(1, 0, []byte("x"))},
		{"other begin than asked for", pieceMessage(1, 1, make([]byte, block))},
		{"bitfield of the wrong length", peerwire.AppendBitfield(nil, []byte{1})},
		{"oversized block", []byte{0, 0, 0x40, 10, 7}},
		{"oversized message", []byte{0xff, 0xff, 0xff, 0xff, 20}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, nil)
			go io.Copy(io.Discard, d.remote)
			asked.Piece = piece.NewPool(0).New(1, block)
			d.Request([]Request{asked})
			go d.remote.Write(c.wire) // the end may come before all of it is read
			var v *peerwire.Error
			if err := d.waitEnd(t); !errors.As(err, &v) {
				t.Errorf("%v, not a violation", err)
			}
		})
	}
}

func TestSilenceEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		go io.Copy(io.Discard, d.remote)
		start := time.Now()
		for range 3 { // keep-alives keep it
			time.Sleep(idleTimeout - 2*time.Second)
			d.write(t, peerwire.AppendKeepAlive(nil))
		}
		last := time.Since(start)
		err := <-d.ended
		if took := time.Since(start) - last; took > idleTimeout+time.Second || took < idleTimeout-2*time.Second {
			t.Errorf("ended %v after the last message: %v", took, err)
		}
	})
}

// A message is told of at once, also when what follows it is no news.
func TestEventsAreToldAtOnce(t *testing.T) {
	have := peerwire.AppendIndex(nil, peerwire.Have, 1)
	big := peerwire.AppendExtended(nil, 1, make([]byte, 60_000))
	cases := []struct {
		name string
		wire []byte
		n    int
	}{
		{"alone", have, 1},
		{"several", bytes.Repeat(have, 3), 3},
		{"before a keep-alive", append(bytes.Clone(have), 0, 0, 0, 0), 1},
		{"before a port message", append(bytes.Clone(have), 0, 0, 0, 3, 9, 1, 2), 2},
		{"before half a message", append(bytes.Clone(have), 0, 0), 1},
		{"more than fits", bytes.Repeat(have, 3*maxEvents), 3 * maxEvents},
		{"more bytes than fit", bytes.Repeat(append(bytes.Clone(big), have...), 40), 80},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, nil)
			done := make(chan struct{})
			go func() { defer close(done); d.remote.Write(c.wire) }()
			all := d.events(t, c.n)
			<-done
			if len(all) != c.n {
				t.Errorf("%d events, not %d", len(all), c.n)
			}
		})
	}
}

// An actor that does not look stops the reader, within bounds.
func TestBackPressure(t *testing.T) {
	cases := []struct {
		name string
		one  []byte
		n    int
	}{
		{"by number", peerwire.AppendIndex(nil, peerwire.Have, 1), 5 * maxEvents},
		{"by bytes", peerwire.AppendExtended(nil, 1, make([]byte, 50_000)), 100},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, nil)
				go d.remote.Write(bytes.Repeat(c.one, c.n))
				synctest.Wait() // the reader and the writer are both held up
				d.in.Lock()
				events, size := len(d.in.events), d.in.bytes
				d.in.Unlock()
				if events == 0 || events > maxEvents || size > maxEventBytes+peerwire.MaxExtended {
					t.Errorf("%d events of %d bytes wait", events, size)
				}
				if all := d.events(t, c.n); len(all) != c.n {
					t.Errorf("%d events in the end, not %d", len(all), c.n)
				}
				d.Close()
				d.waitEnd(t)
			})
		})
	}
}

func TestGiveUpAndCancel(t *testing.T) {
	d := newDesk(t, nil)
	buf := piece.NewPool(0).New(1, 3*block)
	var requests []Request
	var wire []byte
	for i := range uint32(3) {
		requests = append(requests, Request{1, i * block, block, buf})
		wire = peerwire.AppendBlock(wire, peerwire.Request, 1, i*block, block)
	}
	d.Request(requests)
	d.expect(t, wire)
	if d.Outstanding() != 3 || d.Room() != startWindow-3 {
		t.Errorf("%d outstanding, room for %d", d.Outstanding(), d.Room())
	}
	d.Cancel(1, block, block)
	d.expect(t, peerwire.AppendBlock(nil, peerwire.Cancel, 1, block, block))
	d.Cancel(1, block, block)   // given up already: says nothing
	d.Cancel(9, block, block)   // never asked for
	d.Cancel(1, block, block-1) // nor this
	if blocks, err := d.GiveUpAll(true); err != nil || len(blocks) != 2 {
		t.Errorf("gave up %d blocks, %v", len(blocks), err)
	}
	d.expect(t, append(peerwire.AppendBlock(nil, peerwire.Cancel, 1, 0, block), peerwire.AppendBlock(nil, peerwire.Cancel, 1, 2*block, block)...))
	if d.Outstanding() != 0 || d.Room() != startWindow {
		t.Errorf("%d outstanding, room for %d", d.Outstanding(), d.Room())
	}
	d.write(t, pieceMessage(1, 0, make([]byte, block)))
	if e := d.events(t, 1)[0]; !e.Late || e.Piece != buf {
		t.Errorf("late block: %+v", e)
	}
	if blocks, _ := d.GiveUpAll(false); blocks != nil {
		t.Errorf("gave up %d blocks again", len(blocks))
	}
}

func TestRejected(t *testing.T) {
	d := newDesk(t, nil)
	go io.Copy(io.Discard, d.remote)
	d.Request(numbered(2))
	if ok, err := d.Rejected(1, 0, block); !ok || err != nil {
		t.Errorf("outstanding request: %v, %v", ok, err)
	}
	if _, err := d.Rejected(1, 0, block); err == nil {
		t.Error("rejected twice")
	}
	d.GiveUpAll(false)
	if ok, err := d.Rejected(1, block, block); ok || err != nil {
		t.Errorf("request that was given up: %v, %v", ok, err)
	}
	if _, err := d.Rejected(2, 0, block); err == nil {
		t.Error("rejected what was never asked for")
	}
}

func TestQueueLimit(t *testing.T) {
	d := newDesk(t, nil)
	for _, c := range []struct{ reqq, want int }{{-1 << 62, 1}, {0, 1}, {3, 3}, {1 << 62, startWindow}} {
		d.SetQueueLimit(c.reqq)
		if d.Room() != c.want {
			t.Errorf("reqq %d: room for %d, not %d", c.reqq, d.Room(), c.want)
		}
	}
}

func TestTickTellsWhoSnubs(t *testing.T) {
	d := newDesk(t, nil)
	go io.Copy(io.Discard, d.remote)
	late := time.Now().Add(2 * firstSnub)
	if d.Tick(late) {
		t.Error("snubbed by a peer that owes nothing")
	}
	d.Request(numbered(1))
	if !d.Tick(late) {
		t.Error("not snubbed by a peer that owes a block")
	}
	d.GiveUpAll(true)
	if d.Tick(late) {
		t.Error("snubbed by a peer that nothing is expected of")
	}
}

// Close and everything else may be called from anywhere at any time.
func TestConcurrentUse(t *testing.T) {
	d := newDesk(t, nil)
	go io.Copy(io.Discard, d.remote)
	go func() {
		for {
			if _, err := d.remote.Write(peerwire.AppendIndex(nil, peerwire.Have, 1)); err != nil {
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range uint32(200) {
				d.Request([]Request{{1, i * block, block, nil}})
				d.QueueUpload(1, i*block, block)
				d.CancelUpload(1, i*block, block)
				d.Tick(time.Now())
				d.GiveUpAll(true)
				d.Choke()
				d.Take(nil)
			}
		})
	}
	wg.Wait()
	d.Close()
	d.Close()
	d.waitEnd(t)
}
