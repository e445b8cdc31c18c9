package torrent

import (
	"slices"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
)

// maxAllowedFast bounds the pieces a peer may offer while it chokes us.
const maxAllowedFast = 64

// heard handles what a connection has collected.
func (s *session) heard(c *peer.Conn) {
	r := s.swarm.peers[c.ID()]
	if r == nil {
		return
	}
	s.fetch.events = c.Take(s.fetch.events)
	dropped := false
	for i := range s.fetch.events {
		switch e := &s.fetch.events[i]; {
		case r.early != nil:
			dropped = dropped || !s.earlyMessage(r, e)
		case e.ID == peerwire.Piece: // it is in its piece already, whoever sent it
			s.blockArrived(r, e)
		case !dropped:
			dropped = !s.message(r, e)
		}
	}
	clear(s.fetch.events)
	if !s.draining && r.early == nil {
		s.refill(r)
	}
}

// message handles everything but blocks. It reports false when the peer was
// dropped.
func (s *session) message(r *remote, e *peer.Event) bool {
	n := uint32(s.content.info.NumPieces())
	switch e.ID {
	case peerwire.HaveAll, peerwire.HaveNone, peerwire.Suggest, peerwire.Reject, peerwire.AllowedFast:
		if !r.fast {
			s.drop(r, "message %d without the fast extension", e.ID)
			return false
		}
	}
	switch e.ID {
	case peerwire.Have, peerwire.Suggest, peerwire.AllowedFast, peerwire.Request, peerwire.Cancel, peerwire.Reject:
		if e.Index >= n {
			s.drop(r, "message %d names piece %d of %d", e.ID, e.Index, n)
			return false
		}
	}
	switch e.ID {
	case peerwire.Choke:
		s.choked(r)
	case peerwire.Unchoke:
		r.chokesUs, r.snubbed = false, false
	case peerwire.Interested:
		r.wantsUs = true
		s.offer(r)
	case peerwire.NotInterested:
		r.wantsUs = false
	case peerwire.Have:
		s.peerHas(r, int(e.Index))
	case peerwire.Bitfield:
		return s.peerBitfield(r, e.Bytes)
	case peerwire.HaveAll:
		if !r.has.All() {
			all := bitfield.New(int(n))
			all.SetAll()
			s.peerHasSet(r, all)
		}
	case peerwire.HaveNone: // as we believe already
		s.considerInterest(r)
	case peerwire.AllowedFast:
		if len(r.allowed) < maxAllowedFast && !slices.Contains(r.allowed, int32(e.Index)) {
			r.allowed = append(r.allowed, int32(e.Index))
		}
	case peerwire.Request:
		return s.requested(r, e)
	case peerwire.Cancel:
		s.cancelled(r, e)
	case peerwire.Reject:
		return s.rejected(r, e)
	case peerwire.Port:
		s.nodeHeard(r, uint16(e.Index))
	case peerwire.Extended:
		return s.extended(r, e.Extension, e.Bytes)
	case peerwire.HashRequest, peerwire.Hashes, peerwire.HashReject:
		return s.hashMessage(r, e.ID, e.Bytes)
	}
	return true
}

func (s *session) peerHas(r *remote, index int) {
	if r.has.Has(index) {
		return
	}
	r.has.Set(index)
	s.content.picker.PeerHave(r.id, index)
	s.passedOn(r, index)
	s.considerInterest(r)
}

func (s *session) peerBitfield(r *remote, b []byte) bool {
	has, err := bitfield.FromWire(b, s.content.info.NumPieces())
	if err != nil {
		s.drop(r, "%v", err)
		return false
	}
	s.peerHasSet(r, has)
	return true
}

// peerHasSet takes what a peer says it has. BEP 3 wants that once and first of
// all, but aria2 sends its bitfield again in place of many HAVE messages. Then
// only the new pieces count, so that repeating it costs us next to nothing.
func (s *session) peerHasSet(r *remote, has *bitfield.Bitfield) {
	switch {
	case !r.has.None():
		for i := has.Next(0); i >= 0; i = has.Next(i + 1) {
			if !r.has.Has(i) {
				r.has.Set(i)
				s.content.picker.PeerHave(r.id, i)
			}
		}
	case has.All():
		r.has = has
		s.content.picker.PeerHaveAll(r.id)
	case !has.None():
		r.has = has
		s.content.picker.PeerBitfield(r.id, has)
	}
	if s.super.active && r.isSeed() {
		s.endSuperSeed()
	}
	s.considerInterest(r)
}

// considerInterest tells a peer when our interest in it changes, and leaves
// one that has nothing for us and wants nothing.
func (s *session) considerInterest(r *remote) {
	interested := s.content.picker.Interesting(r.id)
	if interested != r.interests {
		r.interests = interested
		id := peerwire.NotInterested
		if interested {
			id = peerwire.Interested
		}
		r.conn.Send(func(b []byte) []byte { return peerwire.AppendMessage(b, id) })
	}
	if r.wantsNothing() && s.content.picker.Left() == 0 {
		r.conn.Close() // two seeds have nothing to say to each other
	}
}

// choked drops what we wait for: without BEP 6 the peer has forgotten it,
// with it every request is answered by a reject or a block.
func (s *session) choked(r *remote) {
	r.chokesUs = true
	if r.fast {
		return
	}
	blocks, _ := r.conn.GiveUpAll(false)
	s.release(r, blocks)
}
