package torrent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/choker"
	"lorrent/daemon/torrent/peer"
	"lorrent/storage"
)

const (
	tickInterval  = time.Second
	chokeInterval = 10 * time.Second
)

// session is the actor of one torrent. Everything in it belongs to the
// goroutine in run. Other goroutines (dials, announces, disk jobs) send it
// closures through results, peers tell it through ready.
//
// It goes through phases, forward only: resting → fetching (when a magnet link
// is all there is) → opening (→ queueing → opening) → checking → preparing →
// moving. Whatever needs it back at the start (stop, failure, recheck, shutdown)
// sets draining: connections are closed, what is on its way to the disk is waited
// for, the last checkpoint is made, the content is forgotten, and settle decides
// what comes next.
type session struct {
	// immutable
	t   *torrent
	e   *Engine
	log zerolog.Logger
	rnd *rand.Rand

	// what others send
	inbox   []func(*session) // taken, and not done yet
	results chan func()
	ready   chan *peer.Conn
	passed  chan passage   // from readers, which wait for the actor to take it
	jobs    sync.WaitGroup // goroutines that will send to results
	pending int            // results not yet seen
	stale   bool           // what List shows, by what is being done

	// lifetime
	ctx     context.Context // ends every helper
	cancel  context.CancelFunc
	net     context.Context // ends dials and announces when draining begins
	cutNet  context.CancelFunc
	closing bool // the engine is shutting down
	busyAt  time.Time

	record      storage.Torrent
	phase       phase
	draining    bool
	checkAll    bool // the next opening hashes everything
	hashAll     bool // this opening does
	unallocated bool // files are wanted that may not be there yet
	turn        bool // to be hashed: see turn.go
	lingers     bool // at rest since its turn, and not parked at once: a stop says goodbye to trackers
	looking     bool // this opening only looks whether everything is there still
	seeking     seeking
	content     *content // nil until there is a use for it
	obstacle    string   // what is in the way without stopping the torrent

	waiting []incoming // connections that came before the content
	swarm   swarm
	fetch   download
	serve   upload
	resume  resume
	super   superseed
	check   *recheck // nil outside one
	tell    announcer

	throttle share
	search   *search
}

// phase is how far a session has come.
type phase int

const (
	resting   phase = iota // nothing loaded
	fetching               // looking for the info dict
	opening                // reading the info dict, looking at the files
	queueing               // for a turn to be hashed
	checking               // hashing
	preparing              // setting space aside
	moving                 // downloading or seeding
)

func newSession(t *torrent) *session {
	e := t.e
	s := &session{
		t:       t,
		e:       e,
		log:     e.log.With().Str("torrent", t.hash.String()[:8]).Logger(),
		rnd:     rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		results: make(chan func(), 64),
		ready:   make(chan *peer.Conn, 64),
		passed:  make(chan passage),
		record:  t.record,
		busyAt:  time.Now(),
	}
	s.swarm = newSwarm()
	s.serve.choker = choker.New(choker.Config{Slots: e.cfg.UploadSlots}, s.rnd)
	s.tell = newAnnouncer(s)
	s.throttle = newShare(e.throttle, s.limits())
	s.search = t.search
	s.search.busy = false // one that a bug cut short
	return s
}

// run is the actor's loop.
func (s *session) run(lifetime context.Context) {
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(lifetime))
	defer s.cancel()
	s.net, s.cutNet = context.WithCancel(s.ctx)
	defer s.contain()
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	shutdown := lifetime.Done()
	s.begin()
	s.announceTick(time.Now())
	s.discoverTick(time.Now())
	for {
		s.stale = true
		select {
		case <-s.t.signal:
			for s.inbox = s.t.take(); len(s.inbox) > 0; {
				fn := s.inbox[0]
				s.inbox = s.inbox[1:]
				fn(s)
			}
		case c := <-s.ready:
			s.heard(c)
			s.stale = false // what peers say is counted each second
		case p := <-s.passed:
			s.advanced(p.arrival, p.err)
		case fn := <-s.results:
			s.pending--
			fn()
		case now := <-tick.C:
			s.tick(now)
		case <-shutdown:
			shutdown = nil
			s.closing = true
			s.drain()
		}
		s.settle()
		if s.stale {
			s.publish()
		}
		if s.finished() && s.leave() {
			return
		}
	}
}

