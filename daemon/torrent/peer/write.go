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

func (w *writer) drain() error {
	for w.take() {
		if len(w.control) > 0 {
			if err := w.flush(w.control); err != nil {
				return err
			}
		}
		if len(w.batch) > 0 {
			if err := w.serve(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take moves what waits out of the outbox: all control messages, and blocks up
// to readAhead.
func (w *writer) take() bool {
	w.out.Lock()
	defer w.out.Unlock()
	w.control, w.out.control = w.out.control, w.control[:0]
	w.batch = w.batch[:0]
	n, size := 0, 0
	for _, u := range w.out.uploads {
		if size += int(u.length); n > 0 && size > readAhead {
			break
		}
		n++
	}
	w.batch = append(w.batch, w.out.uploads[:n]...)
	w.out.uploads = append(w.out.uploads[:0], w.out.uploads[n:]...)
	return len(w.control) > 0 || n > 0
}

func (w *writer) flush(b []byte) error {
	w.cfg.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := w.cfg.Conn.Write(b)
	return err
}
