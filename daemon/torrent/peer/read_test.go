package peer

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/daemon/torrent/piece"
)

// The block that completes a piece counts even if the connection ends before
// its actor could be told: nobody else would notice.
func TestLastBlockIsNotLostAtTheEnd(t *testing.T) {
	gate := make(gateFunc, 1)
	d := newDesk(t, func(c *Config) { c.Gate = gate })
	go io.Copy(io.Discard, d.remote)
	buf := piece.NewPool(0).New(0, block)
	d.Request([]Request{{0, 0, block, buf}})
	wrote := make(chan struct{})
	go func() { defer close(wrote); d.remote.Write(pieceMessage(0, 0, make([]byte, block))) }()
	dst := <-gate // the header is read, the block is not
	d.in.Lock()   // the reader gets as far as telling
	close(dst)
	<-wrote
	d.in.closed = true // what Close does, while the reader is on its way
	d.in.Unlock()
	d.waitEnd(t)
	events := d.Take(nil)
	if len(events) != 1 || !events[0].Complete || events[0].Piece != buf {
		t.Errorf("events %+v", events)
	}
}

// gateFunc hands out a channel for each reader that waits; closing it lets it go on.
type gateFunc chan chan struct{}

func (g gateFunc) Wait(done <-chan struct{}) bool {
	c := make(chan struct{})
	select {
	case g <- c:
	case <-done:
		return true
	}
	select {
	case <-c:
	case <-done:
	}
	return true
}

// A reader held back by the disk or the rate limit is not a peer that is idle
// or stuck.
func TestHeldBackReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(gateFunc)
		d := newDesk(t, func(c *Config) { c.Gate = gate })
		go io.Copy(io.Discard, d.remote)
		buf := piece.NewPool(0).New(0, block)
		d.Request([]Request{{0, 0, block, buf}})
		go d.remote.Write(pieceMessage(0, 0, make([]byte, block)))
		pass := <-gate
		time.Sleep(2 * idleTimeout)
		if d.Stuck(time.Now()) {
			t.Error("held back by us, and called stuck")
		}
		close(pass)
		if e := d.events(t, 1); !e[0].Complete {
			t.Errorf("%+v", e[0])
		}
		d.Close()
		d.waitEnd(t)
	})
}

// An idle reader passes a full extent on itself, whatever time the disk takes. The actor
// is asked to when the reader cannot, or may have more to read: nobody knows what waits
// in a pipe.
func TestFullExtents(t *testing.T) {
	for _, c := range []struct {
		name        string
		pair        func(testing.TB) (here, there net.Conn)
		passes      bool
		calls, full int
	}{
		{"passed", tcpPair, true, 2, 0},
		{"not passed", tcpPair, false, 2, 2},
		{"not idle", func(testing.TB) (here, there net.Conn) { return net.Pipe() }, true, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			here, there := c.pair(t)
			d := runDesk(t, here, there, nil)
			go io.Copy(io.Discard, d.remote)
			buf := piece.NewPool(0).New(0, 2*piece.ExtentSize)
			calls, full := 0, 0
			buf.Pass = func() bool {
				calls++
				if d.Stuck(time.Now().Add(time.Hour)) {
					t.Error("the peer is blamed for the disk")
				}
				return c.passes
			}
			for begin := uint32(0); begin < 2*piece.ExtentSize; begin += block {
				d.Request([]Request{{0, begin, block, buf}})
				d.write(t, pieceMessage(0, begin, make([]byte, block)))
				if d.events(t, 1)[0].Full {
					full++
				}
			}
			if calls != c.calls || full != c.full {
				t.Errorf("passed on %d times, the actor asked to %d times, not %d and %d", calls, full, c.calls, c.full)
			}
			d.Close()
			d.waitEnd(t)
		})
	}
}

func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		go io.Copy(io.Discard, d.remote)
		buf := piece.NewPool(0).New(0, 2*block)
		d.Request([]Request{{0, 0, block, buf}, {0, block, block, buf}})
		message := pieceMessage(0, 0, make([]byte, block))
		d.write(t, message[:1000])
		time.Sleep(blockTimeout - time.Second)
		if d.Stuck(time.Now()) {
			t.Error("stuck before its time")
		}
		time.Sleep(2 * time.Second)
		if !d.Stuck(time.Now()) {
			t.Error("in the middle of a block for too long, and not stuck")
		}
		d.write(t, message[1000:])
		synctest.Wait()
		time.Sleep(time.Hour / 60)
		if d.Stuck(time.Now()) {
			t.Error("stuck between two blocks")
		}
		d.Close()
		d.waitEnd(t)
	})
}

// A block that breaks off can be had from somebody else.
func TestDisconnectInABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		go io.Copy(io.Discard, d.remote)
		buf := piece.NewPool(0).New(0, block)
		d.Request([]Request{{0, 0, block, buf}})
		d.write(t, pieceMessage(0, 0, make([]byte, block))[:1000])
		synctest.Wait() // the reader is in the middle of the block
		if _, ok := buf.Claim(0, block); ok {
			t.Error("claimed by two at once")
		}
		d.remote.Close()
		if err := d.waitEnd(t); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v, not %v", err, io.ErrUnexpectedEOF)
		}
		if _, ok := buf.Claim(0, block); !ok {
			t.Error("block that broke off cannot be claimed")
		}
	})
}
