package torrent

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/peerwire"
)

// verified ends the arrival of a piece.
func (s *session) verified(b *arrival, right bool, blocks []hashtree.Hash, err error) {
	s.fetch.writing--
	s.content.giveUp(int32(b.Index))
	switch {
	case errors.Is(err, errConflict):
		s.content.picker.PieceFailed(b.Index)
		b.Release()
		if !s.draining {
			s.fail(err)
		}
	case err == nil && !right:
		if !s.sift(b, blocks) {
			s.wrongPiece(b, blocks)
			b.Release()
		}
	case err != nil:
		s.refusedByDisk(b, err)
	default:
		s.rightPiece(b, blocks)
		b.Release()
	}
}

func (s *session) rightPiece(b *arrival, blocks []hashtree.Hash) {
	size := int64(b.Size())
	left := s.content.picker.Left()
	s.content.picker.PieceVerified(b.Index)
	s.count()
	s.resume.wrote(size, time.Now())
	s.banLiars(b.Index, blocks)
	if s.draining {
		return
	}
	for _, r := range s.swarm.peers {
		r.conn.Send(func(out []byte) []byte { return peerwire.AppendIndex(out, peerwire.Have, uint32(b.Index)) })
		if r.interests {
			s.considerInterest(r)
		}
	}
	if left > 0 && s.content.picker.Left() == 0 {
		s.completed(true)
	}
	s.checkpointTick(time.Now())
}

// completed is what happens when the last piece that is wanted is there.
func (s *session) completed(justNow bool) {
	if s.record.CompletedAt.IsZero() {
		s.record.CompletedAt = time.Now().UTC()
		s.resume.changed = true
	}
	if justNow {
		for _, r := range s.swarm.peers {
			s.account(r) // so that trackers and users hear the whole count
		}
		s.log.Info().Str("name", s.record.Name).Msg("torrent complete")
		total, _ := wantedBytes(&s.record)
		s.e.cfg.Events.Publish(event.TorrentCompleted{InfoHash: s.t.hash.String(), Name: s.record.Name, TotalBytes: total})
		if s.everything() {
			s.tell.completed(time.Now())
		}
		s.sayUploadOnly(true)
	}
	for _, r := range s.swarm.peers {
		s.considerInterest(r)
	}
	if s.everything() && (justNow || s.content.rechecked) {
		s.derive()
	}
}

// wrongPiece finds out who is to blame for a piece with a wrong hash: a single
// contributor at once, one of several when the piece is right later on.
func (s *session) wrongPiece(b *arrival, blocks []hashtree.Hash) {
	s.record.WastedBytes += int64(b.Size())
	s.resume.changed = true
	s.content.picker.PieceFailed(b.Index)
	senders := make([]netip.AddrPort, len(blocks))
	contributors := make(map[int32]bool)
	for i, id := range b.Contributors() {
		contributors[id] = true
		senders[i] = s.swarm.addrs[id]
	}
	s.log.Warn().Int("piece", b.Index).Int("contributors", len(contributors)).Msg("piece has a wrong hash")
	if leaves := b.Leaves(); leaves != nil {
		s.banSenders(b.Index, senders, blocks, leaves)
	} else if len(contributors) == 1 && senders[0].IsValid() {
		s.ban(senders[0], fmt.Sprintf("sent piece %d with a wrong hash", b.Index))
	} else {
		s.fetch.blame.suspect(b.Index, senders, blocks)
		for id := range contributors {
			if r := s.swarm.peers[id]; r != nil {
				r.parole = true
			}
		}
	}
	if !s.draining {
		s.refillAll()
	}
}
