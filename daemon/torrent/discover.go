package torrent

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lorrent/daemon/torrent/dht"
	"lorrent/daemon/torrent/lsd"
	"lorrent/daemon/torrent/metainfo"
)

// DHTMode is what part we take in the distributed hash table.
type DHTMode int

const (
	// DHTOff has none.
	DHTOff DHTMode = iota
	// DHTOn asks and answers.
	DHTOn
	// DHTReadOnly asks and does not answer (BEP 43).
	DHTReadOnly
)

const (
	lookupEvery    = 15 * time.Minute // of one torrent in the DHT: peers are forgotten after twice that
	lookupJitter   = 3 * time.Minute
	lookupAgain    = 5 * time.Second // while it finds nobody, and twice that each time
	lookupWithout  = 2 * time.Second // nodes to ask
	lookupLimit    = 2 * time.Minute // for one
	maxLookups     = 16              // under way
	maxFromLookups = 1000            // candidates of one torrent
	localEvery     = 5 * time.Minute // announce of one torrent (BEP 14)
	maxLocal       = 2000            // local announces that are remembered
	localMemory    = time.Minute
	saveNodesEvery = 5 * time.Minute

	nodesSetting = "dht" // in the database
)

// discovery is how the engine finds peers without trackers: the DHT (BEP 5)
// and local service discovery (BEP 14). Either may be nil.
type discovery struct {
	dht     *dht.Node
	local   *lsd.LSD
	lookups semaphore

	reached atomic.Bool // by somebody from outside

	mu    sync.Mutex
	heard map[localPeer]time.Time
}

type localPeer struct {
	hash metainfo.Hash
	addr netip.AddrPort
}

// openDiscovery prepares what the configuration wants. The port is open.
func (e *Engine) openDiscovery() (err error) {
	e.discovery.lookups = newSemaphore(maxLookups)
	e.discovery.heard = make(map[localPeer]time.Time)
	if e.cfg.LSD {
		e.discovery.local = lsd.New(lsd.Config{Port: e.port, Found: e.heardLocally, Log: e.log})
	}
	if e.cfg.DHT == DHTOff {
		return nil
	}
	saved, err := e.cfg.Store.Setting(nodesSetting)
	if err != nil {
		e.log.Warn().Err(err).Msg("the nodes of the DHT are not remembered")
	}
	cfg := dht.Config{Bootstrap: e.cfg.DHTBootstrap, ReadOnly: e.cfg.DHT == DHTReadOnly, Saved: saved, Log: e.log, Lookup: e.out.Lookup}
	if t := e.udp.dht4; t != nil {
		cfg.IPv4 = t
	}
	if t := e.udp.dht6; t != nil {
		cfg.IPv6 = t
	}
	e.discovery.dht, err = dht.New(cfg)
	return err
}

// discover runs until ctx ends.
func (e *Engine) discover(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if l := e.discovery.local; l != nil {
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				e.log.Warn().Err(err).Msg("no local peers can be found")
			}
		})
	}
	n := e.discovery.dht
	if n == nil {
		return
	}
	wg.Go(func() {
		if err := n.Run(ctx); err != nil && ctx.Err() == nil {
			e.log.Error().Err(err).Msg("the DHT has ended")
		}
	})
	save := time.NewTicker(saveNodesEvery)
	defer save.Stop()
	look := time.NewTicker(lookupWithout)
	defer look.Stop()
	for {
		var over bool
		select {
		case <-look.C:
			if n.Nodes() > 0 {
				look.Stop()
				e.lookUpAll()
			}
			continue
		case <-save.C:
		case <-ctx.Done():
			over = true
		}
		if n.Nodes() > 0 { // what there was is better than nothing
			if err := e.cfg.Store.SetSetting(nodesSetting, n.Saved()); err != nil {
				e.log.Warn().Err(err).Msg("remember the nodes of the DHT")
			}
		}
		if over {
			return
		}
	}
}

// lookUpAll wakes what has waited for the first node.
func (e *Engine) lookUpAll() {
	e.mu.RLock()
	all := slices.Collect(maps.Values(e.torrents))
	e.mu.RUnlock()
	for _, t := range all {
		switch {
		case !t.wantsToRun() || t.snapshot().Private:
		case t.lookUpLater():
			e.alarms.set(t, time.Now())
		default:
			_ = t.post(func(s *session) { // if it is too busy, it has peers
				s.search.lookup = time.Time{}
				s.discoverTick(time.Now())
			})
		}
	}
}

// lookUpLater makes the next session of a torrent begin with a lookup, and
// reports whether there is none now. One that nobody has looked at yet gets one
// soon, or an alarm.
func (t *torrent) lookUpLater() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.running {
		t.search.lookup = time.Time{}
	}
	return !t.running
}

// heardLocally takes an announce from our network. It does not wait.
func (e *Engine) heardLocally(infoHash [20]byte, peer netip.AddrPort) {
	t, ok := e.find(infoHash)
	if !ok || !t.wantsToRun() || t.snapshot().Private {
		return
	}
	d, now := &e.discovery, time.Now()
	d.mu.Lock()
	p := localPeer{infoHash, peer}
	again := now.Sub(d.heard[p]) < localMemory
	if len(d.heard) >= maxLocal {
		clear(d.heard)
	}
	d.heard[p] = now
	d.mu.Unlock()
	if again {
		return
	}
	_ = t.post(func(s *session) { s.foundLocally(peer) }) // if it is too busy, next time
}

