package torrent

import (
	"context"
	"fmt"
	"time"
)

// drain begins the way back to resting. What comes then depends on the record
// and on checkAll.
func (s *session) drain() {
	if s.draining {
		return
	}
	s.draining = true
	s.cutNet()
	s.turnAway()
	for _, r := range s.swarm.peers {
		r.conn.Close()
	}
	if !s.wanted() {
		s.farewell()
	}
}

// quiet reports whether nothing touches the content any more.
func (s *session) quiet() bool {
	return len(s.swarm.peers) == 0 && s.fetch.writing == 0 && !s.resume.busy && !s.seeking.storing &&
		s.phase != opening && s.phase != queueing && s.phase != preparing && (s.check == nil || s.check.flying == 0)
}

// settle follows up on whatever the last input changed.
func (s *session) settle() {
	if s.draining && s.quiet() && !s.lastCheckpoint() {
		s.unload()
		s.draining = false
		s.net, s.cutNet = context.WithCancel(s.ctx)
		if !s.closing && s.checkAll {
			s.open()
		}
		s.begin()
	}
	s.afterTurn()
}

// finished reports whether the session has nothing left to do for now.
func (s *session) finished() bool {
	if s.pending > 0 || s.draining || len(s.swarm.peers) > 0 || len(s.waiting) > 0 || s.phase != resting && s.phase != moving {
		s.busyAt = time.Now()
		return false
	}
	if s.phase == resting && !(s.lingers && s.wanted()) {
		return true
	}
	if !s.complete() || s.resume.dirty() {
		return false
	}
	return time.Since(s.busyAt) >= s.e.cfg.parkAfter
}

// leave ends the session and sets the alarm for the next one.
func (s *session) leave() bool {
	s.unload()
	s.t.record = s.record
	s.publish()
	next, ok := s.tell.next()
	if search, too := s.nextSearch(); too && (!ok || search.Before(next)) {
		next, ok = search, true
	}
	if !s.t.park() {
		return false
	}
	if ok && s.wanted() {
		s.e.alarms.set(s.t, next)
	}
	return true
}

// fail stops the torrent with a reason that stays until the user acts.
func (s *session) fail(err error) {
	s.log.Error().Err(err).Str("name", s.record.Name).Msg("torrent failed")
	s.decide(s.record.Stopped, err.Error())
	s.saveSoon()
	s.drain()
}

// saveSoon makes the session's last decision durable and does not wait for it.
func (s *session) saveSoon() {
	s.spawn(func() func() {
		err := s.t.save()
		return func() {
			if err != nil {
				s.log.Error().Err(err).Msg("store torrent")
			}
		}
	})
}

// decide takes what the user wants, or what went wrong. It lasts once it is
// saved: see torrent.save.
func (s *session) decide(stopped bool, failure string) {
	s.record.Stopped, s.record.Error = stopped, failure
	r := &s.record
	s.t.decided.Store(&decision{
		stopped: stopped, failure: failure, limits: s.limits(),
		files: r.Files, skipped: r.SkippedBytes, skippedVerified: r.SkippedVerifiedBytes, unfinished: r.CompletedAt.IsZero(),
		superSeed: r.SuperSeed,
	})
}

// The user's commands. Who gives one saves it afterwards.

func (s *session) start() error {
	if s.closing {
		return ErrClosed
	}
	if s.wanted() {
		return nil
	}
	s.decide(false, "")
	s.tell.restart(&s.record)
	s.t.looked = false
	s.begin()
	s.announceTick(time.Now())
	return nil
}

func (s *session) stop() error {
	s.decide(true, "")
	s.drain()
	return nil
}

func (s *session) startRecheck() error {
	if s.closing {
		return ErrClosed
	}
	if s.unknown() {
		return fmt.Errorf("recheck %s: %w", s.t.hash, ErrNoMetadata)
	}
	s.decide(s.record.Stopped, "")
	s.checkAll = true
	s.drain()
	return nil
}

// finish stops the torrent for good. What it returns is closed once nothing
// touches the torrent any more.
func (s *session) finish() (ended <-chan struct{}) {
	ended = s.t.finish()
	s.record.Stopped = true
	s.drain()
	return ended
}
