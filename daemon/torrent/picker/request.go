package picker

// Received says that a block from the peer is in the buffer. It is not ok when
// the block is not wanted: received before, or its piece done or not started. A
// late block, whose request was released or whose peer was removed, is welcome.
// pieceComplete says that it was the last one its piece lacked; the piece then
// waits for PieceVerified or PieceFailed.
//
// Other peers that were asked for the block still count as owing it: see Others.
func (p *Picker) Received(id PeerID, b Block) (ok, pieceComplete bool) {
	pr := p.peers[id]
	part, i := p.find(b)
	if part == nil {
		return false, false
	}
	bl := &part.blocks[i]
	if bl.received {
		p.unask(id, part, i)
		return false, false
	}
	if bl.n > 0 {
		part.busy--
		p.inflight--
	} else {
		part.free--
	}
	bl.received = true
	part.received++
	part.shared = part.shared || part.owner != pr
	p.unask(id, part, i)
	if part.free == 0 {
		p.shut(part)
	}
	if part.received == len(part.blocks) {
		p.completed(part)
		return true, true
	}
	return true, false
}

// Spoilt says that a block that was received is not the right one after all: it
// is wanted again. Its piece may be complete and waiting for its verdict: it goes
// on then.
func (p *Picker) Spoilt(b Block) {
	part, i := p.find(b)
	if part == nil || !part.blocks[i].received {
		return
	}
	p.resume(part)
	bl := &part.blocks[i]
	bl.received = false
	part.received--
	if bl.n > 0 {
		part.busy++
		p.inflight++
	} else {
		part.free++
		part.first = min(part.first, i)
		p.reopen(part)
	}
	if part.received == 0 && part.busy == 0 {
		p.drop(part)
	}
}

// Others appends to dst the peers, other than except, that were asked for the
// block and have not delivered it. Ask before or after Received; send them
// cancels and Release it for each.
func (p *Picker) Others(b Block, except PeerID, dst []PeerID) []PeerID {
	part, i := p.find(b)
	if part == nil {
		return dst
	}
	bl := &part.blocks[i]
	for _, id := range bl.by[:bl.n] {
		if id != except {
			dst = append(dst, id)
		}
	}
	return dst
}

// Release ends a request that was rejected, timed out or cancelled; the block
// may be requested from anyone. It does nothing when there is no such request.
func (p *Picker) Release(id PeerID, b Block) {
	pr := p.peers[id]
	part, i := p.find(b)
	if pr != nil && part != nil {
		p.release(pr, part, i)
	}
}

// ReleaseAll ends all requests of a peer, as when it chokes us.
func (p *Picker) ReleaseAll(id PeerID) {
	if pr := p.peers[id]; pr != nil {
		p.releaseAll(pr)
	}
}

func (p *Picker) releaseAll(pr *peer) {
	for pr.requests.len() > 0 {
		r := pr.requests.first()
		p.release(pr, p.started[r.piece], int(r.block))
	}
}

// ask marks a block requested by the peer.
func (p *Picker) ask(pr *peer, part *partial, i int) Block {
	bl := &part.blocks[i]
	if bl.n == 0 {
		part.free--
		part.busy++
		p.inflight++
		if part.free == 0 {
			p.shut(part)
		}
	}
	bl.by[bl.n] = pr.id
	bl.n++
	part.requests++
	part.shared = part.shared || part.owner != pr
	pr.requests.push(request{part.piece, int32(i)})
	return part.blockAt(i)
}

// unask takes the peer off the block's requesters and reports whether it was one.
func (p *Picker) unask(id PeerID, part *partial, i int) bool {
	bl := &part.blocks[i]
	for k, by := range bl.by[:bl.n] {
		if by == id {
			bl.n--
			bl.by[k] = bl.by[bl.n]
			part.requests--
			p.peers[id].requests.remove(request{part.piece, int32(i)})
			return true
		}
	}
	return false
}

func (p *Picker) release(pr *peer, part *partial, i int) {
	if !p.unask(pr.id, part, i) {
		return
	}
	if part.owner == pr {
		part.whole = false // it did not deliver: others may help
	}
	if bl := &part.blocks[i]; bl.received || bl.n > 0 {
		return
	}
	part.busy--
	part.free++
	p.inflight--
	part.first = min(part.first, i)
	p.reopen(part)
	if part.received == 0 && part.busy == 0 {
		p.drop(part) // nothing in it: as good as not started
	}
}

// request names a block of a started piece.
type request struct{ piece, block int32 }

// queue holds the requests to one peer, oldest first as long as they are
// answered in order, which makes finding one O(1).
type queue struct {
	list []request
	head int
}

func (q *queue) len() int       { return len(q.list) - q.head }
func (q *queue) first() request { return q.list[q.head] }

func (q *queue) push(r request) {
	if q.head > len(q.list)/2 {
		q.list = q.list[:copy(q.list, q.list[q.head:])]
		q.head = 0
	}
	q.list = append(q.list, r)
}

// remove ends a request; the head takes the place of one answered out of order.
func (q *queue) remove(r request) {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i] == r {
			q.list[i] = q.list[q.head]
			q.head++
			return
		}
	}
}