func (s *session) foundLocally(peer netip.AddrPort) {
	if s.record.Private || !s.wanted() {
		return
	}
	s.search.local++
	s.learn([]netip.AddrPort{peer}, sourceLSD)
	if s.phase == resting && s.announcing() {
		s.open() // somebody may want what we have
	}
}

// search is how a torrent's peers are searched for without trackers. It goes
// from session to session.
type search struct {
	lookup time.Time // in the DHT, not before
	busy   bool
	empty  int // lookups in a row that found nobody
	found  int // addresses that the last lookup found, -1 before the first
	local  int // announces heard on our network
	told   time.Time
}

// discoverable reports whether others may hear of the torrent. A private one's
// peers come from its trackers alone (BEP 27).
func (s *session) discoverable() bool { return !s.record.Private && s.announcing() }

// discoverTick starts the searches that are due.
func (s *session) discoverTick(now time.Time) {
	d, q := &s.e.discovery, s.search
	if !s.discoverable() {
		return
	}
	if d.local != nil && now.Sub(q.told) >= localEvery {
		q.told = now
		for _, h := range s.announcedHashes() {
			d.local.Announce(h)
		}
	}
	if d.dht == nil || q.busy || now.Before(q.lookup) {
		return
	}
	switch ready := d.dht.Nodes() > 0; {
	case s.phase == resting && (!ready || len(d.lookups) == cap(d.lookups)):
		q.lookup = now.Add(lookupEvery/2 + time.Duration(s.rnd.Int64N(int64(lookupEvery)))) // not worth staying awake for
	case !ready:
		q.lookup = now.Add(lookupWithout)
	default:
		s.lookup(now)
	}
}

// announcedHashes are the names that the torrent has in the swarms.
func (s *session) announcedHashes() (list [][20]byte) {
	for _, h := range s.hashes() {
		list = append(list, h)
	}
	return list
}

// lookup searches the DHT, and announces us in it.
func (s *session) lookup(now time.Time) {
	q := s.search
	q.busy = true
	ctx, t, seed := s.net, s.t, s.everything()
	port, hashes := s.e.publicPort(), s.announcedHashes()
	s.spawn(func() func() {
		found, err := 0, error(nil)
		if s.e.discovery.lookups.acquire(ctx.Done()) {
			found, err = s.e.lookUp(ctx, t, hashes, port, seed)
			s.e.discovery.lookups.release()
		}
		return func() { s.lookedUp(found, err) }
	})
}

func (e *Engine) lookUp(ctx context.Context, t *torrent, hashes [][20]byte, port int, seed bool) (found int, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var mu sync.Mutex
	all := make(map[netip.AddrPort]bool)
	for _, h := range hashes {
		_, err = e.discovery.dht.Lookup(ctx, dht.Lookup{
			InfoHash: h, Port: port, ImpliedPort: port == e.port, Seed: seed,
			Found: func(list []netip.AddrPort) {
				mu.Lock()
				defer mu.Unlock()
				list = slices.DeleteFunc(list, func(a netip.AddrPort) bool { return all[a] || len(all) >= maxFromLookups })
				for _, a := range list {
					all[a] = true
				}
				if len(list) > 0 && ctx.Err() == nil {
					_ = t.post(func(s *session) { s.foundInDHT(list) }) // if it is too busy, it has peers
				}
			},
		})
	}
	mu.Lock()
	defer mu.Unlock()
	return len(all), err
}

func (s *session) foundInDHT(list []netip.AddrPort) {
	if s.record.Private || !s.wanted() {
		return
	}
	room := max(0, maxFromLookups-s.fromSource(sourceDHT))
	s.learn(list[:min(len(list), room)], sourceDHT)
}

func (s *session) lookedUp(found int, err error) {
	q, now := s.search, time.Now()
	q.busy = false
	if s.draining {
		q.lookup = now
		return
	}
	q.found = found
	q.lookup = now.Add(lookupEvery + time.Duration(s.rnd.Int64N(int64(lookupJitter))))
	switch {
	case found > 1 || s.complete():
		q.empty = 0
	default: // nobody but us, perhaps
		if again := lookupAgain << min(q.empty, 8); again < lookupEvery {
			q.lookup = now.Add(again)
			q.empty++
		}
	}
	s.log.Debug().Err(err).Int("peers", found).Time("again", q.lookup).Msg("looked up in the DHT")
}

// nextSearch is when a session that has ended is to be woken for the next
// search; false when there is none.
func (s *session) nextSearch() (time.Time, bool) {
	d, q := &s.e.discovery, s.search
	switch {
	case s.record.Private:
		return time.Time{}, false
	case d.dht != nil:
		return q.lookup, true
	case d.local != nil:
		return q.told.Add(lookupEvery), true
	}
	return time.Time{}, false
}

// nodeHeard takes the port of a peer's DHT node (BEP 5).
func (s *session) nodeHeard(r *remote, port uint16) {
	if n := s.e.discovery.dht; n != nil && !s.record.Private && r.dht && port != 0 {
		n.Add(netip.AddrPortFrom(r.addr.Addr(), port))
	}
}

// offersDHT reports whether a torrent's peers are told that we have a node.
func (e *Engine) offersDHT(h metainfo.Hash) bool {
	if e.cfg.DHT != DHTOn {
		return false
	}
	t, ok := e.find(h)
	return ok && !t.snapshot().Private
}

// reachedBy notes that somebody who is not on this machine has called us.
func (e *Engine) reachedBy(conn net.Conn) {
	if a := addrOf(conn); a.IsValid() && !a.Addr().IsLoopback() {
		e.discovery.reached.Store(true)
	}
}
