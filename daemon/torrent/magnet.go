package torrent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/magnet"
	"lorrent/daemon/torrent/metadata"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/storage"
)

// ErrNoMetadata says that a torrent's info dictionary is not there yet.
var ErrNoMetadata = errors.New("the torrent's metadata is not known yet")

// magnetRetry is how often the peers that a link names are tried anew.
const magnetRetry = 5 * time.Minute

// seeking is the state of getting the info dictionary of a torrent that was
// added by a magnet link.
type seeking struct {
	fetch   *metadata.Fetch // nil when not in the phase fetching, and once it is there
	layers  *layerless      // nil but for a v2 torrent whose info dictionary is there
	storing bool
	learnt  time.Time // the link's own peers, last
	held    int       // bytes of fetch that the engine has counted
}

const (
	maxSeekingBytes  = 256 << 20 // that all torrents hold of unfinished metadata,
	seekingAllowance = 2 << 20   // but for so much of each
)

// countHeld tells the engine how much memory the search takes.
func (s *session) countHeld() {
	held := 0
	if s.seeking.fetch != nil {
		held = s.seeking.fetch.Held()
	}
	if s.seeking.layers != nil {
		held = s.seeking.layers.fetch.Held()
	}
	s.e.seekingBytes.Add(int64(held - s.seeking.held))
	s.seeking.held = held
}

