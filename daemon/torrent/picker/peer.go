package picker

import "lorrent/daemon/torrent/bitfield"

// Above one bit in rebuildShare pieces, a bitfield makes the order of rarity
// stale; below, every bit is a move of its own.
const rebuildShare = 8

// peer is what the picker knows of one peer.
type peer struct {
	id   PeerID
	gone bool // removed; partials may still point here
	seed bool // has every piece; has is nil
	has  set
	held int // pieces in has

	requests queue
	current  *partial // the piece it is on

	// Where to go on searching: the peer has nothing below these that is
	// wanted, or that may be started, as of that many returned pieces.
	wantedFrom    int
	startableFrom [priorities]int
	returned      int
}

func (pr *peer) hasPiece(piece int) bool { return pr.seed || pr.has.has(piece) }

// searchAnew is for a peer that has more, or of which more is wanted.
func (pr *peer) searchAnew() { pr.wantedFrom, pr.startableFrom = 0, [priorities]int{} }

// AddPeer adds a peer that has nothing so far. A live peer of the same id is
// removed first.
func (p *Picker) AddPeer(id PeerID) {
	p.RemovePeer(id)
	p.peers[id] = &peer{id: id, wantedFrom: p.numPieces}
}

// RemovePeer forgets a peer: what it has no longer counts, and what it was
// asked for may be asked from others.
func (p *Picker) RemovePeer(id PeerID) {
	pr := p.peers[id]
	if pr == nil {
		return
	}
	p.withdraw(pr)
	p.releaseAll(pr)
	delete(p.peers, id)
	*pr = peer{id: id, gone: true}
}

// PeerBitfield says what the peer has, in place of what was known before. One
// of another length than the torrent's is ignored.
func (p *Picker) PeerBitfield(id PeerID, bf *bitfield.Bitfield) {
	pr := p.peers[id]
	switch {
	case pr == nil || bf.Len() != p.numPieces:
		return
	case bf.All():
		p.PeerHaveAll(id)
		return
	}
	p.withdraw(pr)
	pr.searchAnew()
	pr.has, pr.held = newSet(p.numPieces), bf.Count()
	p.expect(pr.held)
	for i := bf.Next(0); i >= 0; i = bf.Next(i + 1) {
		pr.has.add(i)
		p.gained(i)
	}
}

// PeerHaveAll says that the peer is a seed.
func (p *Picker) PeerHaveAll(id PeerID) {
	if pr := p.peers[id]; pr != nil {
		p.withdraw(pr)
		pr.seed = true
		p.seeds++
	}
}

// PeerHave says that the peer has one more piece. One outside of the torrent is
// ignored.
func (p *Picker) PeerHave(id PeerID, piece int) {
	pr := p.peers[id]
	if pr == nil || piece < 0 || piece >= p.numPieces || pr.hasPiece(piece) {
		return
	}
	if pr.has.words == nil {
		pr.has = newSet(p.numPieces)
	}
	pr.has.add(piece)
	pr.held++
	p.gained(piece)
	pr.wantedFrom = min(pr.wantedFrom, piece)
	for i := range pr.startableFrom {
		pr.startableFrom[i] = min(pr.startableFrom[i], piece)
	}
}

// PeerLost says that the peer no longer has a piece. What it was asked for of
// it stays asked for, until the peer refuses or is given up.
func (p *Picker) PeerLost(id PeerID, piece int) {
	pr := p.peers[id]
	if pr == nil || piece < 0 || piece >= p.numPieces || !pr.hasPiece(piece) {
		return
	}
	if pr.seed {
		p.withdraw(pr)
		pr.has, pr.held = newSet(p.numPieces), p.numPieces
		pr.searchAnew()
		p.expect(p.numPieces)
		for i := range p.numPieces {
			pr.has.add(i)
			p.gained(i)
		}
	}
	pr.has.remove(piece)
	pr.held--
	p.lost(piece)
}

// PeerHas reports whether the peer has the piece.
func (p *Picker) PeerHas(id PeerID, piece int) bool {
	pr := p.peers[id]
	return pr != nil && piece >= 0 && piece < p.numPieces && pr.hasPiece(piece)
}

// Interesting reports whether the peer has a wanted piece that is not verified
// yet. The search goes on where the last one ended, so asking often is cheap.
func (p *Picker) Interesting(id PeerID) bool {
	pr := p.peers[id]
	switch {
	case pr == nil || p.left == 0:
		return false
	case pr.seed:
		return true
	}
	pr.wantedFrom = p.search(pr, p.wanted, pr.wantedFrom)
	return pr.wantedFrom < p.numPieces
}

// canStart returns the pieces of the highest priority of which the peer has one
// that may be started, or nil.
func (p *Picker) canStart(pr *peer) *rarity {
	if pr.returned != p.returned {
		pr.returned, pr.startableFrom = p.returned, [priorities]int{}
	}
	for i := priorities - 1; i > 0; i-- {
		r := p.rarities[i]
		if r == nil || r.len() == 0 {
			continue
		}
		if pr.seed {
			return r
		}
		pr.startableFrom[i] = p.search(pr, r.startable, pr.startableFrom[i])
		if pr.startableFrom[i] < p.numPieces {
			return r
		}
	}
	return nil
}

// search returns the first piece at or after from that the peer has and s
// holds, or the number of pieces.
func (p *Picker) search(pr *peer, s set, from int) int {
	if i := pr.has.nextIn(s, from); i >= 0 {
		return i
	}
	return p.numPieces
}

// withdraw takes back what the peer adds to availability.
func (p *Picker) withdraw(pr *peer) {
	if pr.seed {
		pr.seed = false
		p.seeds--
	}
	p.expect(pr.held)
	for i := pr.has.next(0); i >= 0; i = pr.has.next(i + 1) {
		p.lost(i)
	}
	pr.has, pr.held = set{}, 0
}

// expect prepares for that many changes of availability at once.
func (p *Picker) expect(changes int) {
	if changes > p.numPieces/rebuildShare {
		p.outdate()
	}
}
