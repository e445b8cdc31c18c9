package torrent

import (
	"context"
	"net/netip"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/tracker"
)

// announcer tells one tracker after the other that we are here.
type announcer struct {
	*standing
	busy bool
}

// newAnnouncer goes on from the session before.
func newAnnouncer(s *session) announcer {
	if s.t.standing == nil {
		s.t.standing = &standing{tiers: tracker.NewTiers(s.record.Trackers, s.rnd)}
		s.t.standing.restart(&s.record)
	}
	return announcer{standing: s.t.standing}
}

// next is when the next announce is due; false when there is no tracker.
func (a *announcer) next() (time.Time, bool) {
	url, _, at := a.tiers.Next(time.Now())
	return at, url != ""
}

func (a *announcer) force(now time.Time)     { a.tiers.Force(now) }
func (a *announcer) completed(now time.Time) { a.tiers.Completed(now) }

// announcing reports whether trackers are to hear from us now.
func (s *session) announcing() bool {
	return s.wanted() && !s.draining && (s.phase == moving || s.phase == fetching || s.phase == resting && s.complete())
}

// announceTick starts the announce that is due.
func (s *session) announceTick(now time.Time) {
	a := &s.tell
	if a.busy || !s.announcing() {
		return
	}
	url, _, at := a.tiers.Next(now)
	if url == "" || at.After(now) {
		return
	}
	a.busy = true
	req := a.request(s.e, &s.record)
	req.Event, req.TrackerID = a.tiers.Begin(url, now)
	if req.Event == tracker.Regular && s.complete() && !s.everything() {
		req.Event = tracker.Paused // of a partial seed (BEP 21)
	}
	ctx, hashes := s.net, s.hashes()
	s.spawn(func() func() {
		r, err := s.e.announceAll(ctx, url, req, hashes)
		return func() {
			if err == nil {
				a.seed = req.Left == 0
			}
			s.announced(url, r, err)
		}
	})
}

// announceAll announces a torrent to each of its swarms: a hybrid one has two.
// It fails when none of them could be announced to.
func (e *Engine) announceAll(ctx context.Context, url string, req tracker.Request, hashes []metainfo.Hash) (all tracker.Response, err error) {
	var errs []error
	for _, h := range hashes {
		req.InfoHash = h
		r, err := e.announce(ctx, url, req)
		switch {
		case err != nil:
			errs = append(errs, err)
		case all.Interval == 0:
			all = r
		default:
			all.Peers = append(all.Peers, r.Peers...)
			all.Seeders, all.Leechers = max(all.Seeders, r.Seeders), max(all.Leechers, r.Leechers)
		}
	}
	if len(errs) == len(hashes) {
		return all, errs[0]
	}
	return all, nil
}

// announce sends one announce. A tracker that does not say how many seeds
// there are is asked separately.
func (e *Engine) announce(ctx context.Context, url string, req tracker.Request) (tracker.Response, error) {
	if !e.announces.acquire(ctx.Done()) {
		return tracker.Response{}, ctx.Err()
	}
	defer e.announces.release()
	r, err := e.trackers.Announce(ctx, url, req)
	if err == nil && r.Seeders < 0 {
		if counts, err := e.trackers.Scrape(ctx, url, req.InfoHash); err == nil && len(counts) == 1 {
			r.Seeders, r.Leechers, r.Downloaded = counts[0].Seeders, counts[0].Leechers, counts[0].Downloaded
		}
	}
	return r, err
}

func (s *session) announced(url string, r tracker.Response, err error) {
	a := &s.tell
	a.busy = false
	now := time.Now()
	if err != nil {
		if s.draining {
			return // cut off by us
		}
		a.tiers.Failed(url, now, err)
		retry, _ := a.next()
		s.log.Warn().Err(err).Time("retry", retry).Msg("announce failed")
		s.e.cfg.Events.Publish(event.TrackerFailed{InfoHash: s.t.hash.String(), URL: hostOf(url), Error: err.Error(), Retry: retry})
		s.announceTick(now)
		return
	}
	a.tiers.Succeeded(url, now, r)
	s.e.external.Tracker(hostOf(url), r.ExternalIP)
	addrs := make([]netip.AddrPort, len(r.Peers))
	for i, p := range r.Peers {
		addrs[i] = p.Addr
	}
	s.log.Debug().Int("peers", len(addrs)).Msg("announced")
	s.learn(addrs, sourceTracker)
	if s.phase == resting && s.announcing() && r.Leechers > 0 && len(addrs) > 0 {
		s.open() // somebody may want what we have and be unable to call us
	}
}

// farewell tells the trackers that we stop.
func (s *session) farewell() {
	for _, g := range s.tell.goodbyes(s.e, &s.record) {
		s.spawn(func() func() {
			g.say(s.ctx, s.e)
			return func() {}
		})
	}
}
