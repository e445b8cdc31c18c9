package torrent

import (
	"time"

	"lorrent/daemon/torrent/peerwire"
)

const (
	shownAtOnce   = 2                // pieces that a peer is shown and has not passed on
	shownPatience = 20 * time.Second // for a piece that a peer has, and nobody else gets
)

// superseed is the state of a first seed that gives each piece away once if it
// can (BEP 16): it claims to have nothing, shows every peer a few pieces, and
// another one when somebody else has got one of those from it. It is a plain
// seed from then on that there is another seed.
type superseed struct {
	active bool
	shown  []int32 // by piece: to how many it has been shown
}

// shown is a piece that a peer has been shown and is to pass on.
type shown struct {
	piece int
	got   time.Time // when it had it; zero before
}

// beginSuperSeed is for a torrent that begins complete: what is downloaded has
// been announced to everybody already.
func (s *session) beginSuperSeed() {
	s.super = superseed{}
	if s.record.SuperSeed && s.content.picker.Have().All() {
		s.super = superseed{active: true, shown: make([]int32, s.content.info.NumPieces())}
	}
}

// showFirst shows a newcomer its first pieces.
func (s *session) showFirst(r *remote) {
	r.offered = make(map[int]bool)
	for range shownAtOnce {
		s.show(r)
	}
}

// show shows a peer the piece that the swarm lacks most.
func (s *session) show(r *remote) {
	best, least := -1, int32(0)
	available := s.content.picker.Availability()
	n := len(available)
	for i, from := 0, s.rnd.IntN(n); i < n; i++ {
		p := (from + i) % n
		weight := int32(available[p]) + s.super.shown[p]
		if !r.has.Has(p) && !r.offered[p] && (best < 0 || weight < least) {
			best, least = p, weight
		}
	}
	if best < 0 {
		return
	}
	r.offered[best] = true
	s.super.shown[best]++
	r.passing = append(r.passing, shown{piece: best})
	r.conn.Send(func(b []byte) []byte { return peerwire.AppendIndex(b, peerwire.Have, uint32(best)) })
}

// passedOn looks what it means that a peer has a piece: others have given it.
func (s *session) passedOn(r *remote, piece int) {
	if !s.super.active {
		return
	}
	if r.isSeed() {
		s.endSuperSeed()
		return
	}
	others := 0
	for _, o := range s.swarm.peers {
		if o.offered == nil || o == r {
			continue
		}
		others++
		s.next(o, func(p shown) bool { return p.piece == piece })
	}
	for i := range r.passing {
		if r.passing[i].piece == piece {
			r.passing[i].got = time.Now()
		}
	}
	if others == 0 { // there is nobody to pass it on to
		s.next(r, func(p shown) bool { return p.piece == piece })
	}
}

// next shows a peer another piece for each that is done with.
func (s *session) next(r *remote, done func(shown) bool) {
	for i := len(r.passing) - 1; i >= 0; i-- {
		if done(r.passing[i]) {
			r.passing = append(r.passing[:i], r.passing[i+1:]...)
			s.show(r)
		}
	}
}

// superSeedTick goes on with those whose pieces nobody takes.
func (s *session) superSeedTick(now time.Time) {
	if !s.super.active {
		return
	}
	for _, r := range s.swarm.peers {
		if r.offered != nil {
			s.next(r, func(p shown) bool { return !p.got.IsZero() && now.Sub(p.got) > shownPatience })
		}
	}
}

// endSuperSeed tells everybody of everything, for good: the next session of the
// torrent does not begin again.
func (s *session) endSuperSeed() {
	s.super = superseed{}
	s.record.SuperSeed = false
	s.decide(s.record.Stopped, s.record.Error)
	s.saveSoon()
	s.log.Info().Msg("another seed is there: super-seeding ends")
	for _, r := range s.swarm.peers {
		if r.offered != nil {
			r.offered, r.passing = nil, nil
			s.tellAll(r)
		}
	}
}

// hidden reports whether a peer is to believe that we lack a piece.
func (r *remote) hidden(piece int) bool { return r.offered != nil && !r.offered[piece] }
