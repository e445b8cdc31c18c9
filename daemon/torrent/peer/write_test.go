package peer

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

// reads records what the writer reads from disk.
type reads struct {
	mu   sync.Mutex
	list []int // bytes of each read
	fail uint32
}

func (r *reads) block(dst []byte, index, begin uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index == r.fail {
		return errors.New("disk on fire")
	}
	r.list = append(r.list, len(dst))
	for i := range dst {
		dst[i] = byte(int(index) + (int(begin)+i)/block)
	}
	return nil
}

func served(index, begin, length uint32) []byte {
	return pieceMessage(index, begin, bytes.Repeat([]byte{byte(index + begin/block)}, int(length)))
}

func TestUploads(t *testing.T) {
	type up struct{ index, begin, length uint32 }
	cases := []struct {
		name string
		ups  []up
		want []byte
		read []int
	}{
		{"one", []up{{1, 0, block}}, served(1, 0, block), []int{block}},
		{"neighbours are read at once", []up{{1, 0, block}, {1, block, block}, {1, 2 * block, 5}},
			bytes.Join([][]byte{served(1, 0, block), served(1, block, block), served(1, 2*block, 5)}, nil), []int{2*block + 5}},
		{"others are not", []up{{1, 0, block}, {1, 2 * block, block}, {2, 3 * block, block}},
			bytes.Join([][]byte{served(1, 0, block), served(1, 2*block, block), served(2, 3*block, block)}, nil), []int{block, block, block}},
		{"what cannot be read is refused", []up{{1, 0, block}, {13, 0, block}, {13, block, block}, {2, 0, block}},
			bytes.Join([][]byte{served(1, 0, block), served(2, 0, block),
				peerwire.AppendBlock(peerwire.AppendBlock(nil, peerwire.Reject, 13, 0, block), peerwire.Reject, 13, block, block)}, nil), []int{block, block}},
		{"nothing can be read", []up{{13, 0, block}}, peerwire.AppendBlock(nil, peerwire.Reject, 13, 0, block), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			disk := &reads{fail: 13}
			d := newDesk(t, func(cfg *Config) { cfg.ReadBlock = disk.block })
			// All at once, so that they make one batch.
			d.out.Lock()
			for _, u := range c.ups {
				d.out.uploads = append(d.out.uploads, upload(u))
			}
			d.out.Unlock()
			d.wakeWriter()
			d.expect(t, c.want)
			disk.mu.Lock()
			defer disk.mu.Unlock()
			if len(disk.list) != len(c.read) {
				t.Fatalf("reads of %v, not %v", disk.list, c.read)
			}
			for i := range c.read {
				if disk.list[i] != c.read[i] {
					t.Errorf("reads of %v, not %v", disk.list, c.read)
				}
			}
		})
	}
}

func TestReadAheadIsBounded(t *testing.T) {
	disk := &reads{fail: 13}
	d := newDesk(t, func(cfg *Config) { cfg.ReadBlock = disk.block })
	d.out.Lock()
	var want []byte
	for i := range uint32(50) {
		d.out.uploads = append(d.out.uploads, upload{1, i * block, block})
		want = append(want, served(1, i*block, block)...)
	}
	d.out.Unlock()
	d.wakeWriter()
	d.expect(t, want)
	disk.mu.Lock()
	defer disk.mu.Unlock()
	for _, n := range disk.list {
		if n > readAhead {
			t.Errorf("read %d bytes at once", n)
		}
	}
}

// hold keeps a Conn's writer busy: it is in the middle of a message that the
// remote does not read on.
func hold(t *testing.T, d *desk) {
	d.Send(func(b []byte) []byte { return peerwire.AppendMessage(b, peerwire.Unchoke) })
	d.expect(t, []byte{0, 0, 0})
}

func TestUploadQueueIsBounded(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.MaxUploads = 3 })
	hold(t, d)
	for i := range uint32(5) {
		if got := d.QueueUpload(1, i*block, block); got != (i < 3) {
			t.Errorf("upload %d queued: %v", i, got)
		}
	}
	if d.QueuedUploads() != 3 {
		t.Errorf("%d uploads wait", d.QueuedUploads())
	}
	if !d.CancelUpload(1, block, block) || d.CancelUpload(1, block, block) || d.CancelUpload(9, 0, block) {
		t.Error("cancel takes off what is there, once")
	}
	d.expect(t, []byte{1, 1})
	d.expect(t, append(served(1, 0, block), served(1, 2*block, block)...))
}

