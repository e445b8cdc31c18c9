package tracker

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

const (
	defaultNumWant = 50
	maxNumWant     = 200
	maxScan        = 2000 // members looked at for one peer list
)

// errFull is told to clients that come when a limit is reached.
var errFull = errors.New("tracker is full")

// swarms is what a Server knows. It takes the time as an argument.
type swarms struct {
	life        time.Duration // of a peer that stays silent
	maxTorrents int
	maxPeers    int

	mu       sync.Mutex
	torrents map[[20]byte]*swarm // none without members
	stats    ServerStats
}

// swarm is one torrent.
type swarm struct {
	members   map[netip.AddrPort]*member
	seeders   int
	completed int
}

// member is one peer of a swarm. Its address is the key: a peer cannot change
// the entry of another without its address.
type member struct {
	id      [20]byte
	seed    bool
	expires time.Time
}

// swarmView is the answer to an announce.
type swarmView struct {
	seeders, leechers, completed int
	v4, v6                       []netip.AddrPort
}

func newSwarms(cfg ServerConfig) *swarms {
	return &swarms{
		life:        2 * cfg.Interval,
		maxTorrents: cfg.MaxTorrents,
		maxPeers:    cfg.MaxPeers,
		torrents:    make(map[[20]byte]*swarm),
	}
}

// announce records a peer and returns others. from is where it can be reached.
func (s *swarms) announce(now time.Time, from netip.AddrPort, r Request) (swarmView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.torrents[r.InfoHash]
	if r.Event == Stopped {
		s.stats.Announces++
		if w == nil {
			return swarmView{}, nil
		}
		s.drop(w, from)
		v := w.view()
		s.dropEmpty(r.InfoHash, w)
		return v, nil
	}
	if w == nil {
		if len(s.torrents) >= s.maxTorrents {
			s.stats.Rejected++
			return swarmView{}, errFull
		}
		w = &swarm{members: make(map[netip.AddrPort]*member)}
	}
	m := w.members[from]
	if m == nil {
		if s.stats.Peers >= s.maxPeers {
			s.stats.Rejected++
			return swarmView{}, errFull
		}
		m = &member{}
		w.members[from] = m
		s.torrents[r.InfoHash] = w
		s.stats.Peers++
	} else if r.Event == Completed && !m.seed {
		w.completed++
	}
	if m.seed {
		w.seeders--
	}
	m.id, m.seed, m.expires = r.PeerID, r.Left == 0, now.Add(s.life)
	if m.seed {
		w.seeders++
	}
	s.stats.Announces++
	v := w.view()
	w.pick(&v, now, from, m, r.NumWant)
	return v, nil
}

func (w *swarm) view() swarmView {
	return swarmView{seeders: w.seeders, leechers: len(w.members) - w.seeders, completed: w.completed}
}

// pick adds other peers to v, relying on the random start of a map's order.
// Seeds are no use to seeds, and a peer none to itself at another address.
func (w *swarm) pick(v *swarmView, now time.Time, from netip.AddrPort, self *member, want int) {
	if want <= 0 {
		want = defaultNumWant
	}
	want = min(want, maxNumWant)
	scanned := 0
	for addr, m := range w.members {
		if scanned++; scanned > maxScan || len(v.v4)+len(v.v6) >= want {
			return
		}
		if addr == from || m.id == self.id || m.seed && self.seed || !now.Before(m.expires) {
			continue
		}
		if addr.Addr().Is4() {
			v.v4 = append(v.v4, addr)
		} else {
			v.v6 = append(v.v6, addr)
		}
	}
}

// scrape returns the counts of torrents; unknown ones have zeros.
func (s *swarms) scrape(hashes [][20]byte) []ScrapeResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Scrapes++
	results := make([]ScrapeResult, len(hashes))
	for i, h := range hashes {
		if w := s.torrents[h]; w != nil {
			v := w.view()
			results[i] = ScrapeResult{Seeders: v.seeders, Leechers: v.leechers, Downloaded: v.completed}
		}
	}
	return results
}

// sweep forgets peers that have been silent for too long.
func (s *swarms) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, w := range s.torrents {
		for addr, m := range w.members {
			if !now.Before(m.expires) {
				s.drop(w, addr)
			}
		}
		s.dropEmpty(hash, w)
	}
}

// drop removes a member, if it is one.
func (s *swarms) drop(w *swarm, addr netip.AddrPort) {
	m := w.members[addr]
	if m == nil {
		return
	}
	if m.seed {
		w.seeders--
	}
	delete(w.members, addr)
	s.stats.Peers--
}

// dropEmpty forgets a torrent without peers, and its count of downloads: memory
// goes only to what lives.
func (s *swarms) dropEmpty(hash [20]byte, w *swarm) {
	if len(w.members) == 0 {
		delete(s.torrents, hash)
	}
}

func (s *swarms) reject() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Rejected++
}

func (s *swarms) statistics() ServerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Torrents = len(s.torrents)
	return st
}
