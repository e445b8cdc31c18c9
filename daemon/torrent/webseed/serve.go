package webseed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"lorrent/daemon/torrent/peerwire"
)

// errNothing says that the server has no piece in full.
var errNothing = errors.New("the server has none of the files in full")

// Serve plays the seed on conn, whose handshakes are taken for done and which
// speaks the fast extension, until conn is closed, which is no error, or the
// server fails. It closes conn, and returns when everything it began has ended.
// A MissingError or a BusyError tells what to do about a failure.
func (s *Seed) Serve(ctx context.Context, conn net.Conn) error {
	bits, n := s.pieces()
	if n == 0 {
		conn.Close()
		return errNothing
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &connection{Seed: s, conn: conn, queue: newQueue()}
	var wg sync.WaitGroup
	for range s.cfg.Connections {
		wg.Go(func() {
			if err := c.work(ctx); err != nil {
				cancel(err) // the first one is the reason
			}
		})
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := c.listen(bits, n == s.cfg.Info.NumPieces())
	if stop() {
		cancel(err)
	}
	conn.Close()
	c.queue.close()
	wg.Wait()
	if err = context.Cause(ctx); hungUp(err) {
		return nil
	}
	return err
}

// hungUp reports whether the engine, not the server, ended it.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled)
}

// connection is a Seed at work.
type connection struct {
	*Seed
	conn  net.Conn
	queue *queue
	out   sync.Mutex // messages are written whole
}

func (c *connection) say(message []byte) error {
	c.out.Lock()
	defer c.out.Unlock()
	_, err := c.conn.Write(message)
	return err
}

// listen says what the seed has, and takes requests.
func (c *connection) listen(bits []byte, all bool) error {
	hello := peerwire.AppendMessage(nil, peerwire.HaveAll)
	if !all {
		hello = peerwire.AppendBitfield(nil, bits)
	}
	var talk sync.WaitGroup
	defer talk.Wait()
	// Both ends of a pipe that write at once would wait for each other.
	talk.Go(func() { c.say(peerwire.AppendMessage(hello, peerwire.Unchoke)) })
	r := peerwire.NewReader(c.conn, len(bits))
	for {
		m, err := r.Next()
		if err != nil {
			c.conn.Close() // ends hello
			return err
		}
		switch m.ID {
		case peerwire.Request:
			b, err := c.block(m)
			if err != nil {
				c.conn.Close()
				return err
			}
			c.queue.push(b)
		case peerwire.Cancel:
			if c.queue.cancel(m) {
				talk.Go(func() { c.say(peerwire.AppendBlock(nil, peerwire.Reject, m.Index, m.Begin, m.Length)) })
			}
		}
	}
}

func (c *connection) block(m peerwire.Message) (block, error) {
	b := block{index: m.Index, begin: m.Begin, length: m.Length, offset: int64(m.Index)*c.cfg.Info.PieceLength + int64(m.Begin)}
	if m.Length == 0 || m.Length > peerwire.BlockSize || int64(m.Begin)+int64(m.Length) > c.cfg.Info.PieceSize(int(m.Index)) {
		return b, fmt.Errorf("request for %d bytes at %d of piece %d", m.Length, m.Begin, m.Index)
	}
	return b, nil
}

// work answers one run of requests after the other.
func (c *connection) work(ctx context.Context) error {
	var run []block
	message := make([]byte, peerwire.PieceHeaderLen+peerwire.BlockSize)
	for {
		if run = c.queue.take(run); len(run) == 0 {
			return nil
		}
		if err := c.answer(ctx, run, message); err != nil {
			return err
		}
	}
}

// answer fetches a run and sends its blocks.
func (c *connection) answer(ctx context.Context, run []block, message []byte) error {
	last := run[len(run)-1]
	from := &stream{s: c.Seed, ctx: ctx, at: run[0].offset, end: last.offset + int64(last.length)}
	defer from.close()
	for _, b := range run {
		message = peerwire.AppendPieceHeader(message[:0], b.index, b.begin, b.length)
		head := len(message)
		message = message[:head+int(b.length)]
		if _, err := io.ReadFull(from, message[head:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errShort
			}
			return err
		}
		if err := c.say(message); err != nil {
			return err
		}
	}
	return nil
}