// begin opens the content of a torrent that has something to do, or whose
// files nobody has looked at yet.
func (s *session) begin() {
	if s.phase == resting && !s.draining && s.wanted() && s.unknown() && !s.seeking.storing {
		s.seek()
		return
	}
	if s.phase != resting || s.draining || !s.wanted() || s.unknown() || s.complete() && s.t.looked {
		return
	}
	s.looking = s.complete()
	s.open()
}

// contain turns a bug that one torrent triggers into that torrent's failure;
// the others go on.
func (s *session) contain() {
	p := recover()
	if p == nil {
		return
	}
	s.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("torrent failed by a bug")
	s.cancel()
	for _, r := range s.swarm.peers {
		r.conn.Close()
	}
	s.turnAway()
	over := make(chan struct{})
	go func() { s.jobs.Wait(); close(over) }()
	for done := false; !done; {
		select {
		case <-s.results: // its closure would act on broken state
		case <-s.ready:
		case <-s.passed:
		case <-over:
			done = true
		}
	}
	s.decide(s.record.Stopped, fmt.Sprintf("internal error: %v", p))
	if err := s.t.save(); err != nil {
		s.log.Error().Err(err).Msg("store torrent")
	}
	s.unload()
	s.t.record = s.record
	s.t.publish(statusOf(s.record))
	s.t.succeed(s.inbox)
}

// spawn runs work outside the actor and the closure it returns inside.
func (s *session) spawn(work func() func()) {
	s.pending++
	s.jobs.Go(func() { s.results <- work() })
}

// submit is spawn on a pool of workers.
func (s *session) submit(w *workers, work func() func()) {
	s.pending++
	s.jobs.Add(1)
	w.submit(func() {
		defer s.jobs.Done()
		s.results <- work()
	})
}

// wanted reports whether the torrent is meant to have traffic.
func (s *session) wanted() bool {
	return !s.closing && !s.record.Stopped && s.record.Error == ""
}

// complete reports whether everything that is wanted is there, as far as is known.
func (s *session) complete() bool {
	if s.unknown() {
		return false
	}
	if s.content != nil && s.phase == moving {
		return s.content.picker.Left() == 0
	}
	return finished(&s.record)
}

// tick is what happens once a second.
func (s *session) tick(now time.Time) {
	s.releaseCrossed()
	s.blocklistTick()
	for _, r := range s.swarm.peers {
		s.heard(r.conn)
	}
	s.measure(now)
	s.giveTick()
	s.exchangeTick(now)
	if s.meeting() {
		s.learnLinked(now)
	}
	if s.phase == fetching && !s.draining {
		s.seekTick(now)
		s.meet(now)
	}
	if s.phase == moving && !s.draining {
		s.watchPeers(now)
		s.huntTick(now)
		s.superSeedTick(now)
		s.retryWrites(now)
		s.meet(now)
		s.webSeedTick(now)
		if now.Sub(s.serve.chosen) >= chokeInterval {
			s.choose(now)
		}
		s.checkpointTick(now)
	}
	s.announceTick(now)
	s.discoverTick(now)
}

func (s *session) reannounce() error {
	s.tell.force(time.Now())
	s.search.lookup, s.search.told, s.search.empty = time.Time{}, time.Time{}, 0
	s.discoverTick(time.Now())
	return nil
}

// publish updates what List shows, and tells the world about a new state.
func (s *session) publish() {
	old := s.t.snapshot()
	st := s.status()
	s.t.publish(st)
	if st.State != old.State || st.Error != old.Error {
		s.e.cfg.Events.Publish(event.TorrentState{InfoHash: st.InfoHash.String(), Name: st.Name, State: string(st.State), Error: st.Error})
	}
}