func TestChokeDropsUploads(t *testing.T) {
	for _, fast := range []bool{true, false} {
		t.Run(map[bool]string{true: "fast", false: "plain"}[fast], func(t *testing.T) {
			d := newDesk(t, func(c *Config) { c.Fast = fast })
			hold(t, d)
			d.QueueUpload(1, 0, block)
			d.QueueUpload(1, block, block)
			d.Choke()
			d.Send(func(b []byte) []byte { return peerwire.AppendIndex(b, peerwire.Have, 1) })
			want := []byte{1, 1}
			want = peerwire.AppendMessage(want, peerwire.Choke)
			if fast {
				want = peerwire.AppendBlock(want, peerwire.Reject, 1, 0, block)
				want = peerwire.AppendBlock(want, peerwire.Reject, 1, block, block)
			}
			d.expect(t, peerwire.AppendIndex(want, peerwire.Have, 1))
			d.Send(func(b []byte) []byte { return peerwire.AppendIndex(b, peerwire.Have, 2) })
			d.expect(t, peerwire.AppendIndex(nil, peerwire.Have, 2)) // and no block before it
			if d.QueuedUploads() != 0 || d.Uploaded() != 0 {
				t.Errorf("%d uploads wait, %d bytes sent", d.QueuedUploads(), d.Uploaded())
			}
		})
	}
}

func TestFullOutboxEndsTheConnection(t *testing.T) {
	d := newDesk(t, nil)
	var err error
	for range 2 * maxOutbox / 5 {
		if err = d.Send(func(b []byte) []byte { return peerwire.AppendMessage(b, peerwire.Choke) }); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrOutboxFull) {
		t.Fatalf("%v, not %v", err, ErrOutboxFull)
	}
	d.waitEnd(t)
}

func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		start := time.Now()
		d.QueueUpload(1, 0, block)
		err := <-d.ended
		if took := time.Since(start); took != writeTimeout {
			t.Errorf("ended after %v: %v", took, err)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		start := time.Now()
		got := make([]byte, 4)
		for i := range 2 {
			if i == 1 { // anything sent makes it wait anew
				time.Sleep(keepAlive / 2)
				start = time.Now()
				d.write(t, peerwire.AppendKeepAlive(nil))
				d.Send(func(b []byte) []byte { return peerwire.AppendMessage(b, peerwire.Choke) })
				io.ReadFull(d.remote, make([]byte, 5))
			}
			if _, err := io.ReadFull(d.remote, got); err != nil || !bytes.Equal(got, make([]byte, 4)) {
				t.Fatalf("%x, %v", got, err)
			}
			if idle := time.Since(start); idle != keepAlive {
				t.Errorf("keep-alive after %v", idle)
			}
			start = time.Now()
		}
		d.Close()
		<-d.ended
	})
}

// turnstile is a limiter that a test opens by hand.
type turnstile struct {
	asked  chan int
	passed chan struct{} // one token a batch
	left   chan struct{}
}

func newTurnstile() turnstile {
	return turnstile{make(chan int, 1), make(chan struct{}), make(chan struct{}, 1)}
}

func (s turnstile) Enter(n int) (<-chan struct{}, func()) {
	s.asked <- n
	return s.passed, func() { s.left <- struct{}{} }
}

func (turnstile) Batch() int { return 2 * block }

// While blocks wait for the limit, messages go out and blocks are cancelled.
func TestUploadLimit(t *testing.T) {
	limit := newTurnstile()
	disk := &reads{fail: 13}
	d := newDesk(t, func(c *Config) { c.Up, c.ReadBlock = []Limiter{limit}, disk.block })
	d.out.Lock()
	for i := range uint32(4) {
		d.out.uploads = append(d.out.uploads, upload{1, i * block, block})
	}
	d.out.Unlock()
	d.wakeWriter()
	if n := <-limit.asked; n != 2*block {
		t.Errorf("asked for %d bytes", n)
	}
	d.Send(func(b []byte) []byte { return peerwire.AppendMessage(b, peerwire.Interested) })
	d.expect(t, peerwire.AppendMessage(nil, peerwire.Interested))
	if !d.CancelUpload(1, 0, block) {
		t.Error("a block that is held back cannot be cancelled")
	}
	limit.passed <- struct{}{}
	d.expect(t, append(served(1, block, block), served(1, 2*block, block)...))
	if n := <-limit.asked; n != block {
		t.Errorf("asked for %d bytes of the rest", n)
	}
	d.Close() // ends a writer that is held back
	d.waitEnd(t)
	<-limit.left
}
