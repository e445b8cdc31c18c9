package torrent

import (
	"lorrent/daemon/torrent/metadata"
	"lorrent/daemon/torrent/peerwire"
)

const (
	metadataRate    = 64        // pieces that a torrent's peers get in a second
	metadataBacklog = 128 << 10 // bytes a peer has not read yet, before it is given more
	maxMetadataAsks = 256       // pieces a peer may wait for
	metadataCopies  = 3         // how often one connection may have the whole
)

// giving is the state of giving the info dictionary to one peer.
type giving struct {
	asks  []int // pieces it waits for
	given int   // pieces so far
}

// metadataAsked answers a request for a piece of the info dictionary, or puts
// it off: info dictionaries are many times as long as the requests for them.
// It reports false when the peer was dropped.
func (s *session) metadataAsked(r *remote, piece int) bool {
	if r.metadataID == 0 {
		return true // there is no way to answer
	}
	var n int
	if s.content != nil {
		n = metadata.NumPieces(len(s.content.info.Bytes))
	}
	if piece < n && len(r.giving.asks) < maxMetadataAsks && r.giving.given+len(r.giving.asks) < metadataCopies*n {
		r.giving.asks = append(r.giving.asks, piece)
		s.giveMetadata(r)
		return true
	}
	if r.excess++; r.excess > maxExcess {
		s.drop(r, "%d requests for metadata beyond what there is", r.excess)
		return false
	}
	s.sayExtended(r, r.metadataID, metadata.AppendReject(nil, piece))
	return true
}

// giveMetadata sends what a peer waits for, as far as it may have it now.
func (s *session) giveMetadata(r *remote) {
	g := &r.giving
	for len(g.asks) > 0 && s.content != nil && s.serve.metadata < metadataRate && r.conn.Backlog() < metadataBacklog {
		s.sayExtended(r, r.metadataID, metadata.AppendData(nil, s.content.info.Bytes, g.asks[0]))
		g.asks = g.asks[1:]
		g.given++
		s.serve.metadata++
	}
}

// giveTick goes on with those who wait.
func (s *session) giveTick() {
	s.serve.metadata, s.serve.hashes = 0, 0
	s.hashesTick()
	for _, r := range s.swarm.peers {
		s.giveMetadata(r)
	}
}

// sayExtended sends an extension message.
func (s *session) sayExtended(r *remote, id uint8, payload []byte) {
	r.conn.Send(func(b []byte) []byte { return peerwire.AppendExtended(b, id, payload) })
}
