package torrent

import (
	"errors"
	"fmt"
	"time"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/piecelayer"
)

// layersPatience is how long a hybrid torrent that came by a magnet link waits
// for the next part of its piece layers before it goes on without: its v1 hashes
// do as well.
const layersPatience = 15 * time.Second

// layerless is an info dictionary whose piece layers are still to be found.
type layerless struct {
	info  *metainfo.Info
	fetch *piecelayer.Fetch
	moved time.Time // when the last part came
}

// found takes the info dictionary of a magnet link, whose hash is right. A v2
// torrent wants its piece layers, too.
func (s *session) found(info *metainfo.Info, err error) {
	if err != nil || !info.IsV2() || info.HasLayers() {
		s.keep(info, err)
		return
	}
	s.seeking.storing = false
	if s.draining || s.phase != fetching {
		return // to begin anew another time
	}
	if s.record.Private = info.Private; info.Private {
		s.endExchange()
	}
	l := &layerless{info: info, fetch: piecelayer.NewFetch(info), moved: time.Now()}
	s.seeking.layers = l
	for _, r := range s.swarm.peers {
		s.mayKnowLayers(r)
	}
	s.log.Info().Int("hashes", info.NumLayerHashes()).Msg("looking for piece layers")
}

// mayKnowLayers begins to ask a peer for piece layers, if they are wanted.
func (s *session) mayKnowLayers(r *remote) {
	if l := s.seeking.layers; l != nil && r.v2 {
		l.fetch.Add(int32(r.id))
		s.askLayers(r, time.Now())
	}
}

func (s *session) askLayers(r *remote, now time.Time) {
	l := s.seeking.layers
	for l != nil {
		if s.seeking.held > seekingAllowance && s.e.seekingBytes.Load() > maxSeekingBytes {
			return // until others are done
		}
		q, ok := l.fetch.Next(int32(r.id), now)
		if !ok {
			return
		}
		r.sayHash(peerwire.HashRequest, q.Bytes())
	}
}

func (r *remote) sayHash(id peerwire.ID, payload []byte) {
	r.conn.Send(func(b []byte) []byte { return peerwire.AppendHash(b, id, payload) })
}

// layersTick is what happens once a second while piece layers are looked for.
func (s *session) layersTick(now time.Time) {
	l := s.seeking.layers
	l.fetch.Expire(now)
	for _, r := range s.swarm.peers {
		s.askLayers(r, now)
	}
	stuck := l.fetch.Peers() == 0 || now.Sub(l.moved) > layersPatience
	if l.info.IsHybrid() && stuck || l.fetch.Done() {
		s.layersDone()
	}
}

// layerArrived takes an answer to askLayers. It reports false when the peer was
// dropped.
func (s *session) layerArrived(r *remote, q hashtree.Request, hashes []hashtree.Hash, refused bool) bool {
	l, now := s.seeking.layers, time.Now()
	held := l.fetch.Held()
	var err error
	if refused {
		err = l.fetch.Reject(int32(r.id), q, now)
	} else {
		err = l.fetch.Hashes(int32(r.id), q, hashes)
	}
	if err != nil {
		l.fetch.Remove(int32(r.id))
		s.drop(r, "%v", err)
		return false
	}
	if l.fetch.Held() > held {
		l.moved = now
	}
	s.countHeld()
	if l.fetch.Done() {
		s.layersDone()
		return true
	}
	s.askLayers(r, now)
	return true
}

// layersDone goes on with the piece layers, or without those of a hybrid torrent
// that nobody has.
func (s *session) layersDone() {
	l := s.seeking.layers
	s.seeking.layers, s.seeking.storing = nil, true
	s.countHeld()
	s.spawn(func() func() {
		info, err := l.info, error(nil)
		if l.fetch.Done() {
			info, err = l.info.WithLayers(l.fetch.Layers())
		}
		return func() { s.keep(info, err) }
	})
}

// keep stores the metadata and goes on as with any torrent.
func (s *session) keep(info *metainfo.Info, err error) {
	if err != nil {
		s.adopted(info, err)
		return
	}
	s.seeking.storing = true
	s.spawn(func() func() {
		err := s.e.storeInfo(s.t.hash, info)
		return func() { s.adopted(info, err) }
	})
}

// contradicted is errConflict with the file it is about.
func contradicted(f *metainfo.File) error {
	return fmt.Errorf("file %q: %w", f.Path[len(f.Path)-1], errConflict)
}

// derive computes the piece layers of a hybrid torrent that came without them,
// from its files once they are complete. If the v2 half of the torrent is of
// other data than the v1 half, this is where it shows.
func (s *session) derive() {
	c := s.content
	if c == nil || c.info.HasLayers() || !c.info.IsV2() || c.deriving || s.draining {
		return
	}
	c.deriving = true
	s.fetch.writing++ // the content must stay
	ctx := s.net
	s.spawn(func() func() {
		info, err := c.derived(func() bool { return ctx.Err() != nil })
		if err == nil {
			err = s.e.cfg.Store.SetLayers(s.t.hash, info.Layers())
		}
		return func() {
			s.fetch.writing--
			switch {
			case s.draining:
			case errors.Is(err, errConflict):
				s.fail(err)
			case err != nil:
				s.log.Warn().Err(err).Msg("cannot compute the piece layers")
			default:
				s.log.Info().Int("hashes", info.NumLayerHashes()).Msg("piece layers computed")
				c.trees.with(info)
			}
		}
	})
}

// derived reads every file that is longer than a piece.
func (c *content) derived(stop func() bool) (*metainfo.Info, error) {
	var all []hashtree.Hash
	for i := range c.info.Files {
		f := &c.info.Files[i]
		if f.Pad || f.Length == 0 {
			continue
		}
		first := int(f.Offset / c.info.PieceLength)
		var layer []hashtree.Hash
		for p := first; int64(p)*c.info.PieceLength < f.Offset+f.Length; p++ {
			if stop() {
				return nil, errors.New("stopped")
			}
			check, err := c.readPiece(p)
			if err != nil {
				return nil, err
			}
			layer = append(layer, check.node())
		}
		if f.Length > c.info.PieceLength {
			if hashtree.New(layer, c.info.PieceLayer()).Root() != f.Root {
				return nil, contradicted(f)
			}
			all = append(all, layer...)
		} else if layer[0] != f.Root {
			return nil, contradicted(f)
		}
	}
	return c.info.WithLayers(hashtree.Append(nil, all))
}
