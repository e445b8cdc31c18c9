package torrent

import (
	"fmt"
	"time"

	"lorrent/daemon/torrent/choker"
	"lorrent/daemon/torrent/peer"
	"lorrent/daemon/torrent/peerwire"
)

// maxExcess bounds the requests of one peer beyond its queue, or while it is
// choked, before it is dropped.
const maxExcess = 4 * maxUploads

// upload is the state of serving pieces.
type upload struct {
	choker *choker.Choker
	chosen time.Time // when the choker last chose

	metadata int // pieces of it given in this second
	hashes   int // answers to hash requests in this second
	hashJobs int // that are being computed
}

// requested queues a block for a peer, or refuses it.
func (s *session) requested(r *remote, e *peer.Event) bool {
	c := s.content
	size := c.info.PieceSize(int(e.Index))
	if e.Length == 0 || e.Length > peerwire.BlockSize || int64(e.Begin)+int64(e.Length) > size {
		s.drop(r, "request for %d bytes at %d of piece %d, which has %d", e.Length, e.Begin, e.Index, size)
		return false
	}
	allowed := !r.choking || r.granted[int32(e.Index)]
	if allowed && !r.hidden(int(e.Index)) && c.picker.Have().Has(int(e.Index)) && r.conn.QueueUpload(e.Index, e.Begin, e.Length) {
		return true
	}
	if r.excess++; r.excess > maxExcess {
		s.drop(r, "%d requests beyond what it may ask for", r.excess)
		return false
	}
	s.refuse(r, e)
	return true
}

// unreadable stops a torrent whose files cannot be read any more. What is left
// of them is found out when it is started again.
func (s *session) unreadable(err error) {
	if s.draining || s.phase != moving {
		return
	}
	s.fail(fmt.Errorf("cannot read what is seeded: %w; bring the files back and start, or recheck", err))
}

// refuse answers a request that is not served; without BEP 6 there is no
// answer.
func (s *session) refuse(r *remote, e *peer.Event) {
	if r.fast {
		r.conn.Send(func(b []byte) []byte {
			return peerwire.AppendBlock(b, peerwire.Reject, e.Index, e.Begin, e.Length)
		})
	}
}

// cancelled takes a block off a peer's queue.
func (s *session) cancelled(r *remote, e *peer.Event) {
	if r.conn.CancelUpload(e.Index, e.Begin, e.Length) {
		s.refuse(r, e)
	}
}

// offer lets a newly interested peer have a free slot at once instead of at
// the next round.
func (s *session) offer(r *remote) {
	if !r.choking {
		return
	}
	taken := 0
	for _, other := range s.swarm.peers {
		if other.unchoked() && other.wantsUs {
			taken++
		}
	}
	if taken < s.e.cfg.UploadSlots {
		s.unchoke(r, time.Now())
	}
}

// choose lets the choker decide who may download from us.
func (s *session) choose(now time.Time) {
	s.serve.chosen = now
	peers := make([]choker.Peer, 0, len(s.swarm.peers))
	for _, r := range s.swarm.peers {
		peers = append(peers, choker.Peer{
			ID:               int32(r.id),
			Interested:       r.wantsUs,
			Unchoked:         r.unchoked(),
			Snubbed:          r.snubbed && now.Sub(r.snubbedAt) > time.Minute,
			DownloadRate:     r.downRate,
			UploadRate:       r.upRate,
			UnchokedFor:      now.Sub(r.unchokedAt),
			SentSinceUnchoke: r.conn.Uploaded() - r.sentBefore,
			New:              now.Sub(r.since) < time.Minute,
			Optimistic:       r.optimistic,
		})
	}
	chosen := make(map[int32]bool)
	for _, id := range s.serve.choker.Choose(now, s.complete(), peers) {
		chosen[id] = true
	}
	for id, r := range s.swarm.peers {
		switch {
		case chosen[id] && r.choking:
			s.unchoke(r, now)
		case !chosen[id] && !r.choking:
			r.choking = true
			r.conn.Choke()
		}
	}
}

func (s *session) unchoke(r *remote, now time.Time) {
	r.choking = false
	r.excess = 0
	r.unchokedAt = now
	r.sentBefore = r.conn.Uploaded()
	r.conn.Send(func(b []byte) []byte { return peerwire.AppendMessage(b, peerwire.Unchoke) })
}
