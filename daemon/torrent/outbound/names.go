package outbound

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
)

const maxNames = 4096

// names gives addresses to host names that a proxy will resolve. The addresses
// are of 240.0.0.0/4, which nobody has.
type names struct {
	mu     sync.Mutex
	byName map[string]netip.Addr
	byAddr map[netip.Addr]string
}

func (n *names) standIn(host string) (netip.Addr, error) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	if len(host) > 253 {
		return netip.Addr{}, errors.New("host name is too long")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.byName[host]; ok {
		return a, nil
	}
	if n.byName == nil || len(n.byName) >= maxNames {
		n.byName, n.byAddr = make(map[string]netip.Addr), make(map[netip.Addr]string)
	}
	i := len(n.byName) + 1
	a := netip.AddrFrom4([4]byte{240, 0, byte(i >> 8), byte(i)})
	n.byName[host], n.byAddr[a] = a, host
	return a, nil
}

// real is the address with the name that its host stands for.
func (n *names) real(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return address
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.byAddr[a]; ok {
		return net.JoinHostPort(name, port)
	}
	return address
}
