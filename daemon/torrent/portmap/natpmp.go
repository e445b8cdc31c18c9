package portmap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	natlib "github.com/jackpal/go-nat-pmp"
)

const natTimeout = 2 * time.Second // for one request with its repetitions

// natpmp asks one router by NAT-PMP (RFC 6886).
type natpmp struct {
	client *natlib.Client
	port   uint16
}

func newNATPMP(server netip.Addr, port uint16) (*natpmp, error) {
	local, err := localTo(server)
	if err != nil {
		return nil, err
	}
	return &natpmp{natlib.NewClientWithLocalAndTimeout(net.IP(server.AsSlice()), net.IP(local.AsSlice()), natTimeout), port}, nil
}

func (n *natpmp) name() string { return "NAT-PMP" }

func (n *natpmp) open(ctx context.Context, want mapping) (mapping, error) {
	if err := ctx.Err(); err != nil {
		return mapping{}, err
	}
	r, err := n.client.AddPortMapping(string(want.proto), int(n.port), int(want.external.Port()), int(want.lifetime/time.Second))
	if err != nil {
		return mapping{}, natError(err)
	}
	m := mapping{proto: want.proto, lifetime: lifetimeOf(r.PortMappingLifetimeInSeconds), external: netip.AddrPortFrom(want.external.Addr(), r.MappedExternalPort)}
	if a, err := n.client.GetExternalAddress(); err == nil {
		m.external = netip.AddrPortFrom(netip.AddrFrom4(a.ExternalIPAddress), r.MappedExternalPort)
	}
	return m, nil
}

func (n *natpmp) close(ctx context.Context, m mapping) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := n.client.AddPortMapping(string(m.proto), int(n.port), 0, 0)
	return natError(err)
}

// natError is the library's error without its addresses.
func natError(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "Timed out"), strings.Contains(err.Error(), "timeout"):
		return errSilent
	}
	return fmt.Errorf("%w", plain(err))
}
