package lsd

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// The groups of BEP 14.
var (
	group4 = netip.MustParseAddrPort("239.192.152.143:6771")
	group6 = netip.MustParseAddrPort("[ff15::efc0:988f]:6771")
)

const hops = 1 // a network of one's own is meant

// group is the multicast group of a family.
type group interface {
	// read waits for a packet; meant is false when it did not come by the group.
	read(b []byte) (n int, from netip.AddrPort, meant bool, err error)
	write(b []byte, on net.Interface) error
	join(on []net.Interface)
	host() string
	close()
}

type ip4 struct {
	conn *ipv4.PacketConn
	udp  *net.UDPConn
}

type ip6 struct {
	conn *ipv6.PacketConn
	udp  *net.UDPConn
}

// listen opens a socket that others on this machine can have, too, as the net
// package does for group addresses.
func listen(network string, g netip.AddrPort) (*net.UDPConn, error) {
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(g))
	if err != nil {
		return nil, fmt.Errorf("listen for local peers: %w", err)
	}
	return c, nil
}

func open4() (group, error) {
	udp, err := listen("udp4", group4)
	if err != nil {
		return nil, err
	}
	g := &ip4{ipv4.NewPacketConn(udp), udp}
	for _, err := range []error{
		g.conn.SetControlMessage(ipv4.FlagDst, true), g.conn.SetMulticastTTL(hops), g.conn.SetMulticastLoopback(true),
	} {
		if err != nil {
			udp.Close()
			return nil, fmt.Errorf("prepare for local peers: %w", err)
		}
	}
	return g, nil
}

func open6() (group, error) {
	udp, err := listen("udp6", group6)
	if err != nil {
		return nil, err
	}
	g := &ip6{ipv6.NewPacketConn(udp), udp}
	for _, err := range []error{
		g.conn.SetControlMessage(ipv6.FlagDst, true), g.conn.SetMulticastHopLimit(hops), g.conn.SetMulticastLoopback(true),
	} {
		if err != nil {
			udp.Close()
			return nil, fmt.Errorf("prepare for local peers: %w", err)
		}
	}
	return g, nil
}

func (g *ip4) read(b []byte) (int, netip.AddrPort, bool, error) {
	n, cm, from, err := g.conn.ReadFrom(b)
	meant := err == nil && cm != nil && cm.Dst.Equal(group4.Addr().AsSlice())
	return n, sender(from), meant, err
}

func (g *ip6) read(b []byte) (int, netip.AddrPort, bool, error) {
	n, cm, from, err := g.conn.ReadFrom(b)
	meant := err == nil && cm != nil && cm.Dst.Equal(group6.Addr().AsSlice())
	return n, sender(from), meant, err
}

func sender(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.AddrPort()
	}
	return netip.AddrPort{}
}

func (g *ip4) write(b []byte, on net.Interface) error {
	_, err := g.conn.WriteTo(b, &ipv4.ControlMessage{IfIndex: on.Index}, net.UDPAddrFromAddrPort(group4))
	return err
}

func (g *ip6) write(b []byte, on net.Interface) error {
	_, err := g.conn.WriteTo(b, &ipv6.ControlMessage{IfIndex: on.Index}, net.UDPAddrFromAddrPort(group6))
	return err
}

// join joins where we have not joined yet; an error says that we have, or that
// the interface has none of the family.
func (g *ip4) join(on []net.Interface) {
	for _, i := range on {
		_ = g.conn.JoinGroup(&i, net.UDPAddrFromAddrPort(group4))
	}
}

func (g *ip6) join(on []net.Interface) {
	for _, i := range on {
		_ = g.conn.JoinGroup(&i, net.UDPAddrFromAddrPort(group6))
	}
}

func (g *ip4) host() string { return group4.String() }
func (g *ip6) host() string { return group6.String() }
func (g *ip4) close()       { g.udp.Close() }
func (g *ip6) close()       { g.udp.Close() }
