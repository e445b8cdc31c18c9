// Package peer is one connection to a peer after the handshake: a reader that
// puts blocks into their pieces, a writer that serves blocks from disk, the
// request pipeline between them, and the rates of both.
//
// A Conn belongs to a torrent's actor, which never waits for it: what the
// actor sends goes to a bounded outbox, what the peer sends is collected as
// events that the actor takes when told that there are some. The reader may
// wait for the actor, and for the disk.
package peer

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piece"
)

const (
	idleTimeout   = 150 * time.Second // without a whole message: BEP 3 asks for a keep-alive every two minutes
	writeTimeout  = 60 * time.Second  // for a peer that does not read
	blockTimeout  = 20 * time.Second
	keepAlive     = 90 * time.Second
	maxOutbox     = 1 << 20 // bytes of control messages
	maxEvents     = 4096    // not yet taken by the actor
	maxEventBytes = 1 << 20 // in their payloads
)

// ErrOutboxFull says that a peer does not read what it is sent.
var ErrOutboxFull = errors.New("peer does not read: outbox full")

// Event is something a peer said, or, with ID Piece, a block it sent.
type Event struct {
	ID        peerwire.ID
	Extension uint8
	Index     uint32
	Begin     uint32
	Length    uint32
	Bytes     []byte        // the event's own copy
	Piece     *piece.Buffer // where the block went; nil when it was not wanted
	Full      bool          // the block was the last one of its extent of Piece, which still has it
	Complete  bool          // the block was the last one of Piece
	Late      bool          // the block had been given up before
}

// Config is what a Conn needs to know.
type Config struct {
	Conn        net.Conn
	Rest        []byte // came from Conn with the handshakes, and follows them
	ID          int32  // the actor's handle, recorded as the sender of blocks
	Fast        bool   // both sides speak BEP 6
	BitfieldLen int
	Ready       chan<- *Conn                                // told when events wait
	Gate        Gate                                        // passed before each block is read
	ReadBlock   func(dst []byte, index, begin uint32) error // payload for uploads
	Unreadable  func(error)                                 // payload could not be read
	MaxUploads  int                                         // requests that may wait: our reqq
	Down, Up    []Limiter                                   // asked before payload moves, one after the other
	Window      int                                         // requests to begin with; 0 for a peer of which nothing is known

	// From the header of a block to its end; nobody else can deliver it
	// meanwhile. 0 is 20 s.
	BlockTimeout time.Duration
}

// Limiter holds payload back to the rate the user wants.
type Limiter interface {
	// Enter takes so many bytes. It returns nil when they may move at once,
	// otherwise a channel that is closed when they may, and what gives up the
	// place in the queue.
	Enter(bytes int) (passed <-chan struct{}, leave func())
	// Batch is how many bytes are best moved at once.
	Batch() int
}

// Gate holds readers back while the disk is behind.
type Gate interface {
	// Wait returns when the reader may go on, or when done is closed, and
	// reports whether that took time.
	Wait(done <-chan struct{}) (waited bool)
}

// Conn is one connection. Methods are safe for concurrent use.
type Conn struct {
	cfg  Config
	done chan struct{}
	once sync.Once

	downloaded, uploaded atomic.Int64 // payload bytes
	reading              atomic.Int64 // since when a block is being read, Unix ns; 0 outside one

	in struct {
		sync.Mutex
		space    sync.Cond
		events   []Event
		bytes    int
		blocks   int // Piece events since the actor was last told
		notified bool
		closed   bool
	}
	out struct {
		sync.Mutex
		control []byte
		uploads []upload
		wake    chan struct{}
	}
	pipe pipeline
}

// New wraps a connection whose handshakes are done.
func New(cfg Config) *Conn {
	if cfg.BlockTimeout <= 0 {
		cfg.BlockTimeout = blockTimeout
	}
	c := &Conn{cfg: cfg, done: make(chan struct{})}
	c.in.space.L = &c.in.Mutex
	c.pipe.window.size = cfg.Window
	c.out.wake = make(chan struct{}, 1)
	return c
}

// ID is the handle given by Config.
func (c *Conn) ID() int32 { return c.cfg.ID }

// Downloaded is the payload received, wanted or not, in bytes.
func (c *Conn) Downloaded() int64 { return c.downloaded.Load() }

// Uploaded is the payload sent, in bytes.
func (c *Conn) Uploaded() int64 { return c.uploaded.Load() }

// Close ends the connection; Run then returns.
func (c *Conn) Close() {
	c.once.Do(func() {
		close(c.done)
		c.cfg.Conn.Close()
		c.in.Lock()
		c.in.closed = true
		c.in.space.Broadcast()
		c.in.Unlock()
	})
}

// Run reads and writes until the connection ends, and returns why.
func (c *Conn) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.Close)
	defer stop()
	written := make(chan error, 1)
	go func() {
		err := c.write()
		c.Close()
		written <- err
	}()
	err := c.read()
	c.Close()
	if werr := <-written; werr != nil && errors.Is(err, net.ErrClosed) {
		err = werr
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return err
}

// Take returns the events since the last call.
func (c *Conn) Take(into []Event) []Event {
	c.in.Lock()
	defer c.in.Unlock()
	into = append(into[:0], c.in.events...)
	clear(c.in.events)
	c.in.events = c.in.events[:0]
	c.in.bytes, c.in.blocks, c.in.notified = 0, 0, false
	c.in.space.Signal()
	return into
}

// push adds an event and tells the actor when it should look.
func (c *Conn) push(e Event, tell bool) error {
	c.in.Lock()
	for c.full() && !c.in.closed {
		c.in.space.Wait()
	}
	if c.in.closed {
		if e.ID == peerwire.Piece { // the block is in its piece: whoever takes what is left must know
			c.in.events = append(c.in.events, e)
		}
		c.in.Unlock()
		return net.ErrClosed
	}
	c.in.events = append(c.in.events, e)
	c.in.bytes += len(e.Bytes)
	if e.ID == peerwire.Piece {
		c.in.blocks++
		tell = tell || c.in.blocks >= c.pipe.batch()
	}
	return c.notify(tell)
}

// full reports whether no more events may be added. in is locked.
func (c *Conn) full() bool { return len(c.in.events) >= maxEvents || c.in.bytes > maxEventBytes }

// notify tells the actor, if tell is set, that events wait, unless it knows
// already. in is locked, and unlocked by it.
func (c *Conn) notify(tell bool) error {
	tell = tell && !c.in.notified
	c.in.notified = c.in.notified || tell
	c.in.Unlock()
	if !tell {
		return nil
	}
	select {
	case c.cfg.Ready <- c:
		return nil
	case <-c.done:
		return net.ErrClosed
	}
}

// nudge tells the actor about events that were held back for the message that
// follows, when that one is none.
func (c *Conn) nudge() error {
	c.in.Lock()
	return c.notify(len(c.in.events) > 0)
}
