package peer

// smallRing is room for requests that is kept also while there are none.
const smallRing = 64

// ring holds requests in the order they were made, in room that is used again.
type ring struct {
	slots []asked // as many as a power of two
	head  int
	n     int
}

// at returns the request with i older ones before it.
func (r *ring) at(i int) *asked { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring) push(a asked) {
	if r.n == len(r.slots) {
		r.grow()
	}
	r.n++
	*r.at(r.n - 1) = a
}

func (r *ring) grow() {
	slots := make([]asked, max(smallRing, 2*len(r.slots)))
	for i := range r.n {
		slots[i] = *r.at(i)
	}
	r.slots, r.head = slots, 0
}

// remove takes out the request with i older ones before it. Blocks come nearly in
// the order they were asked for: the few before it are moved up rather than the
// many behind it.
func (r *ring) remove(i int) asked {
	a := *r.at(i)
	for ; i > 0; i-- {
		*r.at(i) = *r.at(i - 1)
	}
	*r.at(0) = asked{}
	r.head++
	if r.n--; r.n == 0 && len(r.slots) > smallRing {
		*r = ring{}
	}
	return a
}
