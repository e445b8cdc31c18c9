//go:build !linux

package ether

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// openSockets is written for Linux alone so far.
func openSockets(context.Context, netip.AddrPort) (listen, send *net.UDPConn, err error) {
	return nil, nil, errors.New("the shared air needs Linux")
}
