package picker

import "math/bits"

// A set holds piece indexes and can be searched together with another one, 64
// pieces at a time: what a peer has among what may be started.
type set struct {
	words []uint64 // piece i is bit i%64 of words[i/64]
}

func newSet(n int) set { return set{make([]uint64, (n+63)/64)} }

// has is false for every piece of a nil set.
func (s set) has(i int) bool { return i>>6 < len(s.words) && s.words[i>>6]>>(i&63)&1 != 0 }

func (s set) add(i int)    { s.words[i>>6] |= 1 << (i & 63) }
func (s set) remove(i int) { s.words[i>>6] &^= 1 << (i & 63) }

// nextIn returns the first piece at or after from that is in both sets, or -1.
func (s set) nextIn(other set, from int) int {
	w := from >> 6
	if w >= len(s.words) || w >= len(other.words) {
		return -1
	}
	word := s.words[w] & other.words[w] &^ (1<<(from&63) - 1)
	for word == 0 {
		if w++; w == len(s.words) || w == len(other.words) {
			return -1
		}
		word = s.words[w] & other.words[w]
	}
	return w<<6 + bits.TrailingZeros64(word)
}

// next returns the first piece of the set at or after from, or -1.
func (s set) next(from int) int { return s.nextIn(s, from) }
