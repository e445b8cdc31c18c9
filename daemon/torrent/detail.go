package torrent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/selection"
)

// status is the torrent as it is now.
func (s *session) status() Status {
	st := statusOf(s.record)
	st.State = s.state()
	if s.phase == moving {
		st.SuperSeeding = s.super.active
	}
	st.SuperSeeding = st.SuperSeeding && st.State == Seeding
	if st.Error == "" {
		st.Error = s.obstacle
	}
	if st.State == Checking {
		st.CheckedBytes = 0 // not begun
		if s.check != nil {
			st.CheckedBytes = s.check.bytes
		}
	}
	for _, r := range s.swarm.peers {
		if r.web == nil {
			st.Peers++
		}
		if r.web == nil && r.isSeed() {
			st.Seeds++
		}
		st.DownloadRate += r.downRate
		st.UploadRate += r.upRate
	}
	left := st.WantedBytes - st.WantedVerifiedBytes
	switch {
	case s.unknown():
		st.ETASeconds = -1
	case left == 0:
		st.ETASeconds = 0
	case st.State == Downloading && st.DownloadRate > 0:
		st.ETASeconds = left / st.DownloadRate
	default:
		st.ETASeconds = -1
	}
	return st
}

func (s *session) state() State {
	switch {
	case s.record.Stopped && s.check == nil:
		return Stopped
	case s.record.Error != "":
		return Failed
	case s.unknown():
		return Metadata
	case s.check != nil, s.hashAll && (s.phase == opening || s.phase == queueing):
		return Checking
	case s.phase == queueing:
		return Queued
	case s.complete():
		return Seeding
	case s.phase == moving, s.phase == preparing:
		return Downloading
	}
	return Queued
}

// measure updates rates and the torrent's counters.
func (s *session) measure(now time.Time) {
	for _, r := range s.swarm.peers {
		r.downRate = r.down.Update(r.conn.Downloaded(), now)
		r.upRate = r.up.Update(r.conn.Uploaded(), now)
		s.account(r)
	}
}

// account adds what moved on a connection since the last time.
func (s *session) account(r *remote) {
	down, up := r.conn.Downloaded(), r.conn.Uploaded()
	if down == r.countedDown && up == r.countedUp {
		return
	}
	s.record.DownloadedBytes += down - r.countedDown
	s.record.UploadedBytes += up - r.countedUp
	r.countedDown, r.countedUp = down, up
	s.resume.changed = true
}

// Get returns everything about one torrent. A torrent that nobody works on is
// described from the database.
func (e *Engine) Get(ctx context.Context, h metainfo.Hash) (Detail, error) {
	t, ok := e.find(h)
	if !ok {
		return Detail{}, fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	var d Detail
	var info *metainfo.Info
	var have *bitfield.Bitfield
	var files string
	err := t.call(ctx, func(s *session) error {
		d, files = s.detail(), s.record.Files
		if s.content != nil {
			info = s.content.info
			if s.content.picker != nil {
				have = s.content.picker.Have().Clone()
			}
		}
		return nil
	})
	if err != nil {
		return Detail{}, err
	}
	if d.NumPieces == 0 {
		return d, nil
	}
	if info == nil {
		if info, err = e.storedInfo(h); err != nil {
			return Detail{}, err
		}
	}
	if have == nil {
		have = e.storedBits(h, info.NumPieces())
	}
	d.Pieces = have.Wire()
	chosen, err := selection.Parse(files)
	d.Files = fileStatus(info, have, chosen.Files(len(info.Files)))
	return d, err
}

func (e *Engine) storedInfo(h metainfo.Hash) (*metainfo.Info, error) {
	b, err := e.cfg.Store.Info(h)
	if err != nil {
		return nil, err
	}
	return e.parseStored(h, b)
}

// parseStored adds what does not stand in the info dictionary.
func (e *Engine) parseStored(h metainfo.Hash, b []byte) (*metainfo.Info, error) {
	info, err := metainfo.ParseInfo(b)
	if err != nil || !info.IsV2() {
		return info, err
	}
	layers, err := e.cfg.Store.Layers(h)
	switch {
	case err != nil:
		return nil, err
	case layers != nil:
		return info.WithLayers(layers)
	case !info.HasLayers() && !info.IsHybrid():
		return nil, errors.New("its piece layers are missing")
	}
	return info, nil // hybrid, by a magnet link or stored when v2 was not known
}

// storedBits is what the database says; nothing when it says nothing usable.
func (e *Engine) storedBits(h metainfo.Hash, n int) *bitfield.Bitfield {
	if r, err := e.cfg.Store.Resume(h); err == nil {
		if have, err := bitfield.FromWire(r.Bitfield, n); err == nil {
			return have
		}
	}
	return bitfield.New(n)
}

// detail is what only the session knows.
func (s *session) detail() Detail {
	d := Detail{Status: s.status()}
	for _, r := range s.swarm.peers {
		if r.web == nil {
			d.Peers = append(d.Peers, r.status())
		}
	}
	for _, w := range s.t.web {
		d.WebSeeds = append(d.WebSeeds, w.status())
	}
	d.Finding = s.finding()
	for _, t := range s.tell.tiers.Trackers() {
		d.Trackers = append(d.Trackers, TrackerStatus(t))
	}
	if s.content != nil && s.content.picker != nil && len(s.swarm.peers) > 0 {
		d.Availability = s.content.picker.Availability()
	}
	return d
}

func (r *remote) status() PeerStatus {
	p := PeerStatus{
		Address:        r.addr.String(),
		Client:         r.client,
		Direction:      "in",
		Source:         r.source,
		Transport:      r.over,
		Encryption:     r.secure,
		DownloadRate:   r.downRate,
		UploadRate:     r.upRate,
		Downloaded:     r.conn.Downloaded(),
		Uploaded:       r.conn.Uploaded(),
		Choking:        r.choking,
		Interested:     r.interests,
		PeerChoking:    r.chokesUs,
		PeerInterested: r.wantsUs,
		Snubbed:        r.snubbed,
		Requests:       r.conn.Outstanding(),
		QueuedUploads:  r.conn.QueuedUploads(),
	}
	if r.dialed {
		p.Direction = "out"
	}
	if n := r.has.Len(); n > 0 {
		p.Progress = float64(r.has.Count()) / float64(n)
	}
	return p
}

// hostOf is the part of a tracker's URL that may be shown: the rest can hold
// a passkey.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
