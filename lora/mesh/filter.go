package mesh

import (
	"lorrent/lora/packet"
)

// Filter is a set of messages in few bits (Bloom): what was put in is found,
// and of what was not, a few in a hundred are found as well. Another Salt
// mistakes others.
type Filter struct {
	Salt uint8
	Bits []byte
}

const (
	filterBits   = 7 // for each message
	filterProbes = 4
	minFilter    = packet.MinBundledFilter
	maxFilter    = 160 // bytes
)

func newFilter(messages int, salt uint8) Filter {
	return Filter{Salt: salt, Bits: make([]byte, min(max((messages*filterBits+7)/8+1, minFilter), maxFilter))}
}

func (f Filter) add(id packet.ID) {
	n := uint64(len(f.Bits)) * 8
	h := f.hash(id)
	for range filterProbes {
		bit := (h >> 32) % n
		f.Bits[bit/8] |= 1 << (bit % 8)
		h = mix(h)
	}
}

func (f Filter) has(id packet.ID) bool {
	n := uint64(len(f.Bits)) * 8
	if n == 0 {
		return false
	}
	h := f.hash(id)
	for range filterProbes {
		bit := (h >> 32) % n
		if f.Bits[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
		h = mix(h)
	}
	return true
}

// empty says whether nothing was put in.
func (f Filter) empty() bool {
	for _, b := range f.Bits {
		if b != 0 {
			return false
		}
	}
	return true
}

// hash spreads an ID over 64 bits, differently for each salt.
func (f Filter) hash(id packet.ID) uint64 {
	return mix(mix(uint64(id.Source)<<32|uint64(id.Epoch)<<8|uint64(f.Salt)) ^ uint64(id.Sequence))
}

// mix is the finalizer of SplitMix64.
func mix(h uint64) uint64 {
	h += 0x9E3779B97F4A7C15
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}
