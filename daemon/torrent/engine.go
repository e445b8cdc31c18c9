// Package torrent is the engine: it downloads and seeds torrents.
//
// Every torrent that has something to do is an actor: one goroutine, a
// session, that owns its peers, picker, choker and bitfield, and whose inbox
// takes closures. Torrents with nothing to do (stopped, or seeding with no
// peer and no announce due) have no goroutine and keep no piece hashes. Disk
// work happens in a fixed pool of workers, and each connection has a reader
// and a writer of its own (package peer).
//
// A piece's bit is stored only after its bytes are on stable storage: write,
// sync, commit. See resume.go.
//
// Specifications: BEP 3, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 19, 20, 21, 23, 24, 27, 29, 40, 41, 47, 48,
// 52, 54, 55, and Message Stream Encryption.
package torrent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/torrent/blocklist"
	"lorrent/daemon/torrent/external"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/outbound"
	"lorrent/daemon/torrent/piece"
	"lorrent/daemon/torrent/portmap"
	"lorrent/daemon/torrent/tracker"
	"lorrent/daemon/torrent/webseed"
	"lorrent/storage/disk"
)

// Errors a caller may tell apart.
var (
	ErrNotFound = errors.New("no such torrent")
	ErrClosed   = errors.New("the torrent engine is shutting down")
	ErrInvalid  = errors.New("invalid torrent")
	ErrNoSpace  = disk.ErrNoSpace
)

// Engine runs every torrent of the daemon.
type Engine struct {
	// immutable after New
	cfg       Config
	log       zerolog.Logger
	peerID    [20]byte
	key       uint32         // tells trackers that a new address is still us
	listeners []net.Listener // of the peer port
	udp       *datagrams
	port      int
	pool      *piece.Pool
	disk      *workers // hashing, writing, rechecking
	sync      *workers // checkpoints, which wait for the platter
	gate      *gate
	throttle  *throttle
	trackers  *tracker.Client
	web       *webseed.Client
	out       *outbound.Way
	blocklist *blocklist.Keeper // nil when there is none
	lists     atomic.Int64      // blocklists there were after the first
	mapper    *portmap.Mapper   // nil when it is off
	dials     semaphore
	fallbacks semaphore // dials over uTP after TCP has failed
	announces semaphore
	openings  semaphore
	checks    semaphore // turns of those that are hashed
	peers     counter   // connections in all
	discovery discovery
	external  external.Votes

	seekingBytes atomic.Int64 // of metadata on its way

	alarms   *alarms
	commands chan func() // run by the engine's own loop
	speeding sync.Mutex  // held while new limits are stored

	mu       sync.RWMutex
	torrents map[metainfo.Hash]*torrent
	aliases  map[metainfo.Hash]metainfo.Hash // other hash of a hybrid torrent to its key
	names    map[[20]byte]metainfo.Hash      // of torrents, as an encrypted handshake has them
	adding   map[metainfo.Hash]chan struct{} // being stored; closed when that is over
	ctx      context.Context                 // of Run; nil before
	closed   bool
	sessions sync.WaitGroup
}

// New opens the listening port and reads the torrents from the store. Nothing
// moves until Run.
func New(cfg Config) (*Engine, error) {
	cfg.setDefaults()
	e := &Engine{
		cfg:       cfg,
		log:       cfg.Log.With().Str("component", "torrent").Logger(),
		pool:      piece.NewPool(cfg.BufferBytes / 2),
		disk:      newWorkers(max(2, runtime.GOMAXPROCS(0))),
		sync:      newWorkers(2),
		gate:      newGate(cfg.BufferBytes/64, cfg.BufferBytes/128),
		dials:     newSemaphore(maxHalfOpen),
		fallbacks: newSemaphore(maxHalfOpen),
		announces: newSemaphore(maxAnnounces),
		openings:  newSemaphore(maxOpening),
		checks:    newSemaphore(maxChecking),
		alarms:    newAlarms(),
		commands:  make(chan func()),
		torrents:  make(map[metainfo.Hash]*torrent),
		aliases:   make(map[metainfo.Hash]metainfo.Hash),
		names:     make(map[[20]byte]metainfo.Hash),
		adding:    make(map[metainfo.Hash]chan struct{}),
	}
	e.peerID, e.key = newIdentity()
	stored, err := cfg.Store.Setting(settingSpeed)
	if err != nil {
		return nil, err
	}
	if e.throttle, err = newThrottle(cfg.Speed, stored); err != nil {
		return nil, err
	}
	if err := e.load(); err != nil {
		return nil, err
	}
	if e.out = cfg.Out; e.out == nil {
		e.out, _ = outbound.New(outbound.Config{}) // nothing in it can be wrong
	}
	if e.out.Proxied() { // what these say would go past the proxy
		e.cfg.Transport, e.cfg.DHT = OnlyTCP, DHTOff
	}
	if e.out.Limited() { // the local network is on another way
		e.cfg.LSD = false
	}
	if err := e.loadBlocklist(); err != nil {
		return nil, err
	}
	if err := e.listen(); err != nil {
		return nil, err
	}
	e.mapPort()
	if err := e.openDiscovery(); err != nil {
		e.Close()
		return nil, err
	}
	e.trackers = tracker.NewClient(tracker.ClientConfig{
		UserAgent: "lorrent/" + cfg.Version, Dial: e.out.Dial, Lookup: e.out.Lookup,
		Packets: func(ctx context.Context, network string) (tracker.PacketConn, error) {
			return e.out.Packets(ctx, network)
		},
	})
	e.web = webseed.NewClient(webseed.ClientConfig{UserAgent: "lorrent/" + cfg.Version, Dial: e.out.Dial, Lookup: e.out.Lookup, Resolves: e.out.Proxied(), Deny: e.blocked})
	return e, nil
}