// AddMagnet stores the torrent that a magnet link names and starts it unless
// it is to be paused. It is durable when AddMagnet returns; what the torrent
// contains is asked of its peers then. A torrent that is there already learns
// new trackers, peers and web seeds, unless it is private, and is otherwise left as it is.
func (e *Engine) AddMagnet(ctx context.Context, uri string, o AddOptions) (s Status, duplicate bool, err error) {
	l, err := magnet.Parse(uri)
	if err != nil {
		return s, false, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := o.Limits.check(); err != nil {
		return s, false, err
	}
	if e.lifetime() == nil {
		return s, false, ErrClosed
	}
	record := linkRecord(l, uri, o, e.cfg.DownloadDir)
	if err := chooseFiles(&record, nil, o.Files, l.Select); err != nil {
		return s, false, err
	}
	hashes := identityOf(&record).hashes()
	t, err := e.reserve(ctx, hashes...)
	if err != nil {
		return s, false, fmt.Errorf("add %s: %w", l.Key(), err)
	}
	if t != nil {
		err = e.merge(ctx, t, linkTiers(l), linkedWebSeeds(l), l)
		return t.snapshot(), true, err
	}
	defer e.unreserve(hashes...)
	s, err = e.enter(record, storage.Metadata{}, storage.Resume{})
	return s, false, err
}

func linkRecord(l *magnet.Link, uri string, o AddOptions, dir string) storage.Torrent {
	if o.Dir != "" {
		dir = filepath.Clean(o.Dir)
	}
	r := storage.Torrent{
		InfoHash: l.Key(),
		Name:     l.Name,
		Dir:      dir,
		AddedAt:  time.Now().UTC(),
		Stopped:  o.Paused,
		Magnet:   uri,
		WebSeeds: linkedWebSeeds(l),

		DownloadLimit: o.Limits.Download,
		UploadLimit:   o.Limits.Upload,

		SuperSeed: o.SuperSeed,
	}
	if r.Name == "" {
		r.Name = l.Key().String()
	}
	if l.IsV2() {
		r.HashV2 = l.V2.String()
	}
	r.Trackers = linkTiers(l)
	return r
}

func storedMetadata(info *metainfo.Info) storage.Metadata {
	return storage.Metadata{Info: info.Bytes, Layers: info.Layers()}
}

// describe puts into a record what the info dictionary says.
func describe(r *storage.Torrent, info *metainfo.Info) {
	r.Name = info.Name
	r.TotalBytes = info.NumBytes
	r.PieceLength = info.PieceLength
	r.NumPieces = info.NumPieces()
	r.NumFiles = info.NumFiles()
	r.Private = info.Private
	identify(r, info)
	_, _ = settle(r, info) // opening the torrent says what is wrong with it
}

// unknown reports whether the info dictionary is still to be found.
func (s *session) unknown() bool { return unknown(&s.record) }

func unknown(r *storage.Torrent) bool { return r.NumPieces == 0 }

// meeting reports whether this is the time to have connections.
func (s *session) meeting() bool {
	return (s.phase == moving || s.phase == fetching) && !s.draining
}

// seek begins to look for the info dictionary.
func (s *session) seek() {
	s.phase = fetching
	s.seeking.fetch = metadata.NewFetch(identityOf(&s.record).metadata())
	s.learnLinked(time.Now())
}

// learnLinked adds the peers that the magnet link names, now and again until
// everything is there: a torrent may know no others.
func (s *session) learnLinked(now time.Time) {
	if s.record.Magnet == "" || s.complete() || now.Sub(s.seeking.learnt) < magnetRetry {
		return
	}
	s.seeking.learnt = now
	if l, err := magnet.Parse(s.record.Magnet); err == nil {
		s.learnFrom(l)
	}
}

// seekTick is what happens once a second until the info dictionary is there.
func (s *session) seekTick(now time.Time) {
	f := s.seeking.fetch
	if f == nil && s.seeking.layers == nil {
		return
	}
	if f == nil {
		s.layersTick(now)
		return
	}
	f.Expire(now)
	for _, r := range s.swarm.peers {
		s.askMetadata(r, now)
	}
}

// askMetadata asks a peer for as much of the info dictionary as it may be.
func (s *session) askMetadata(r *remote, now time.Time) {
	s.countHeld()
	for s.seeking.fetch != nil && r.metadataID != 0 {
		if s.seeking.held > seekingAllowance && s.e.seekingBytes.Load() > maxSeekingBytes {
			return // until others are done
		}
		piece, ok := s.seeking.fetch.Next(int32(r.id), now)
		if !ok {
			return
		}
		s.sayExtended(r, r.metadataID, metadata.AppendRequest(nil, piece))
	}
}

// metadataArrived takes an answer to askMetadata. It reports false when the
// peer was dropped.
func (s *session) metadataArrived(r *remote, m metadata.Message) bool {
	f := s.seeking.fetch
	if f == nil || s.draining {
		return true
	}
	now := time.Now()
	if m.Type == metadata.Reject {
		if err := f.Reject(int32(r.id), m.Piece, now); err != nil {
			s.drop(r, "%v", err)
			return false
		}
		return true
	}
	raw, liars, err := f.Data(int32(r.id), m, now)
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	if raw != nil {
		s.adopt(raw)
		return true
	}
	dropped := false
	for _, id := range liars {
		if liar := s.swarm.peers[id]; liar != nil {
			s.drop(liar, "its metadata has a wrong hash, or comes too slowly")
			dropped = dropped || liar == r
		}
		f.Remove(id)
	}
	s.askMetadata(r, now)
	return !dropped
}

// adopt takes an info dictionary whose hash is right.
func (s *session) adopt(raw []byte) {
	s.seeking.fetch, s.seeking.storing = nil, true
	s.countHeld()
	s.spawn(func() func() {
		info, err := metainfo.ParseInfo(raw)
		if err == nil {
			err = s.e.unite(s.t, info)
		}
		return func() { s.found(info, err) }
	})
}

// storeInfo makes an info dictionary durable. One that is there already, from
// the peers or from a .torrent, is the same: its hash is.
func (e *Engine) storeInfo(h metainfo.Hash, info *metainfo.Info) error {
	resume := storage.Resume{Bitfield: bitfield.New(info.NumPieces()).Wire()}
	err := e.cfg.Store.SetInfo(h, storedMetadata(info), resume, func(r *storage.Torrent) { describe(r, info) })
	if errors.Is(err, storage.ErrExists) {
		return nil
	}
	return err
}

func (s *session) adopted(info *metainfo.Info, err error) {
	s.seeking.storing = false
	if err != nil {
		if !s.draining {
			s.fail(fmt.Errorf("metadata: %w", err))
		}
		return
	}
	if file := beyond(&s.record, info); file >= 0 {
		s.log.Warn().Str("name", info.Name).Int("file", file).Int("files", len(info.Files)).Msg("a file was chosen that the torrent does not have")
	}
	describe(&s.record, info)
	s.log.Info().Str("name", info.Name).Int("bytes", len(info.Bytes)).Msg("metadata complete")
	switch {
	case s.draining:
	case s.phase == fetching:
		s.phase = resting
		if info.Private {
			s.endExchange()
		}
		s.open()
	default:
		s.begin()
	}
}

// supply takes the info dictionary from a .torrent that was added for a
// torrent without one. It is stored before anybody is told.
func (e *Engine) supply(ctx context.Context, t *torrent, info *metainfo.Info) error {
	err := e.unite(t, info)
	if err == nil {
		err = e.storeInfo(t.hash, info)
	}
	if err != nil {
		return fmt.Errorf("store the metadata of %s: %w", info.Hash, err)
	}
	return t.call(ctx, func(s *session) error {
		if s.unknown() && !s.seeking.storing {
			s.seeking.fetch, s.seeking.layers = nil, nil
			s.countHeld()
			s.adopted(info, nil)
		}
		return nil
	})
}

// fromSource counts the candidates that came from source.
func (s *session) fromSource(source string) (n int) {
	for _, c := range s.swarm.candidates {
		if c.source == source {
			n++
		}
	}
	return n
}

// forgetSource drops the peers and candidates that came from source.
func (s *session) forgetSource(source string) {
	for addr, c := range s.swarm.candidates {
		if c.source == source {
			c.forbidden = true
			if !c.busy {
				delete(s.swarm.candidates, addr)
			}
		}
	}
	for _, r := range s.swarm.peers {
		if r.source == source {
			r.conn.Close()
		}
	}
}
