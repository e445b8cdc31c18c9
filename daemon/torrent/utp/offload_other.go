//go:build !linux

package utp

import "net/netip"

// controlSpace is nothing: no control message is asked for.
func controlSpace() int { return 0 }

// offload says that the kernel neither splits nor merges packets.
func (l *link) offload() (segments, merges bool) { return false, false }

// dontFragment is left to the system's default.
func (l *link) dontFragment(bool) {}

func segmentSize([]byte) int { return 0 }

func appendSegmentSize(b []byte, _ int) []byte { return b }

func cannotSegment(error) bool { return false }

// routeMTU is not known here.
func routeMTU(netip.AddrPort) int { return maxPath }
