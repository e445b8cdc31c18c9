package dht

import (
	"crypto/sha1"
	"math"
	"math/bits"
	"net/netip"
)

const (
	bloomBytes  = 256
	bloomHashes = 2
)

// bloom is a set of addresses that tells how many there are (BEP 33).
type bloom [bloomBytes]byte

func (f *bloom) add(addr netip.Addr) {
	sum := sha1.Sum(addr.Unmap().AsSlice())
	for i := range bloomHashes {
		bit := (int(sum[2*i]) | int(sum[2*i+1])<<8) % (8 * bloomBytes)
		f[bit/8] |= 1 << (bit % 8)
	}
}

// count estimates how many addresses were added.
func (f *bloom) count() float64 {
	const m = 8 * bloomBytes
	zeros := float64(m)
	for _, b := range f {
		zeros -= float64(bits.OnesCount8(b))
	}
	zeros = max(zeros, 1)
	return math.Log(min(zeros, m)/m) / (bloomHashes * math.Log(1-1.0/m))
}
