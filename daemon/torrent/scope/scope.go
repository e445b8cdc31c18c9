// Package scope says how far away an address can be: on this host, in a
// network of our own, or on the internet. Names and URLs in torrents come from
// strangers, and what they may make us talk to depends on it.
package scope

import (
	"net/netip"
	"slices"
)

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
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// reserved are the IPv4 ranges of RFC 6890 that package netip does not know, and
// that are no place on the internet.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by a provider's customers, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"), // and broadcast
}

// Of classifies an address. IPv6 that carries IPv4 (NAT64, 6to4) counts as what it
// stands for, and what is no address as Public.
func Of(a netip.Addr) Scope {
	a = embedded(a.Unmap().WithZone(""))
	switch {
	case a.IsLoopback(), a.IsUnspecified():
		return Loopback
	case a.IsPrivate(), a.IsLinkLocalUnicast(), a.IsMulticast(),
		slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) }):
		return Private
	}
	return Public
}

// embedded is the IPv4 address inside an IPv6 one, or the address as it is.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}
