package dht

import (
	"crypto/rand"
	"hash/crc32"
	"math/bits"
	"net/netip"
)

const idLen = 20

// nodeID names a node, and is a place in the space of info hashes.
type nodeID [idLen]byte

func idOf(s string) nodeID { return nodeID([]byte(s)) }

func randomID() (id nodeID) {
	rand.Read(id[:]) // never fails
	return id
}

// closer compares how near a and b are to id, as cmp.Compare does.
func (id nodeID) closer(a, b nodeID) int {
	for i := range id {
		if x, y := a[i]^id[i], b[i]^id[i]; x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// prefix is how many leading bits two ids share.
func (id nodeID) prefix(other nodeID) int {
	for i := range id {
		if x := id[i] ^ other[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 8 * idLen
}

// within is a random id that shares exactly n leading bits with id.
func (id nodeID) within(n int) nodeID {
	r := randomID()
	for i := range n {
		mask := byte(0x80 >> (i % 8))
		r[i/8] = r[i/8]&^mask | id[i/8]&mask
	}
	mask := byte(0x80 >> (n % 8))
	r[n/8] = r[n/8]&^mask | ^id[n/8]&mask
	return r
}

// fit makes an id that a node at addr may have (BEP 42).
func (id nodeID) fit(addr netip.Addr) nodeID {
	sum := addressSum(addr, id[idLen-1])
	id[0], id[1] = byte(sum>>24), byte(sum>>16)
	id[2] = byte(sum>>8)&0xf8 | id[2]&7
	return id
}

func (id nodeID) fits(addr netip.Addr) bool { return id == id.fit(addr) }

func addressSum(addr netip.Addr, random byte) uint32 {
	addr = addr.Unmap()
	ip := addr.AsSlice()
	mask := []byte{0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff}
	if addr.Is4() {
		mask = []byte{0x03, 0x0f, 0x3f, 0xff}
	}
	ip = ip[:len(mask)]
	for i := range ip {
		ip[i] &= mask[i]
	}
	ip[0] |= random & 7 << 5
	return crc32.Checksum(ip, crc32.MakeTable(crc32.Castagnoli))
}
