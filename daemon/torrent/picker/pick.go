package picker

import "slices"

// A peer that gets a piece in less time has it to itself.
const wholePieceSeconds = 20

// Mode says how to pick for a peer right now.
type Mode struct {
	Snubbed     bool    // it has stopped sending: most common pieces first, and those of others
	AllowedFast []int32 // it chokes us: only these pieces; nil when it does not
	Parole      bool    // suspected of bad data: only pieces that nobody else contributes to
	Rate        int64   // bytes per second from it
	Run         bool    // long runs are cheap for it: the piece after its last one first, if as rare as any
}

// Pick appends to dst up to n blocks to request from the peer now and marks
// them requested by it.
func (p *Picker) Pick(id PeerID, n int, m Mode, dst []Block) []Block {
	pr := p.peers[id]
	if pr == nil || n <= 0 {
		return dst
	}
	picked := 0
	for picked < n {
		part := p.choose(pr, &m)
		if part == nil {
			break
		}
		before := len(dst)
		dst = p.take(pr, part, n-picked, dst)
		picked += len(dst) - before
	}
	if picked == 0 && pr.requests.len() == 0 && !m.Parole && p.Endgame() {
		dst = p.duplicate(pr, &m, dst)
	}
	return dst
}

// take requests up to n free blocks of the piece, in order from the first.
func (p *Picker) take(pr *peer, part *partial, n int, dst []Block) []Block {
	pr.current = part
	i := part.first
	for ; n > 0 && part.free > 0; i++ {
		if b := &part.blocks[i]; b.n == 0 && !b.received {
			dst = append(dst, p.ask(pr, part, i))
			n--
		}
	}
	part.first = i
	return dst
}

// choose returns the piece to take blocks from next, which has a free one, or
// nil: the piece the peer is on, one that welcomes it, a new one, one that is
// left to a fast peer, and only then a new one above the soft limit.
func (p *Picker) choose(pr *peer, m *Mode) *partial {
	if m.Parole {
		return p.chooseAlone(pr, m)
	}
	if cur := pr.current; cur != nil && cur.openAt >= 0 && p.joinable(cur, pr, m) {
		return cur
	}
	fast := !m.Snubbed && m.Rate*wholePieceSeconds >= p.pieceLength
	part := p.bestOpen(pr, m, func(part *partial) bool {
		switch {
		case part.owner == pr, m.Snubbed:
			return true
		case fast:
			return part.busy == 0 // left behind
		}
		return !part.leftToOwner()
	})
	crowded := 2*len(p.open) > 3*len(p.peers)
	if part == nil && !crowded && p.fits(p.maxPartialBytes) {
		part = p.start(pr, m)
	}
	if part == nil {
		part = p.bestOpen(pr, m, func(*partial) bool { return true })
	}
	if part == nil {
		part = p.startAnyway(pr, m)
	}
	if part == nil {
		return p.stalled(pr, m)
	}
	if part.owner == pr && fast && !part.shared {
		part.whole = true
	}
	return part
}

// chooseAlone is choose for a peer on parole.
func (p *Picker) chooseAlone(pr *peer, m *Mode) *partial {
	own := func(part *partial) bool { return part.owner == pr && !part.shared }
	part := p.bestOpen(pr, m, own)
	if part == nil {
		part = p.startAnyway(pr, m)
	}
	if part != nil {
		part.exclusive = true
		return part
	}
	if p.inflight > 0 {
		return nil
	}
	// Nobody else is at work: better a suspect's help than none.
	if part = p.bestOpen(pr, m, func(*partial) bool { return true }); part != nil {
		return part
	}
	return p.stalled(pr, m)
}

// joinable reports whether the peer may take free blocks of the piece.
func (p *Picker) joinable(part *partial, pr *peer, m *Mode) bool {
	return pr.hasPiece(int(part.piece)) &&
		(part.owner == pr || !part.guarded()) &&
		(m.AllowedFast == nil || slices.Contains(m.AllowedFast, part.piece))
}

// bestOpen returns the joinable piece that lacks least, so that it is done
// soon; a snubbed peer, which would delay that, gets the one that lacks most.
func (p *Picker) bestOpen(pr *peer, m *Mode, welcome func(*partial) bool) *partial {
	var best *partial
	for _, part := range p.among(p.open, m) {
		if part.openAt < 0 || !welcome(part) || !p.joinable(part, pr, m) {
			continue
		}
		if best == nil || (part.free < best.free) != m.Snubbed && part.free != best.free {
			best = part
		}
	}
	return best
}

// stalled returns a piece that its owner, on parole, was asked nothing of any
// more: the rest is open to all.
func (p *Picker) stalled(pr *peer, m *Mode) *partial {
	for _, part := range p.among(p.open, m) {
		if part.openAt >= 0 && part.guarded() && part.busy == 0 && pr.hasPiece(int(part.piece)) {
			part.exclusive = false
			return part
		}
	}
	return nil
}

// among returns those of the list, or of all partials, that the mode admits: an
// allowed fast set is short, so its pieces are looked up, not searched for.
func (p *Picker) among(list []*partial, m *Mode) []*partial {
	if m.AllowedFast == nil {
		return list
	}
	p.scratch = p.scratch[:0]
	for _, piece := range m.AllowedFast {
		if part := p.started[piece]; part != nil && part.at >= 0 {
			p.scratch = append(p.scratch, part)
		}
	}
	return p.scratch
}
