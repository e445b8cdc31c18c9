package portmap

import (
	"context"
	"net/netip"
)

// standard are the methods for the router of this machine.
func (m *Mapper) standard(context.Context) []candidate {
	list := []candidate{}
	if server, err := gateway(m.cfg.Interface); err == nil {
		list = append(list, m.atGateway(server)...)
	}
	return append(list, candidate{"UPnP", func(ctx context.Context) (method, error) {
		u, err := findUPnP(ctx, m.cfg.Interface, m.cfg.Port, m.cfg.Name)
		if err != nil {
			return nil, err
		}
		return u, nil
	}})
}

// atGateway are the methods that ask the default gateway.
func (m *Mapper) atGateway(server netip.Addr) []candidate {
	return []candidate{
		{"PCP", func(context.Context) (method, error) {
			return &pcp{server: netip.AddrPortFrom(server, pcpPort), port: m.cfg.Port, hole6: m.hole6}, nil
		}},
		{"NAT-PMP", func(context.Context) (method, error) {
			n, err := newNATPMP(server, m.cfg.Port)
			if err != nil {
				return nil, err
			}
			return n, nil
		}},
	}
}

// hole6 is our global IPv6 address and the router that may guard it.
func (m *Mapper) hole6() (netip.Addr, netip.AddrPort, bool) {
	a, ok := global6()
	if !ok {
		return a, netip.AddrPort{}, false
	}
	server, err := gateway6(m.cfg.Interface)
	return a, netip.AddrPortFrom(server, pcpPort), err == nil
}
