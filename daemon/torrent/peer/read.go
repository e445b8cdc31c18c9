package peer

import (
	"bytes"
	"fmt"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

// read is the reader's loop.
func (c *Conn) read() error {
	r := peerwire.NewReader(c.cfg.Conn, c.cfg.BitfieldLen)
	r.Unread(c.cfg.Rest)
	next := &expected{pipe: &c.pipe}
	defer next.Keep(0)
	var deadline time.Time
	for {
		// Moving a deadline costs a timer; once a second is exact enough.
		if now := time.Now(); deadline.Sub(now) < idleTimeout-time.Second {
			deadline = now.Add(idleTimeout)
			c.cfg.Conn.SetReadDeadline(deadline)
		}
		m, err := r.Next()
		if err != nil {
			return err
		}
		switch m.ID {
		case peerwire.KeepAlive:
			if !r.Buffered() {
				err = c.nudge()
			}
		case peerwire.Piece:
			err = c.block(r, m, next)
		default:
			e := Event{ID: m.ID, Extension: m.Extension, Index: m.Index, Begin: m.Begin, Length: m.Length, Bytes: bytes.Clone(m.Bytes)}
			err = c.push(e, !r.Buffered())
		}
		if err != nil {
			return err
		}
	}
}

// hold waits until the disk and the user's limit let n bytes in, and returns the
// time then. The peer is not to blame for that.
func (c *Conn) hold(n int, now time.Time) time.Time {
	waited := c.cfg.Gate.Wait(c.done)
	for _, l := range c.cfg.Down {
		if passed, leave := l.Enter(n); passed != nil {
			waited = true
			select {
			case <-passed:
			case <-c.done:
				leave()
			}
		}
	}
	if !waited {
		return now
	}
	after := time.Now()
	if after.Sub(now) > time.Second {
		c.cfg.Conn.SetReadDeadline(after.Add(idleTimeout))
	}
	return after
}

// Stuck reports whether the peer has begun a block and does not end it. Such a
// connection is to be closed: until then nobody else can deliver the block.
func (c *Conn) Stuck(now time.Time) bool {
	since := c.reading.Load()
	return since != 0 && now.Sub(time.Unix(0, since)) > c.cfg.BlockTimeout
}

// WrongBlock says that a block has another hash than the torrent says (BEP 52).
// Its sender alone is to blame. Block counts those of its piece from 0, Length
// is in bytes.
type WrongBlock struct{ Piece, Block, Length int }

func (e *WrongBlock) Error() string {
	return fmt.Sprintf("block %d of piece %d has a wrong hash", e.Block, e.Piece)
}

// block takes the block that a Piece message carries.
func (c *Conn) block(r *peerwire.Reader, m peerwire.Message, next *expected) error {
	e := Event{ID: peerwire.Piece, Index: m.Index, Begin: m.Begin, Length: m.Length}
	now := time.Now()
	buf, late, err := c.pipe.arrived(m.Index, m.Begin, m.Length, now)
	if err != nil {
		return err
	}
	c.reading.Store(c.hold(int(m.Length), now).UnixNano())
	defer c.reading.Store(0)
	e.Late = late
	if dst, ok := next.place(buf, m.Begin, m.Length); !ok {
		err = r.SkipBlock()
	} else if err = r.ReadBlock(dst, next); err != nil {
		buf.Abandon(int(m.Begin))
	} else if !buf.Right(int(m.Begin), dst) {
		buf.Abandon(int(m.Begin))
		return &WrongBlock{Piece: int(m.Index), Block: int(m.Begin) / peerwire.BlockSize, Length: int(m.Length)}
	} else {
		c.delivered(buf, &e, r.Idle())
	}
	if err != nil {
		return fmt.Errorf("read block %d of piece %d: %w", m.Begin/peerwire.BlockSize, m.Index, err)
	}
	c.downloaded.Add(int64(m.Length))
	return c.push(e, e.Full || e.Complete)
}

// delivered ends the claim of a block that is in its place. A reader that is idle passes
// its extent on.
func (c *Conn) delivered(buf *piece.Buffer, e *Event, idle bool) {
	e.Piece = buf
	e.Full, e.Complete = buf.Deliver(int(e.Begin), c.cfg.ID)
	if e.Full && idle && buf.Pass != nil {
		c.reading.Store(0) // a slow disk is not the peer's fault
		e.Full = !buf.Pass()
	}
}
