package picker

import "slices"

// SetPriorities says how urgently each piece is wanted from now on; nil is Normal
// for all. Started
// pieces that are no longer wanted are given up, with what was received of them,
// but for complete ones, which wait for their verdict. What peers were asked for
// of them counts as released: send cancels, and Release, before.
func (p *Picker) SetPriorities(priority func(piece int) Priority) {
	for _, part := range slices.Clone(p.partials) {
		if priority != nil && priority(int(part.piece)) == Unwanted {
			p.drop(part)
		}
	}
	p.prioritise(priority)
	for _, pr := range p.peers {
		pr.searchAnew()
	}
}

// prioritise sorts all pieces anew.
func (p *Picker) prioritise(priority func(piece int) Priority) {
	p.rarities = [priorities]*rarity{}
	p.priority = nil
	p.wanted, p.left = newSet(p.numPieces), 0
	for i := range p.numPieces {
		level := Normal
		if priority != nil {
			level = priority(i)
		}
		if level != Normal && p.priority == nil {
			p.priority = make([]Priority, p.numPieces)
			for k := range i {
				p.priority[k] = Normal
			}
		}
		if p.priority != nil {
			p.priority[i] = level
		}
		if p.have.Has(i) || level == Unwanted {
			continue
		}
		p.wanted.add(i)
		p.left += p.pieceSize(i)
		if p.started[int32(i)] == nil {
			p.enter(i)
		}
	}
}

func (p *Picker) priorityOf(piece int) Priority {
	if p.priority == nil {
		return Normal
	}
	return p.priority[piece]
}

// rarityOf is where a piece is while it may be started: nil for an unwanted one.
func (p *Picker) rarityOf(piece int) *rarity { return p.rarities[p.priorityOf(piece)] }

// enter makes a piece startable, if it is wanted.
func (p *Picker) enter(piece int) {
	level := p.priorityOf(piece)
	if level == Unwanted {
		return
	}
	if p.rarities[level] == nil {
		p.rarities[level] = newRarity(p.count)
		p.rarities[level].stale = true // until it is needed
	}
	p.rarities[level].enter(piece)
	p.returned++
}

// leave ends that a piece may be started, if it may.
func (p *Picker) leave(piece int) {
	if r := p.rarityOf(piece); r != nil && r.startable.has(piece) {
		r.leave(piece)
	}
}

// startable is how many pieces may be started.
func (p *Picker) startable() (n int) {
	for _, r := range p.rarities {
		if r != nil {
			n += r.len()
		}
	}
	return n
}

// gained counts one more peer that has the piece.
func (p *Picker) gained(piece int) {
	if r := p.rarityOf(piece); r != nil {
		r.gains(piece)
	}
	p.count[piece]++
}

// lost counts one peer less that has the piece.
func (p *Picker) lost(piece int) {
	if r := p.rarityOf(piece); r != nil {
		r.loses(piece)
	}
	p.count[piece]--
}

// outdate says that many counts are about to change.
func (p *Picker) outdate() {
	for _, r := range p.rarities {
		if r != nil {
			r.stale = true
		}
	}
}
