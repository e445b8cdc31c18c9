package torrent

import "encoding/binary"

// Extension messages without a package of their own.
const (
	nameDontHave   = "lt_donthave" // BEP 54: a piece's index; only received: who loses pieces here leaves everybody first
	nameUploadOnly = "upload_only" // BEP 21, as libtorrent has it: a byte, 0 for no
)

// lost takes back that a peer has a piece. Who says HAVE again afterwards is
// believed. It reports false when the peer was dropped.
func (s *session) lost(r *remote, payload []byte) bool {
	if len(payload) != 4 {
		s.drop(r, "%s of %d bytes", nameDontHave, len(payload))
		return false
	}
	index := binary.BigEndian.Uint32(payload)
	if r.early != nil {
		r.early.lost(index)
		return true
	}
	if n := s.content.info.NumPieces(); index >= uint32(n) {
		s.drop(r, "%s names piece %d of %d", nameDontHave, index, n)
		return false
	}
	if r.has.Has(int(index)) {
		r.has.Clear(int(index))
		s.content.picker.PeerLost(r.id, int(index))
		s.considerInterest(r)
	}
	return true
}

// lost is of no use to what is said to have everything: nobody knows yet how
// much that is, and a request too many is refused.
func (k *early) lost(index uint32) {
	if int(index/8) < len(k.bits) {
		k.bits[index/8] &^= 0x80 >> (index % 8)
	}
	for i, have := range k.haves {
		if have == index {
			k.haves = append(k.haves[:i], k.haves[i+1:]...)
			return
		}
	}
}

// uploadOnly takes what a peer says of its interest in an extension message.
// It reports false when the peer was dropped.
func (s *session) uploadOnly(r *remote, payload []byte) bool {
	if len(payload) != 1 {
		s.drop(r, "%s of %d bytes", nameUploadOnly, len(payload))
		return false
	}
	s.onlyUploads(r, payload[0] != 0)
	return true
}

// onlyUploads notes whether a peer wants nothing (BEP 21): a seed, or one that
// has all the files it wants. To a seed it is of no use.
func (s *session) onlyUploads(r *remote, only bool) {
	r.uploads = only
	if r.early == nil && s.phase == moving {
		s.considerInterest(r)
	}
}

// sayUploadOnly tells peers whether there is nothing left for us to want.
func (s *session) sayUploadOnly(only bool) {
	payload := []byte{0}
	if only {
		payload[0] = 1
	}
	for _, r := range s.swarm.peers {
		if r.uploadsID != 0 {
			s.sayExtended(r, r.uploadsID, payload)
		}
	}
}

// wantsNothing reports whether a peer is a seed, or says that it only uploads.
func (r *remote) wantsNothing() bool { return r.uploads || r.isSeed() }
