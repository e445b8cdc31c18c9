package utp

import (
	"net/netip"
	"time"
)

// Sizes of UDP payloads, which are uTP packets with their header.
const (
	udpHeader  = 8
	ipv4Header = 20
	ipv6Header = 40

	basePacket  = 1200 // passes nearly everywhere (RFC 8899 BASE_PLPMTU)
	leastPacket = 576 - ipv4Header - udpHeader
	leastPath6  = 1280 // every IPv6 path carries this

	// maxPath is the largest path MTU probed for. Deployed peers read packets
	// into buffers of this size and take what is cut off for the whole.
	maxPath = 1500

	probeLosses = 3                // of one size, before it is taken for too large
	probeGap    = 12               // bytes not worth another probe
	probeAgain  = 10 * time.Minute // the path may have changed
)

// pathMTU finds the largest packet that the path carries (RFC 8899). A probe is
// a data packet of the size in use, made longer with padding: when it is
// lost, its data is sent again without the padding, and the loss says nothing
// about congestion.
type pathMTU struct {
	size    int // in use: known to pass
	least   int // to fall back to when nothing passes any more
	ceiling int // largest that may pass
	most    int // by the interface

	probe  int // size on its way, 0 without one
	losses int // of the size wanted next
	first  bool
	again  time.Duration
}

// newPathMTU starts for a peer at addr; pathSize is the MTU of the route to it.
func newPathMTU(addr netip.Addr, pathSize int) pathMTU {
	headers, least := ipv4Header+udpHeader, leastPacket
	if addr.Is6() && !addr.Is4In6() {
		headers = ipv6Header + udpHeader
		least = leastPath6 - headers
	}
	most := max(min(pathSize, maxPath)-headers, least)
	return pathMTU{
		size: min(basePacket, most), least: least, ceiling: most, most: most, first: true,
	}
}

// wanted is the size to probe now, 0 for none.
func (m *pathMTU) wanted(now time.Duration) int {
	if m.ceiling-m.size < probeGap && m.ceiling < m.most && now >= m.again {
		m.ceiling, m.first, m.losses = m.most, true, 0
	}
	switch {
	case m.probe != 0 || m.ceiling-m.size < probeGap:
		return 0
	case m.first: // most paths carry what the interface does
		return m.ceiling
	}
	return (m.size + m.ceiling + 1) / 2
}

func (m *pathMTU) sent(size int) { m.probe = size }

func (m *pathMTU) arrived(size int) {
	m.size = max(m.size, size)
	m.ceiling = max(m.ceiling, m.size)
	m.probe, m.losses, m.first = 0, 0, false
}

func (m *pathMTU) missing(now time.Duration, size int) {
	m.probe = 0
	if size <= m.size || size > m.ceiling {
		return
	}
	if m.losses++; m.losses < probeLosses {
		return
	}
	m.ceiling, m.losses, m.first = size-1, 0, false
	m.again = now + probeAgain
}

// blackHole is called when packets of the size in use seem not to pass: the
// path has changed. It reports whether a smaller size is left.
func (m *pathMTU) blackHole(now time.Duration) bool {
	if m.size == m.least {
		return false
	}
	m.ceiling = m.size - 1
	if m.size > basePacket {
		m.size = basePacket
	} else {
		m.size = m.least
	}
	m.ceiling = max(m.ceiling, m.size)
	m.losses, m.first, m.again = 0, false, now+probeAgain
	return true
}
