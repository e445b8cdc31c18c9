// Package priority computes the canonical peer priority of BEP 40.
//
// Both ends of a connection arrive at the same number from their two addresses,
// so when every peer of a full swarm keeps its connections with the highest
// numbers, a newcomer finds a place and nobody can crowd the swarm out from a
// few subnets. The connection with the lowest priority is the one to give up.
package priority

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Masks beyond the network part keep only every other bit of an address, so
// that holding a whole subnet buys an attacker few distinct priorities.
const hostMask = 0x55

// Priority returns the priority of a connection between a and b; the order of the two
// does not matter. The local end should be the address the remote one sees us
// at, or the ends disagree. BEP 40 defines it within one address family; a mixed
// pair is compared as IPv6.
func Priority(a, b netip.AddrPort) uint32 {
	ipA, ipB := a.Addr().Unmap(), b.Addr().Unmap()
	if ipA == ipB {
		return checksum(binary.BigEndian.AppendUint16(nil, a.Port()), binary.BigEndian.AppendUint16(nil, b.Port()))
	}
	if ipA.Is4() && ipB.Is4() {
		bytesA, bytesB := ipA.As4(), ipB.As4()
		return masked(bytesA[:], bytesB[:], 2)
	}
	bytesA, bytesB := ipA.As16(), ipB.As16()
	return masked(bytesA[:], bytesB[:], 6)
}

// masked overwrites a and b. The first network bytes count in full; addresses
// that share those differ further right, so one byte more than they share does.
func masked(a, b []byte, network int) uint32 {
	shared := 0
	for shared < len(a) && a[shared] == b[shared] {
		shared++
	}
	if shared >= network {
		network = shared + 1
	}
	for i := network; i < len(a); i++ {
		a[i] &= hostMask
		b[i] &= hostMask
	}
	return checksum(a, b)
}

// checksum is the CRC-32C of the smaller of the two followed by the larger.
func checksum(a, b []byte) uint32 {
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	table := crc32.MakeTable(crc32.Castagnoli) // shared by the library, not built anew
	return crc32.Update(crc32.Update(0, table, a), table, b)
}
