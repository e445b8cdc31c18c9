package choker

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"slices"
)

// AllowedFast returns the k pieces that the peer at ip may request while choked,
// of a torrent with that many pieces, in the order of BEP 6; fewer when there
// are fewer pieces. They follow from the /24 of the address, so reconnecting
// gains nothing. BEP 6 defines them for IPv4 only; for IPv6 the /48 takes the
// place of the /24.
func AllowedFast(ip netip.Addr, infoHash [20]byte, pieces, k int) []int32 {
	if pieces <= 0 || k <= 0 || !ip.IsValid() {
		return nil
	}
	k = min(k, pieces)
	set := make([]int32, 0, k)
	for x := sha1.Sum(append(network(ip), infoHash[:]...)); len(set) < k; x = sha1.Sum(x[:]) {
		for i := 0; i < len(x) && len(set) < k; i += 4 {
			piece := int32(binary.BigEndian.Uint32(x[i:]) % uint32(pieces))
			if !slices.Contains(set, piece) {
				set = append(set, piece)
			}
		}
	}
	return set
}

// network returns the address with its host part zeroed.
func network(ip netip.Addr) []byte {
	ip = ip.Unmap()
	if ip.Is4() {
		b := ip.As4()
		return []byte{b[0], b[1], b[2], 0}
	}
	b := ip.As16()
	clear(b[6:])
	return b[:]
}
