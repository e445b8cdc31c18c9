package dht

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

const (
	peerLifetime    = 45 * time.Minute // they are to announce every half hour
	maxTorrents     = 2000
	maxStored       = 200 // peers of one torrent
	maxAnswer       = 40  // of them in one answer, so that it fits a packet
	maxStoredByAddr = 100 // torrents of one address
	maxLooked       = 50  // torrents, for one to give up
)

// store is what others have announced to us. It is guarded by its owner.
type store struct {
	torrents map[nodeID]map[netip.Addr]stored // one peer of an address
	perAddr  map[netip.Addr]int
}

type stored struct {
	port    uint16
	seed    bool
	expires time.Time
}

func newStore() *store {
	return &store{torrents: make(map[nodeID]map[netip.Addr]stored), perAddr: make(map[netip.Addr]int)}
}

// add stores a peer of a torrent, when there is room.
func (s *store) add(infoHash nodeID, peer netip.AddrPort, seed bool, now time.Time) {
	addr := peer.Addr()
	_, again := s.torrents[infoHash][addr]
	if !again {
		if s.perAddr[addr] >= maxStoredByAddr || !s.makeRoom(infoHash, now) {
			return
		}
		s.perAddr[addr]++
	}
	if s.torrents[infoHash] == nil {
		s.torrents[infoHash] = make(map[netip.Addr]stored)
	}
	s.torrents[infoHash][addr] = stored{port: peer.Port(), seed: seed, expires: now.Add(peerLifetime)}
}

// makeRoom makes place for one more peer of a torrent: what has expired goes,
// and of too many torrents one that has few peers.
func (s *store) makeRoom(infoHash nodeID, now time.Time) bool {
	if len(s.torrents[infoHash]) >= maxStored {
		s.expire(infoHash, now)
	}
	if s.torrents[infoHash] != nil {
		return len(s.torrents[infoHash]) < maxStored
	}
	if len(s.torrents) < maxTorrents {
		return true
	}
	var smallest nodeID
	fewest, looked := maxStored+1, 0
	for h := range s.torrents { // in no order
		s.expire(h, now)
		if n := len(s.torrents[h]); n > 0 && n < fewest {
			smallest, fewest = h, n
		}
		if looked++; looked == maxLooked {
			break
		}
	}
	if len(s.torrents) >= maxTorrents {
		for addr := range s.torrents[smallest] {
			s.forget(smallest, addr)
		}
	}
	return true
}

func (s *store) expire(infoHash nodeID, now time.Time) {
	for addr, p := range s.torrents[infoHash] {
		if !now.Before(p.expires) {
			s.forget(infoHash, addr)
		}
	}
}

func (s *store) forget(infoHash nodeID, addr netip.Addr) {
	delete(s.torrents[infoHash], addr)
	if len(s.torrents[infoHash]) == 0 {
		delete(s.torrents, infoHash)
	}
	if s.perAddr[addr]--; s.perAddr[addr] <= 0 {
		delete(s.perAddr, addr)
	}
}

// some are peers of a torrent, others each time.
func (s *store) some(infoHash nodeID, noSeeds bool, now time.Time) (list []netip.AddrPort) {
	s.expire(infoHash, now)
	peers := s.torrents[infoHash]
	addrs := slices.Collect(maps.Keys(peers))
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	for _, addr := range addrs {
		if p := peers[addr]; len(list) < maxAnswer && !(noSeeds && p.seed) {
			list = append(list, netip.AddrPortFrom(addr, p.port))
		}
	}
	return list
}

// scrape fills the filters of BEP 33 with a torrent's seeds and the others; it
// reports false when there are none.
func (s *store) scrape(infoHash nodeID, now time.Time) (seeds, others bloom, ok bool) {
	s.expire(infoHash, now)
	for addr, p := range s.torrents[infoHash] {
		if p.seed {
			seeds.add(addr)
		} else {
			others.add(addr)
		}
		ok = true
	}
	return seeds, others, ok
}
