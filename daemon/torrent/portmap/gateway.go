package portmap

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"lorrent/daemon/torrent/scope"
)

// The kernel's routing tables. The links in /proc/net are hidden from services
// that see no other processes; these are our own.
const (
	routes4 = "/proc/self/net/route"
	routes6 = "/proc/self/net/ipv6_route"
)

const flagGateway = 2 // RTF_GATEWAY

var errNoGateway = errors.New("there is no default route")

// gateway is the router that the default route leads to, over the interface of
// that name if one is given.
func gateway(iface string) (netip.Addr, error) {
	f, err := os.Open(routes4)
	if err != nil {
		return netip.Addr{}, err
	}
	defer f.Close()
	return parseRoutes4(f, iface)
}

// parseRoutes4 reads lines of "Iface Destination Gateway Flags RefCnt Use Metric
// Mask …", addresses as little-endian hex.
func parseRoutes4(r io.Reader, iface string) (best netip.Addr, err error) {
	bestMetric := -1
	for lines := bufio.NewScanner(r); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || iface != "" && f[0] != iface {
			continue
		}
		raw, err1 := hex.DecodeString(f[2])
		flags, err2 := strconv.ParseUint(f[3], 16, 32)
		metric, err3 := strconv.Atoi(f[6])
		if err1 != nil || err2 != nil || err3 != nil || len(raw) != 4 || flags&flagGateway == 0 {
			continue
		}
		if bestMetric < 0 || metric < bestMetric {
			best, bestMetric = netip.AddrFrom4([4]byte{raw[3], raw[2], raw[1], raw[0]}), metric
		}
	}
	if !best.IsValid() {
		return best, errNoGateway
	}
	return best, nil
}

// gateway6 is gateway for IPv6.
func gateway6(iface string) (netip.Addr, error) {
	f, err := os.Open(routes6)
	if err != nil {
		return netip.Addr{}, err
	}
	defer f.Close()
	return parseRoutes6(f, iface)
}

// parseRoutes6 reads lines of "destination length source length next-hop metric
// refcount use flags interface", all of it hex.
func parseRoutes6(r io.Reader, iface string) (best netip.Addr, err error) {
	bestMetric := uint64(1) << 63
	for lines := bufio.NewScanner(r); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || iface != "" && f[9] != iface {
			continue
		}
		raw, err1 := hex.DecodeString(f[4])
		metric, err2 := strconv.ParseUint(f[5], 16, 32)
		flags, err3 := strconv.ParseUint(f[8], 16, 32)
		if err1 != nil || err2 != nil || err3 != nil || len(raw) != 16 || flags&flagGateway == 0 || metric >= bestMetric {
			continue
		}
		best, bestMetric = netip.AddrFrom16([16]byte(raw)), metric
		if best.IsLinkLocalUnicast() {
			best = best.WithZone(f[9])
		}
	}
	if !best.IsValid() {
		return best, errNoGateway
	}
	return best, nil
}

// localTo is our address on the way to another one. Nothing is sent.
func localTo(remote netip.Addr) (netip.Addr, error) {
	conn, err := net.Dial("udp", netip.AddrPortFrom(remote, 9).String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

// global6 is the IPv6 address that peers on the internet would see.
func global6() (netip.Addr, bool) {
	a, err := localTo(netip.MustParseAddr("2001:db8::1"))
	return a, err == nil && a.Is6() && scope.Of(a) == scope.Public
}

func private(a netip.Addr) bool { return scope.Of(a) != scope.Public }
