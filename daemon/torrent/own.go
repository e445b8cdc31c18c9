package torrent

import (
	"net/netip"

	"lorrent/daemon/torrent/external"
)

// own is where others see us: the peer port, at an address of each family that
// has been voted for (BEP 24), or at none.
type own struct{ four, six netip.AddrPort }

func ownAddress(v *external.Votes, port int) own {
	at := func(voted, unknown netip.Addr) netip.AddrPort {
		if !voted.IsValid() {
			voted = unknown
		}
		return netip.AddrPortFrom(voted, uint16(port))
	}
	return own{at(v.Address4(), netip.IPv4Unspecified()), at(v.Address6(), netip.IPv6Unspecified())}
}

// to is our end of a connection to a peer.
func (o own) to(peer netip.AddrPort) netip.AddrPort {
	if peer.Addr().Is4() {
		return o.four
	}
	return o.six
}

// is reports whether an address is ours.
func (o own) is(a netip.AddrPort) bool { return a == o.four || a == o.six }
