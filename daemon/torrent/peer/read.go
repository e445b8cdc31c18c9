package peer

import (
	"bytes"
	"fmt"
	"time"

	"lorrent/daemon/torrent/peerwire"
)

// read is the reader's loop.
func (c *Conn) read() error {
	r := peerwire.NewReader(c.cfg.Conn, c.cfg.BitfieldLen)
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
		case peerwire.KeepAlive, peerwire.Port:
			continue
		case peerwire.Piece:
			err = c.block(r, m)
		default:
			e := Event{ID: m.ID, Extension: m.Extension, Index: m.Index, Begin: m.Begin, Length: m.Length, Bytes: bytes.Clone(m.Bytes)}
			err = c.push(e, !r.Buffered())
		}
		if err != nil {
			return err
		}
	}
}

// block takes the block that a Piece message carries.
func (c *Conn) block(r *peerwire.Reader, m peerwire.Message) error {
	e := Event{ID: peerwire.Piece, Index: m.Index, Begin: m.Begin, Length: m.Length}
	buf, late, err := c.pipe.arrived(m.Index, m.Begin, m.Length, time.Now())
	if err != nil {
		return err
	}
	c.cfg.Gate.Wait(c.done)
	c.cfg.Down.Wait(c.done, int(m.Length))
	e.Late = late
	if buf == nil {
		err = r.SkipBlock()
	} else if dst, ok := buf.Claim(int(m.Begin), int(m.Length)); !ok {
		err = r.SkipBlock()
	} else if err = r.ReadBlock(dst); err != nil {
		buf.Abandon(int(m.Begin))
	} else {
		e.Piece = buf
		e.Complete = buf.Deliver(int(m.Begin), c.cfg.ID)
	}
	if err != nil {
		return fmt.Errorf("read block %d of piece %d: %w", m.Begin/peerwire.BlockSize, m.Index, err)
	}
	c.downloaded.Add(int64(m.Length))
	return c.push(e, e.Complete)
}
