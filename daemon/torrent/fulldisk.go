package torrent

import (
	"errors"
	"fmt"
	"time"

	"lorrent/storage/disk"
)

// maxWriteRetry is the longest time between two tries to write to a full disk.
const maxWriteRetry = time.Minute

// stalled reports whether the disk refuses what we download. Seeding goes on.
func (s *session) stalled() bool { return len(s.fetch.blocked) > 0 || s.fetch.unprepared }

// passing reports whether the disk may take later what it refuses now.
func passing(err error) bool {
	return errors.Is(err, disk.ErrNoSpace) || errors.Is(err, disk.ErrReadOnly)
}

// stall says what is in the way, and sets the time of the next try.
func (s *session) stall(err error) {
	f := &s.fetch
	f.blockedAt = time.Now()
	f.retry = min(max(2*f.retry, s.e.cfg.writeRetry), maxWriteRetry)
	s.obstacle = fmt.Sprintf("%v; trying again every %s", err, f.retry)
	s.log.Error().Err(err).Msg("cannot write, downloading is suspended")
}

// refusedByDisk keeps what could not be written, when the reason may pass.
// Nothing more is asked for until it is written; seeding goes on.
func (s *session) refusedByDisk(b *arrival, err error) {
	f := &s.fetch
	if !passing(err) || s.draining {
		if b.complete {
			s.content.picker.PieceFailed(b.Index)
			b.Release()
		}
		if !s.draining {
			s.fail(fmt.Errorf("write: %w", err))
		}
		return
	}
	if len(f.blocked) == 0 {
		s.stall(err)
	}
	b.letGo(true)
	f.blocked = append(f.blocked, b)
	for _, r := range s.swarm.peers {
		blocks, _ := r.conn.GiveUpAll(true)
		s.release(r, blocks)
	}
}

// retryWrites gives the disk another chance.
func (s *session) retryWrites(now time.Time) {
	f := &s.fetch
	if !s.stalled() || f.writing > 0 || now.Sub(f.blockedAt) < f.retry {
		return
	}
	if f.unprepared {
		s.prepareAgain()
		return
	}
	blocked := f.blocked
	f.blocked, f.blockedAt = nil, now
	s.obstacle = ""
	for _, a := range blocked {
		a.letGo(false)
		s.advance(a)
	}
}

// prepareAgain sets space aside for a torrent that found none.
func (s *session) prepareAgain() {
	c := s.content
	if s.fetch.preparing {
		return // it looks afterwards what is wanted
	}
	s.fetch.preparing = true
	s.fetch.writing++ // the content must stay
	plan := c.plan
	c.allocated = plan
	s.submit(s.e.disk, func() func() {
		err := c.allocate(plan)
		return func() {
			s.fetch.writing--
			s.fetch.preparing = false
			switch {
			case c.allocated != c.plan && !s.draining:
				s.prepareAgain()
			case err == nil:
				s.unallocated = false
				s.fetch.unprepared, s.fetch.retry, s.obstacle = false, 0, ""
			case passing(err):
				s.stall(err)
			case !s.draining:
				s.fail(fmt.Errorf("set space aside in %s: %w", s.record.Dir, err))
			}
		}
	})
}
