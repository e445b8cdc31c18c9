package peer

import (
	"net"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

// readAhead bounds the bytes read from disk and written at once.
const readAhead = 16 * peerwire.BlockSize

type upload struct{ index, begin, length uint32 }

// Send appends messages to the outbox. It never waits.
func (c *Conn) Send(add func([]byte) []byte) error {
	c.out.Lock()
	c.out.control = add(c.out.control)
	full := len(c.out.control) > maxOutbox
	c.out.Unlock()
	if full {
		c.Close()
		return ErrOutboxFull
	}
	c.wakeWriter()
	return nil
}

// Backlog is how many bytes of messages the peer has not been sent yet.
func (c *Conn) Backlog() int {
	c.out.Lock()
	defer c.out.Unlock()
	return len(c.out.control)
}

func (c *Conn) wakeWriter() {
	select {
	case c.out.wake <- struct{}{}:
	default:
	}
}

// QueueUpload queues a block to be served. It reports false when the peer has
// more requests waiting than it was told it may.
func (c *Conn) QueueUpload(index, begin, length uint32) bool {
	c.out.Lock()
	ok := len(c.out.uploads) < c.cfg.MaxUploads
	if ok {
		c.out.uploads = append(c.out.uploads, upload{index, begin, length})
	}
	c.out.Unlock()
	c.wakeWriter()
	return ok
}

// CancelUpload takes a block off the queue and reports whether it was there.
func (c *Conn) CancelUpload(index, begin, length uint32) bool {
	c.out.Lock()
	defer c.out.Unlock()
	for i, u := range c.out.uploads {
		if u == (upload{index, begin, length}) {
			c.out.uploads = append(c.out.uploads[:i], c.out.uploads[i+1:]...)
			return true
		}
	}
	return false
}

// Choke tells the peer that it is choked and drops what it waits for. A peer
// that speaks BEP 6 gets a reject for each block.
func (c *Conn) Choke() error {
	return c.Send(func(b []byte) []byte {
		b = peerwire.AppendMessage(b, peerwire.Choke)
		if c.cfg.Fast {
			for _, u := range c.out.uploads {
				b = peerwire.AppendBlock(b, peerwire.Reject, u.index, u.begin, u.length)
			}
		}
		c.out.uploads = c.out.uploads[:0]
		return b
	})
}

// QueuedUploads is the number of blocks waiting to be served.
func (c *Conn) QueuedUploads() int {
	c.out.Lock()
	defer c.out.Unlock()
	return len(c.out.uploads)
}

// writer is the state of the writer's loop.
type writer struct {
	*Conn
	control []byte
	batch   []upload
	data    []byte // blocks of the batch
	headers []byte
	vector  net.Buffers
}

// write is the writer's loop: control messages first, then blocks.
func (c *Conn) write() error {
	w := writer{Conn: c}
	idle := time.NewTimer(keepAlive)
	defer idle.Stop()
	for {
		select {
		case <-c.done:
			return nil
		case <-idle.C:
			w.control = peerwire.AppendKeepAlive(w.control[:0])
			if err := w.flush(w.control); err != nil {
				return err
			}
		case <-c.out.wake:
			if err := w.drain(); err != nil {
				return err
			}
		}
		idle.Reset(keepAlive)
	}
}

// drain sends what waits. Control messages go first, also while blocks wait
// for the limit, and blocks leave the queue only when they may move: until then
// they can be cancelled.
func (w *writer) drain() error {
	for {
		if err := w.flushControl(); err != nil {
			return err
		}
		size := w.batchSize()
		if size == 0 {
			return nil
		}
		if err := w.hold(size); err != nil {
			return err
		}
		w.take(size)
		if err := w.serve(); err != nil {
			return err
		}
	}
}

func (w *writer) flushControl() error {
	w.out.Lock()
	w.control, w.out.control = w.out.control, w.control[:0]
	w.out.Unlock()
	if len(w.control) == 0 {
		return nil
	}
	return w.flush(w.control)
}

// batchSize is how many bytes of the blocks that wait go next: up to
// readAhead, or fewer where a limit is to be held smoothly.
func (w *writer) batchSize() (size int) {
	most := readAhead
	for _, l := range w.cfg.Up {
		most = min(most, l.Batch())
	}
	w.out.Lock()
	defer w.out.Unlock()
	for _, u := range w.out.uploads {
		if size > 0 && size+int(u.length) > most {
			break
		}
		size += int(u.length)
	}
	return size
}

// hold waits until the limits let size bytes out, and sends control messages
// meanwhile.
func (w *writer) hold(size int) error {
	for _, l := range w.cfg.Up {
		passed, leave := l.Enter(size)
		for waiting := passed != nil; waiting; {
			var err error
			select {
			case <-passed:
				waiting = false
			case <-w.out.wake:
				err = w.flushControl()
			case <-w.done:
				err = net.ErrClosed
			}
			if err != nil {
				leave()
				return err
			}
		}
	}
	return nil
}

// take moves up to size bytes of blocks off the queue.
func (w *writer) take(size int) {
	w.out.Lock()
	defer w.out.Unlock()
	n := 0
	for _, u := range w.out.uploads {
		if size -= int(u.length); size < 0 {
			break
		}
		n++
	}
	w.batch = append(w.batch[:0], w.out.uploads[:n]...)
	w.out.uploads = append(w.out.uploads[:0], w.out.uploads[n:]...)
}

func (w *writer) flush(b []byte) error {
	w.cfg.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := w.cfg.Conn.Write(b)
	return err
}
