package torrent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"lorrent/daemon/torrent/magnet"
	"lorrent/storage"
)

const (
	maxMergedTrackers = 200              // of one torrent
	resolveLimit      = 10 * time.Second // for a peer's name
)

// merge gives a torrent that is added again the trackers, web seeds and peers
// that it did not know. Trackers and web seeds are stored when merge returns. A
// private torrent keeps its own: which they are is part of what it is.
func (e *Engine) merge(ctx context.Context, t *torrent, trackers [][]string, webSeeds []string, link *magnet.Link) error {
	var all [][]string
	var seeds []string
	err := t.call(ctx, func(s *session) error {
		if s.record.Private {
			return nil
		}
		if fresh := newTrackers(s.record.Trackers, trackers); len(fresh) > 0 {
			all = append(slices.Clone(s.record.Trackers), fresh...)
			s.record.Trackers = all
			s.tell.tiers.Add(fresh)
		}
		if list := mergedWebSeeds(s.record.WebSeeds, webSeeds); len(list) > len(s.record.WebSeeds) {
			seeds = list
			s.t.web = append(s.t.web, newWebSeeds(list)[len(s.t.web):]...)
			s.record.WebSeeds = list
		}
		if link != nil && s.wanted() {
			s.learnFrom(link)
		}
		s.announceTick(time.Now())
		return nil
	})
	if err != nil || all == nil && seeds == nil {
		return err
	}
	err = e.cfg.Store.UpdateTorrent(t.hash, func(r *storage.Torrent) {
		if all != nil {
			r.Trackers = all
		}
		if seeds != nil {
			r.WebSeeds = seeds
		}
	})
	if err != nil {
		return fmt.Errorf("store the trackers and web seeds of %s: %w", t.hash, err)
	}
	return nil
}

// newTrackers are the tiers of more without the trackers that are known.
func newTrackers(known, more [][]string) (fresh [][]string) {
	seen := make(map[string]bool)
	for _, tier := range known {
		for _, u := range tier {
			seen[u] = true
		}
	}
	for _, tier := range more {
		var kept []string
		for _, u := range tier {
			if !seen[u] && len(seen) < maxMergedTrackers {
				seen[u] = true
				kept = append(kept, u)
			}
		}
		if len(kept) > 0 {
			fresh = append(fresh, kept)
		}
	}
	return fresh
}

// mergedWebSeeds are those that are known and, as far as there is room, more.
func mergedWebSeeds(known, more []string) []string {
	list := slices.Clone(known)
	for _, u := range more {
		if len(list) < maxWebSeeds && !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	return list
}

func linkTiers(l *magnet.Link) (tiers [][]string) {
	for _, u := range l.Trackers {
		tiers = append(tiers, []string{u}) // in the link's order
	}
	return tiers
}

// learnFrom adds the peers that a link names. Those with host names come once
// they are found.
func (s *session) learnFrom(l *magnet.Link) {
	if len(l.Peers) > 0 {
		s.learn(l.Peers, sourceMagnet)
	}
	if len(l.Hosts) == 0 {
		return
	}
	ctx, hosts := s.net, l.Hosts
	s.spawn(func() func() {
		found := resolvePeers(ctx, hosts)
		return func() {
			if s.wanted() && len(found) > 0 {
				s.learn(found, sourceMagnet)
			}
		}
	})
}

func resolvePeers(ctx context.Context, hosts []string) (found []netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	for _, name := range hosts {
		host, text, err := net.SplitHostPort(name)
		if err != nil {
			continue
		}
		port, err := net.LookupPort("tcp", text)
		if err != nil {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			continue
		}
		for _, ip := range ips {
			found = append(found, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
		}
	}
	return found
}