// newIdentity makes a peer ID in the style of BEP 20 and a tracker key.
func newIdentity() (id [20]byte, key uint32) {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	rand.Read(id[:]) // never fails
	for i := range id {
		id[i] = alphabet[id[i]%64]
	}
	copy(id[:], "-LR0100-")
	var k [4]byte
	rand.Read(k[:])
	return id, uint32(k[0])<<24 | uint32(k[1])<<16 | uint32(k[2])<<8 | uint32(k[3])
}

// load reads the records of all torrents, and nothing else of them. Their pages
// are given back at once.
func (e *Engine) load() error {
	records, broken := e.cfg.Store.Torrents()
	for _, err := range broken {
		e.log.Error().Err(err).Msg("a stored torrent cannot be read and is left out")
	}
	for _, r := range records {
		e.enlist(newTorrent(e, r))
	}
	e.releaseRead()
	return nil
}

// shortOfMemory reports whether pieces that wait for blocks take so much that parts of
// them go to the disk out of turn.
func (e *Engine) shortOfMemory() bool { return e.pool.InUse() > e.cfg.BufferBytes/2 }

// Run works until ctx ends, then stops every torrent in order: peers closed,
// pieces written, bits committed, trackers told.
func (e *Engine) Run(ctx context.Context) error {
	defer e.trackers.Close()
	defer e.web.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopDisk := e.disk.run()
	stopSync := e.sync.run()
	defer stopSync()
	defer stopDisk()

	var wg sync.WaitGroup
	failed := make(chan error, len(e.listeners)+1)
	udp, stopUDP := context.WithCancel(context.WithoutCancel(ctx)) // it carries the goodbyes to peers, too
	defer stopUDP()
	var datagrams sync.WaitGroup
	datagrams.Go(func() { failed <- e.udp.run(udp) })
	for _, l := range e.listeners {
		wg.Go(func() {
			err := e.accept(ctx, l)
			if l == e.udp.utp && errors.Is(err, net.ErrClosed) {
				return // why is said by whoever closed it
			}
			failed <- err
		})
	}
	if e.blocklist != nil {
		wg.Go(func() { e.blocklist.Run(ctx) })
	}
	if e.mapper != nil {
		wg.Go(func() { e.mapper.Run(ctx) })
	}
	wg.Go(func() { e.discover(ctx) })
	idle := e.wakeAll(ctx)
	wg.Go(func() {
		e.lookThrough(ctx, idle)
		e.releaseIdle(ctx)
	})
	err := e.loop(ctx, failed)
	cancel()
	for _, l := range e.listeners {
		l.Close()
	}
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	wg.Wait()
	e.sessions.Wait()
	e.partParked()
	stopUDP()
	datagrams.Wait()
	return err
}

// all are the torrents there are now, in no order.
func (e *Engine) all() []*torrent {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Collect(maps.Values(e.torrents))
}

// wakeAll lets every torrent that is not stopped look what there is to do, and
// returns those that are complete: for them, that can wait.
func (e *Engine) wakeAll(ctx context.Context) (idle []*torrent) {
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	for _, t := range e.all() {
		switch {
		case t.snapshot().State == Seeding:
			idle = append(idle, t)
		case t.wantsToRun():
			t.post(func(*session) {})
		}
	}
	return idle
}

// loop wakes torrents when their time comes.
func (e *Engine) loop(ctx context.Context, failed <-chan error) error {
	minute := time.NewTimer(untilNextMinute(time.Now()))
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("accept peers: %w", err)
		case fn := <-e.commands:
			fn()
		case now := <-minute.C:
			e.throttle.apply(now)
			minute.Reset(untilNextMinute(now))
		case <-e.alarms.C():
			for _, t := range e.alarms.due(time.Now()) {
				t.post(func(*session) {})
			}
		}
	}
}

// Ping reports whether the engine's loop still turns.
func (e *Engine) Ping(ctx context.Context) error {
	if err := e.do(ctx, func() {}); err != nil {
		return fmt.Errorf("ping torrent engine: %w", err)
	}
	return nil
}

// do runs fn in the engine's loop.
func (e *Engine) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case e.commands <- func() { fn(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lifetime is Run's context, or nil when nothing may start.
func (e *Engine) lifetime() context.Context {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil
	}
	return e.ctx
}

// launch starts a session that Run waits for, unless nothing may start.
func (e *Engine) launch(session func(context.Context)) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed || e.ctx == nil || e.ctx.Err() != nil {
		return false
	}
	ctx := e.ctx
	e.sessions.Go(func() { session(ctx) })
	return true
}
