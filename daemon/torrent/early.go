package torrent

import (
	"slices"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metadata"
	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
)

const (
	// maxEarlyBitfield bounds a bitfield that comes before the number of
	// pieces is known: no info dictionary that is fetched can name more.
	maxEarlyBitfield = metadata.MaxSize / 20 / 8

	maxEarlyHaves  = 4096  // that are kept; a peer is believed to have less than it has
	maxCatchUpHave = 50000 // pieces that a peer is told of one by one
)

// early is what a peer has said about its pieces before the info dictionary
// was there to make sense of it.
type early struct {
	all   bool
	bits  []byte
	haves []uint32
}

// early messages are kept, or answered as far as is possible without knowing
// what the torrent contains. It reports false when the peer was dropped.
func (s *session) earlyMessage(r *remote, e *peer.Event) bool {
	k := r.early
	switch e.ID {
	case peerwire.HaveAll, peerwire.HaveNone, peerwire.Suggest, peerwire.Reject, peerwire.AllowedFast:
		if !r.fast {
			s.drop(r, "message %d without the fast extension", e.ID)
			return false
		}
	}
	switch e.ID {
	case peerwire.Choke:
		r.chokesUs = true
	case peerwire.Unchoke:
		r.chokesUs = false
	case peerwire.Interested:
		r.wantsUs = true
	case peerwire.NotInterested:
		r.wantsUs = false
	case peerwire.HaveAll:
		*k = early{all: true}
	case peerwire.HaveNone:
	case peerwire.Bitfield:
		k.bits = e.Bytes
	case peerwire.Have:
		return s.earlyHave(r, e.Index)
	case peerwire.AllowedFast:
		if len(r.allowed) < maxAllowedFast && !slices.Contains(r.allowed, int32(e.Index)) {
			r.allowed = append(r.allowed, int32(e.Index))
		}
	case peerwire.Request:
		if r.excess++; r.excess > maxExcess {
			s.drop(r, "%d requests before there was anything to ask for", r.excess)
			return false
		}
		s.refuse(r, e)
	case peerwire.Port:
		s.nodeHeard(r, uint16(e.Index))
	case peerwire.Extended:
		return s.extended(r, e.Extension, e.Bytes)
	case peerwire.HashRequest, peerwire.Hashes, peerwire.HashReject:
		return s.hashMessage(r, e.ID, e.Bytes)
	}
	return true
}

func (s *session) earlyHave(r *remote, index uint32) bool {
	k := r.early
	switch {
	case index >= 8*maxEarlyBitfield:
		s.drop(r, "message %d names piece %d", peerwire.Have, index)
		return false
	case k.all:
	case int(index) < 8*len(k.bits):
		k.bits[index/8] |= 0x80 >> (index % 8)
	case len(k.haves) < maxEarlyHaves && !slices.Contains(k.haves, index):
		k.haves = append(k.haves, index)
	}
	return true
}

// catchUp makes a peer that came before the info dictionary a full one.
func (s *session) catchUp(r *remote) {
	k, c := r.early, s.content
	if k == nil {
		return
	}
	n := c.info.NumPieces()
	r.early = nil
	r.has = bitfield.New(n)
	r.content.Store(c)
	c.picker.AddPeer(r.id)
	allowed := r.allowed
	r.allowed = nil
	if !s.tellAll(r) {
		return
	}
	has := bitfield.New(n)
	if k.all {
		has.SetAll()
	} else if k.bits != nil {
		var err error
		if has, err = bitfield.FromWire(k.bits, n); err != nil {
			s.drop(r, "%v", err)
			return
		}
	}
	for _, p := range k.haves {
		if p >= uint32(n) {
			s.drop(r, "message %d names piece %d of %d", peerwire.Have, p, n)
			return
		}
		has.Set(int(p))
	}
	for _, p := range allowed {
		if uint32(p) >= uint32(n) {
			s.drop(r, "message %d names piece %d of %d", peerwire.AllowedFast, p, n)
			return
		}
	}
	r.allowed = allowed
	s.peerHasSet(r, has)
	s.refill(r)
}

// tellAll tells a peer that was told of no piece which ones there are.
func (s *session) tellAll(r *remote) bool {
	if s.super.active {
		s.showFirst(r)
		return true
	}
	have := s.content.picker.Have()
	if have.Count() > maxCatchUpHave {
		s.drop(r, "it is told what we have when it comes back")
		return false
	}
	r.conn.Send(func(b []byte) []byte {
		for p := have.Next(0); p >= 0; p = have.Next(p + 1) {
			b = peerwire.AppendIndex(b, peerwire.Have, uint32(p))
		}
		if r.extends {
			b = peerwire.AppendExtended(b, 0, s.greeting(r))
		}
		if r.fast && !have.None() {
			b = s.grant(b, r)
		}
		return b
	})
	return true
}

// isSeed reports whether a peer has everything, as far as it has said.
func (r *remote) isSeed() bool {
	if r.early != nil {
		return r.early.all
	}
	return r.has.All()
}

// newEarly is nil for a peer that joins a torrent whose pieces are known.
func newEarly(c *content) *early {
	if c != nil && c.picker != nil {
		return nil
	}
	return &early{}
}

func pieceCount(c *content) int {
	if c == nil || c.picker == nil {
		return 0
	}
	return c.info.NumPieces()
}
