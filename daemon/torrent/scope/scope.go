// Package scope says how far away an address can be: on this host, in a
// network of our own, or on the internet. Names and URLs in torrents come from
// strangers, and what they may make us talk to depends on it.
package scope

import "net/netip"

// Scope orders addresses by how far away they can be.
type Scope int

// The scopes, nearest first.
const (
	Loopback Scope = iota
	Private
	Public
)

func (s Scope) String() string { return [...]string{"loopback", "private", "public"}[s] }

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052
	carrier   = netip.MustParsePrefix("100.64.0.0/10") // carrier-grade NAT, RFC 6598
	thisHost  = netip.MustParsePrefix("0.0.0.0/8")
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// Of classifies an address. Translated IPv4 (NAT64) counts as what it stands
// for.
func Of(a netip.Addr) Scope {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case a.IsLoopback(), a.IsUnspecified():
		return Loopback
	case a.IsPrivate(), a.IsLinkLocalUnicast(), a.IsMulticast(), carrier.Contains(a), thisHost.Contains(a), a == broadcast:
		return Private
	}
	return Public
}
