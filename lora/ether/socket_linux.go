package ether

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// openSockets returns a socket that hears the group on the loopback interface,
// beside those of other processes, and one that sends to it from 127.0.0.1.
func openSockets(ctx context.Context, group netip.AddrPort) (listen, send *net.UDPConn, err error) {
	lo, err := loopback()
	if err != nil {
		return nil, nil, err
	}
	listen, err = openSocket(ctx, group.String(), func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
		// Without this, Linux also delivers what other sockets joined elsewhere.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
			return err
		}
		member := unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(lo)}
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &member)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	send, err = openSocket(ctx, "127.0.0.1:0", func(fd int) error {
		out := unix.IPMreqn{Ifindex: int32(lo)}
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &out); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 0); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 1)
	})
	if err != nil {
		listen.Close()
		return nil, nil, fmt.Errorf("open sender: %w", err)
	}
	return listen, send, nil
}

// openSocket binds a UDP socket after setup has seen its descriptor.
func openSocket(ctx context.Context, address string, setup func(fd int) error) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failure error
		if err := raw.Control(func(fd uintptr) { failure = setup(int(fd)) }); err != nil {
			return err
		}
		return failure
	}}
	conn, err := config.ListenPacket(ctx, "udp4", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// loopback is the index of the loopback interface.
func loopback() (int, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return 0, fmt.Errorf("list interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i.Index, nil
		}
	}
	return 0, fmt.Errorf("no loopback interface is up")
}
