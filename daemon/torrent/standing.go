package torrent

import (
	"context"
	"sync"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/tracker"
	"lorrent/storage"
)

const (
	wantPeers     = 100
	farewellLimit = 8 // trackers that are told goodbye
)

// standing is how a torrent stands with its trackers, from one session to the next:
// they take a torrent that is parked for one that seeds.
type standing struct {
	tiers *tracker.Tiers
	// payload counters when the torrent was last announced as started
	downloaded, uploaded int64
	seed                 bool // what a tracker heard last: that nothing is left
}

// restart begins anew after a stop.
func (g *standing) restart(r *storage.Torrent) {
	g.downloaded, g.uploaded = r.DownloadedBytes, r.UploadedBytes
}

// request is an announce of the torrent that r is about.
func (g *standing) request(e *Engine, r *storage.Torrent) tracker.Request {
	left := r.TotalBytes - r.VerifiedBytes
	if unknown(r) {
		left = 16 << 10 // none would be that of a seed
	}
	return tracker.Request{
		InfoHash:   r.InfoHash,
		PeerID:     e.peerID,
		Port:       e.publicPort(),
		Uploaded:   r.UploadedBytes - g.uploaded,
		Downloaded: r.DownloadedBytes - g.downloaded,
		Left:       left,
		NumWant:    wantPeers,
		Key:        e.key,
		OneFamily:  r.Private, // two announces may count as two clients there
	}
}

// goodbye says to a tracker that a torrent stops.
type goodbye struct {
	url     string
	request tracker.Request
}

// goodbyes are for the trackers that take the torrent for one that runs. From then on
// they do not.
func (g *standing) goodbyes(e *Engine, r *storage.Torrent) (list []goodbye) {
	req := g.request(e, r)
	req.Event = tracker.Stopped
	urls := g.tiers.Stop()
	for _, url := range urls[:min(len(urls), farewellLimit)] {
		req.TrackerID = g.tiers.TrackerID(url)
		for _, req.InfoHash = range identityOf(r).hashes() {
			list = append(list, goodbye{url, req})
		}
	}
	return list
}

// say does not wait long.
func (g goodbye) say(ctx context.Context, e *Engine) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.StopGrace)
	defer cancel()
	if _, err := e.trackers.Announce(ctx, g.url, g.request); err != nil {
		hash := metainfo.Hash(g.request.InfoHash).String()[:8]
		e.log.Debug().Err(err).Str("torrent", hash).Msg("goodbye to tracker failed")
	}
}

// partParked says goodbye for the torrents that are parked, once all sessions are over.
// For many of them the time may be too short: those trackers forget by themselves.
func (e *Engine) partParked() {
	ctx, cancel := context.WithTimeout(context.Background(), e.cfg.StopGrace)
	defer cancel()
	var saying sync.WaitGroup
	defer saying.Wait()
	for _, t := range e.all() {
		if t.standing == nil {
			continue // no tracker has heard of it
		}
		for _, g := range t.standing.goodbyes(e, &t.record) {
			if !e.announces.acquire(ctx.Done()) {
				return
			}
			saying.Go(func() {
				defer e.announces.release()
				g.say(ctx, e)
			})
		}
	}
}
