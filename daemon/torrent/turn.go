package torrent

const (
	maxOpening  = 16 // torrents whose content is being opened, apart from looks
	maxChecking = 16 // torrents that are hashed, each with its files open
)

// A torrent that has to be hashed waits for its turn with nothing in memory and no
// file or connection open: thousands may be added at once, or found changed at a
// start. It keeps the turn until what was found is stored, and it is at rest or at
// work.

// inTurn reports whether the torrent may be hashed now.
func (s *session) inTurn() bool {
	s.turn = s.turn || s.e.checks.try()
	return s.turn
}

// awaitTurn opens the content again when the torrent's turn has come. A stop ends
// the wait, as it ends a check.
func (s *session) awaitTurn(full bool) {
	s.phase, s.hashAll = queueing, full
	s.turnAway()
	ctx := s.net
	s.spawn(func() func() {
		got := s.e.checks.acquire(ctx.Done())
		return func() {
			s.phase, s.hashAll, s.turn = resting, false, got
			if !s.draining {
				s.checkAll = full
				s.open()
			}
		}
	})
}

func (s *session) giveTurn() {
	if s.turn {
		s.turn = false
		s.e.checks.release()
	}
}

// afterTurn lets the next one in, once what the check has found is stored or
// there is other work. A torrent that is complete and that nobody wants rests at
// once: only its announce may still be under way.
func (s *session) afterTurn() {
	switch {
	case !s.turn || s.draining || s.phase != moving:
	case !s.complete() || s.unallocated || len(s.swarm.peers) > 0 || len(s.waiting) > 0:
		s.giveTurn()
	case s.resume.dirty():
		if !s.resume.busy && !s.resume.broken {
			s.checkpoint(false)
		}
	case s.pending == s.searches():
		s.unload()
		s.lingers = true
	}
}

// searches is how many results are awaited that have nothing to do with the content.
func (s *session) searches() (n int) {
	if s.tell.busy {
		n++
	}
	if s.search.busy {
		n++
	}
	return n
}
