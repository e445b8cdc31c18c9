package picker

const (
	maxProbes = 512 // pieces looked at in order of rarity for one that a leecher has
	maxSample = 256 // candidates to take the rarest of when probing found none
)

// start begins a new piece for a peer, or returns nil when it has none to begin.
func (p *Picker) start(pr *peer, m *Mode) *partial {
	r := p.canStart(pr)
	if m.AllowedFast != nil {
		r = p.admitted(pr, m)
	}
	if r == nil {
		return nil
	}
	r.rebuild()
	piece := p.fresh(r, pr, m)
	if piece < 0 {
		return nil
	}
	return p.begin(piece, pr)
}

// startAnyway is start up to the hard limit on bytes in partials, for a peer
// that the pieces already begun have nothing for.
func (p *Picker) startAnyway(pr *peer, m *Mode) *partial {
	limit := 2 * p.maxPartialBytes
	// A peer that chokes us brings too little to give up a piece for.
	if !p.fits(limit) && (m.AllowedFast != nil || p.canStart(pr) == nil || !p.makeRoom(limit)) {
		return nil
	}
	return p.start(pr, m)
}

// fits reports whether one more piece keeps the bytes in partials within limit.
func (p *Picker) fits(limit int64) bool { return p.partialBytes+p.pieceLength <= limit }

// makeRoom gives up pieces that stand still until one more fits within limit,
// and reports whether it does: pieces no peer has and, when nothing at all is on
// its way, any, since otherwise nobody could go on.
func (p *Picker) makeRoom(limit int64) bool {
	for !p.fits(limit) {
		var victim *partial
		for _, part := range p.open {
			lost := p.seeds == 0 && p.count[part.piece] == 0
			if part.busy == 0 && (lost || p.inflight == 0) && (victim == nil || part.received < victim.received) {
				victim = part
			}
		}
		if victim == nil {
			return false
		}
		p.drop(victim)
	}
	return true
}

// admitted returns the pieces of the highest priority among those that a peer
// which chokes us lets us have, or nil.
func (p *Picker) admitted(pr *peer, m *Mode) *rarity {
	best := Unwanted
	for _, allowed := range m.AllowedFast {
		piece := int(allowed)
		if piece < 0 || piece >= p.numPieces || !pr.hasPiece(piece) {
			continue
		}
		if r := p.rarityOf(piece); r != nil && r.startable.has(piece) {
			best = max(best, p.priorityOf(piece))
		}
	}
	return p.rarities[best]
}

// fresh returns one of the pieces in r to start with this peer, which has one, or
// -1 when the mode admits none.
func (p *Picker) fresh(r *rarity, pr *peer, m *Mode) int {
	switch {
	case m.AllowedFast != nil:
		best := -1
		for _, allowed := range m.AllowedFast {
			piece := int(allowed)
			if piece >= 0 && piece < p.numPieces && r.startable.has(piece) && pr.hasPiece(piece) &&
				(best < 0 || p.count[piece] < p.count[best]) {
				best = piece
			}
		}
		return best
	case m.Run && p.follows(r, pr) >= 0:
		return p.follows(r, pr)
	case p.have.Count() < randomFirst && !m.Snubbed:
		return p.randomPiece(r, pr)
	}
	if piece := p.probe(r, pr, m.Snubbed); piece >= 0 {
		return piece
	}
	return p.sample(r, pr, m.Snubbed)
}

// follows returns the piece after the one that a peer is on, or -1 when it
// cannot be started with it, or others are rarer.
func (p *Picker) follows(r *rarity, pr *peer) int {
	if pr.current == nil {
		return -1
	}
	piece := int(pr.current.piece) + 1
	if piece >= p.numPieces || !r.startable.has(piece) || !pr.hasPiece(piece) || r.place[piece] >= r.rarestEnd() {
		return -1
	}
	return piece
}

// randomPiece returns any startable piece of a peer that has one.
func (p *Picker) randomPiece(r *rarity, pr *peer) int {
	if pr.seed {
		return int(r.order[int(r.border[1])+p.rand.IntN(r.len())])
	}
	if i := pr.has.nextIn(r.startable, p.rand.IntN(p.numPieces)); i >= 0 {
		return i
	}
	return pr.has.nextIn(r.startable, 0)
}

// probe looks through the classes from the rarest, or for a snubbed peer from
// the most common, for a piece that the peer has; inside a class from a random
// place on. It gives up with -1 after maxProbes pieces.
func (p *Picker) probe(r *rarity, pr *peer, commonFirst bool) int {
	probes := 0
	for k := 1; k < len(r.border)-1; k++ {
		c := k
		if commonFirst {
			c = len(r.border) - 1 - k
		}
		class := r.order[r.border[c]:r.border[c+1]]
		if len(class) == 0 {
			continue
		}
		from := p.rand.IntN(len(class))
		for i := range class {
			piece := int(class[(from+i)%len(class)])
			if pr.hasPiece(piece) {
				return piece
			}
			if probes++; probes == maxProbes {
				return -1
			}
		}
	}
	return -1
}

// sample returns the rarest, or most common, of some of the startable pieces of
// a peer that has one, searching from a random place on.
func (p *Picker) sample(r *rarity, pr *peer, commonFirst bool) int {
	best, left := -1, maxSample
	from := p.rand.IntN(p.numPieces)
	i := pr.has.nextIn(r.startable, from)
	for wrapped := false; left > 0; left-- {
		if i < 0 && !wrapped {
			wrapped = true
			i = pr.has.nextIn(r.startable, 0)
		}
		if i < 0 || wrapped && i >= from {
			break
		}
		if n := p.count; best < 0 || n[i] != n[best] && (n[i] < n[best]) != commonFirst {
			best = i
		}
		i = pr.has.nextIn(r.startable, i+1)
	}
	return best
}
