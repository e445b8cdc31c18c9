// Package bitfield keeps one bit per piece of a torrent: set means "has it".
//
// In memory the bits lie in 64-bit words, so counting, searching and comparing
// two peers look at 64 pieces at a time and never allocate. On the wire and in
// the database they lie as BEP 3 says: the high bit of the first byte is piece
// 0, and the spare bits of the last byte are zero. Both orders agree because
// piece 0 is also the high bit of the first word.
//
// Rules: an index must lie in [0, Len) for Set and Clear, which panic like a
// slice would; Has and Next take any index. Indexes that came from a peer are
// therefore checked before they are set. A Bitfield is not safe for concurrent
// use.
//
// Spec: BEP 3, "bitfield" message.
package bitfield

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const wordBits = 64

// Bitfield is a fixed number of bits. The zero value has none.
type Bitfield struct {
	words []uint64 // bit i is bit 63-i%64 of words[i/64]; spare bits are always 0
	n     int      // number of bits
	count int      // number of bits set
}

// New returns n bits, all clear.
func New(n int) *Bitfield {
	if n < 0 {
		panic(fmt.Sprintf("bitfield: negative length %d", n))
	}
	return &Bitfield{words: make([]uint64, (n+wordBits-1)/wordBits), n: n}
}

// FromWire decodes n bits from BEP 3 order. It is an error when b is not
// exactly ceil(n/8) bytes long or has one of its spare bits set. b is copied.
func FromWire(b []byte, n int) (*Bitfield, error) {
	if n < 0 {
		return nil, fmt.Errorf("decode bitfield: negative length %d", n)
	}
	if want := n/8 + min(n%8, 1); len(b) != want {
		return nil, fmt.Errorf("decode bitfield: %d bytes for %d pieces, want %d", len(b), n, want)
	}
	if spare := n % 8; spare != 0 && b[len(b)-1]&(0xff>>spare) != 0 {
		return nil, fmt.Errorf("decode bitfield: spare bits set in last byte %#02x of %d pieces", b[len(b)-1], n)
	}
	f := New(n)
	for i := range f.words {
		if len(b) >= 8 {
			f.words[i] = binary.BigEndian.Uint64(b)
			b = b[8:]
		} else {
			var last [8]byte
			copy(last[:], b)
			f.words[i] = binary.BigEndian.Uint64(last[:])
		}
		f.count += bits.OnesCount64(f.words[i])
	}
	return f, nil
}

// Wire returns the bits in BEP 3 order, ceil(Len/8) bytes, in a new slice.
func (f *Bitfield) Wire() []byte {
	b := make([]byte, 0, len(f.words)*8)
	for _, w := range f.words {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return b[:(f.n+7)/8]
}

// Len returns the number of bits.
func (f *Bitfield) Len() int { return f.n }

// Count returns the number of bits that are set.
func (f *Bitfield) Count() int { return f.count }

// All reports whether every bit is set. It is true of a field without bits.
func (f *Bitfield) All() bool { return f.count == f.n }

// None reports whether no bit is set.
func (f *Bitfield) None() bool { return f.count == 0 }

// Has reports whether bit i is set; outside of [0, Len) none is.
func (f *Bitfield) Has(i int) bool {
	return i >= 0 && i < f.n && f.words[i/wordBits]&mask(i) != 0
}

// Set sets bit i. It panics when i is outside of [0, Len).
func (f *Bitfield) Set(i int) {
	f.check(i)
	if w := &f.words[i/wordBits]; *w&mask(i) == 0 {
		*w |= mask(i)
		f.count++
	}
}

// Clear clears bit i. It panics when i is outside of [0, Len).
func (f *Bitfield) Clear(i int) {
	f.check(i)
	if w := &f.words[i/wordBits]; *w&mask(i) != 0 {
		*w &^= mask(i)
		f.count--
	}
}

// SetAll sets every bit.
func (f *Bitfield) SetAll() {
	for i := range f.words {
		f.words[i] = ^uint64(0)
	}
	if spare := f.n % wordBits; spare != 0 {
		f.words[len(f.words)-1] = ^(^uint64(0) >> spare)
	}
	f.count = f.n
}

// Clone returns a copy that shares nothing with f.
func (f *Bitfield) Clone() *Bitfield {
	return &Bitfield{words: append([]uint64(nil), f.words...), n: f.n, count: f.count}
}

// AndNotAny reports whether f has a bit that other lacks: with f what a peer
// has and other what we have, whether the peer is of interest. It panics when
// the lengths differ.
func (f *Bitfield) AndNotAny(other *Bitfield) bool {
	if f.n != other.n {
		panic(fmt.Sprintf("bitfield: comparing %d bits with %d", f.n, other.n))
	}
	if f.count > other.count {
		return true
	}
	for i, w := range f.words {
		if w&^other.words[i] != 0 {
			return true
		}
	}
	return false
}

// Next returns the first set bit at or after from, or -1 when there is none,
// so that a loop over all set bits is
//
//	for i := f.Next(0); i >= 0; i = f.Next(i + 1) { … }
func (f *Bitfield) Next(from int) int {
	from = max(from, 0)
	if from >= f.n {
		return -1
	}
	i := from / wordBits
	w := f.words[i] & (^uint64(0) >> (from % wordBits))
	for w == 0 {
		if i++; i == len(f.words) {
			return -1
		}
		w = f.words[i]
	}
	return i*wordBits + bits.LeadingZeros64(w)
}

func mask(i int) uint64 { return 1 << (wordBits - 1 - i%wordBits) }

func (f *Bitfield) check(i int) {
	if i < 0 || i >= f.n {
		panic(fmt.Sprintf("bitfield: index %d of %d", i, f.n))
	}
}
