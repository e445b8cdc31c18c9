package picker

// Nobody is asked for a block that this many peers owe already.
const maxRequesters = 3

// partial is a piece that was started and is not verified. When all of its
// blocks are received it is complete and only waits for its verdict.
//
// Every block is free, busy (requested, not received) or received.
type partial struct {
	piece  int32
	size   int64
	blocks []block

	free, busy, received int
	requests             int // in all blocks; those of received ones are stale but still owed
	first                int // no block before this one is free

	owner     *peer // who started it
	shared    bool  // others than the owner requested or sent some of it
	whole     bool  // the owner is fast: leave it to it
	exclusive bool  // the owner is on parole: let nobody join

	at, openAt int // index in Picker.partials and Picker.open, or -1
}

type block struct {
	by       [maxRequesters]PeerID
	n        uint8 // of by
	received bool
}

// leftToOwner reports whether the piece is left to its owner, who is fast and at it.
func (part *partial) leftToOwner() bool { return part.whole && part.busy > 0 }

// guarded reports whether the piece is closed to all but its owner.
func (part *partial) guarded() bool { return part.exclusive && !part.owner.gone }

// blockAt returns block i of the piece as a request names it.
func (part *partial) blockAt(i int) Block {
	begin := int64(i) * BlockSize
	return Block{Piece: part.piece, Begin: int32(begin), Length: int32(min(BlockSize, part.size-begin))}
}

// find returns the partial and the index of a block, or nil when its piece is
// not started or has no such block.
func (p *Picker) find(b Block) (*partial, int) {
	part := p.started[b.Piece]
	i := int(b.Begin / BlockSize)
	if part == nil || b.Begin < 0 || i >= len(part.blocks) || part.blockAt(i) != b {
		return nil, 0
	}
	return part, i
}

// begin starts a piece on behalf of a peer.
func (p *Picker) begin(piece int, owner *peer) *partial {
	size := p.pieceSize(piece)
	n := int((size + BlockSize - 1) / BlockSize)
	part := &partial{
		piece: int32(piece), size: size, blocks: make([]block, n), free: n,
		owner: owner, at: len(p.partials), openAt: -1,
	}
	p.leave(piece)
	p.started[part.piece] = part
	p.partials = append(p.partials, part)
	p.partialBytes += size
	p.reopen(part)
	return part
}

// drop gives up a started piece; what was received of it is lost.
func (p *Picker) drop(part *partial) {
	p.forget(part)
	p.enter(int(part.piece))
	if p.dropped != nil {
		p.dropped(int(part.piece))
	}
}

// forget ends the state of a started piece, requests included.
func (p *Picker) forget(part *partial) {
	for i := 0; part.requests > 0; i++ {
		b := &part.blocks[i]
		for _, id := range b.by[:b.n] {
			p.peers[id].requests.remove(request{part.piece, int32(i)})
			part.requests--
		}
		b.n = 0
	}
	p.inflight -= part.busy
	p.shut(part)
	p.completed(part)
	delete(p.started, part.piece)
}

// completed takes a piece off the list of those that lack blocks.
func (p *Picker) completed(part *partial) {
	if part.at < 0 {
		return
	}
	last := p.partials[len(p.partials)-1]
	p.partials[part.at], last.at = last, part.at
	p.partials[len(p.partials)-1] = nil
	p.partials = p.partials[:len(p.partials)-1]
	part.at = -1
	p.partialBytes -= part.size
}

// resume takes back that a piece lacks no blocks.
func (p *Picker) resume(part *partial) {
	if part.at >= 0 {
		return
	}
	part.at = len(p.partials)
	p.partials = append(p.partials, part)
	p.partialBytes += part.size
}

// reopen lists a piece among those with free blocks.
func (p *Picker) reopen(part *partial) {
	if part.openAt < 0 {
		part.openAt = len(p.open)
		p.open = append(p.open, part)
	}
}

// shut takes a piece off that list.
func (p *Picker) shut(part *partial) {
	if part.openAt < 0 {
		return
	}
	last := p.open[len(p.open)-1]
	p.open[part.openAt], last.openAt = last, part.openAt
	p.open[len(p.open)-1] = nil
	p.open = p.open[:len(p.open)-1]
	part.openAt = -1
}
