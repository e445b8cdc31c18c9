package picker

// rarity keeps the pieces of one priority that may be started in the order of how
// many peers have them, seeds aside.
//
// All pieces lie in one array, cut into classes: class 0 is the pieces that may
// not be started (had, started already or of another priority), class c+1 those
// that c peers have.
// Inside a class the order means nothing, so a piece changes to the neighbouring
// class by a swap to the border and a move of the border, in O(1).
type rarity struct {
	count     []int32 // by piece: peers that have it, seeds not counted; Picker.count
	startable set
	n         int     // size of startable
	order     []int32 // pieces by class
	place     []int32 // by piece: its index in order
	border    []int32 // by class: index in order where it begins; the last is the end
	stale     bool    // order does not follow count until rebuild
}

// newRarity has no piece yet.
func newRarity(count []int32) *rarity {
	n := len(count)
	r := &rarity{
		count:     count,
		startable: newSet(n),
		order:     make([]int32, n),
		place:     make([]int32, n),
		border:    []int32{0, int32(n)},
	}
	for i := range n {
		r.order[i], r.place[i] = int32(i), int32(i)
	}
	return r
}

// rarestEnd is the index in order after the rarest of the pieces that may be
// started. The order must not be stale.
func (r *rarity) rarestEnd() int32 {
	for k := 1; k < len(r.border)-1; k++ {
		if r.border[k] < r.border[k+1] {
			return r.border[k+1]
		}
	}
	return r.border[1]
}

// len returns the number of pieces that may be started.
func (r *rarity) len() int { return r.n }

// enter makes a piece startable.
func (r *rarity) enter(piece int) {
	r.startable.add(piece)
	r.n++
	if r.stale {
		return
	}
	for c := range int(r.count[piece]) + 1 {
		r.up(piece, c)
	}
}

// leave ends that a piece may be started. The rarest, which are picked first,
// have the shortest way.
func (r *rarity) leave(piece int) {
	r.startable.remove(piece)
	r.n--
	if r.stale {
		return
	}
	for c := int(r.count[piece]) + 1; c > 0; c-- {
		r.down(piece, c)
	}
}

// gains is told before one more peer is counted that has the piece.
func (r *rarity) gains(piece int) {
	if !r.stale && r.startable.has(piece) {
		r.up(piece, int(r.count[piece])+1)
	}
}

// loses is told before one peer less is counted that has the piece.
func (r *rarity) loses(piece int) {
	if !r.stale && r.startable.has(piece) {
		r.down(piece, int(r.count[piece])+1)
	}
}

// up moves a piece from class c to the next: it becomes the first there.
func (r *rarity) up(piece, c int) {
	if c+2 == len(r.border) {
		r.border = append(r.border, int32(len(r.order)))
	}
	r.border[c+1]--
	r.swap(piece, r.border[c+1])
}

// down moves a piece from class c to the one before: it becomes the last there.
func (r *rarity) down(piece, c int) {
	r.swap(piece, r.border[c])
	r.border[c]++
}

func (r *rarity) swap(piece int, to int32) {
	from := r.place[piece]
	other := r.order[to]
	r.order[from], r.place[other] = other, from
	r.order[to], r.place[piece] = int32(piece), to
}

// rebuild sorts the pieces anew after bitfields came and went, in O(N). Doing it
// once for all of them, when the order is needed, beats a move for every bit.
func (r *rarity) rebuild() {
	if !r.stale {
		return
	}
	r.stale = false
	size := make([]int32, 1, len(r.border))
	for i, count := range r.count {
		c := r.class(i, count)
		for c >= len(size) {
			size = append(size, 0)
		}
		size[c]++
	}
	r.border = r.border[:0]
	sum := int32(0)
	for c, n := range size {
		r.border = append(r.border, sum)
		size[c] = sum // from here on: where the next piece of the class goes
		sum += n
	}
	r.border = append(r.border, sum)
	for i, count := range r.count {
		c := r.class(i, count)
		r.order[size[c]], r.place[i] = int32(i), size[c]
		size[c]++
	}
}

func (r *rarity) class(piece int, count int32) int {
	if !r.startable.has(piece) {
		return 0
	}
	return int(count) + 1
}
