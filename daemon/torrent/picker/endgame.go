package picker

// Blocks looked at for one to duplicate; from a random place on, so that
// another pick finds what this one missed.
const maxDuplicateScan = 16384

// duplicate appends one block that another peer owes, at random among those
// this idle peer has, to dst. One at a time wastes little, and an idle peer that
// is fast comes back at once for more.
func (p *Picker) duplicate(pr *peer, m *Mode, dst []Block) []Block {
	list := p.among(p.partials, m)
	if len(list) == 0 {
		return dst
	}
	budget := maxDuplicateScan
	first := p.rand.IntN(len(list))
	for i := range list {
		part := list[(first+i)%len(list)]
		if !p.joinable(part, pr, m) {
			continue
		}
		from := p.rand.IntN(len(part.blocks))
		for k := range part.blocks {
			at := (from + k) % len(part.blocks)
			b := &part.blocks[at]
			if !b.received && b.n < maxRequesters { // an idle peer owes none of them
				return append(dst, p.ask(pr, part, at))
			}
			if budget--; budget == 0 {
				return dst
			}
		}
	}
	return dst
}
