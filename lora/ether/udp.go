package ether

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// udpCarrier brings transmissions to the other processes of this machine by
// multicast on the loopback interface.
type udpCarrier struct {
	// immutable after OpenUDP
	group  net.Addr
	send   *net.UDPConn
	listen *net.UDPConn
	sender uint64 // random, so that we know our own datagrams

	reading sync.WaitGroup
}

// OpenUDP joins the air that all processes of this machine share which open
// the same group, an IPv4 multicast address, and port. Datagrams travel on the
// loopback interface with a TTL of 0 and are taken from there alone, so none
// leaves or enters the machine. All processes should use the same Speedup; loss
// is each receiver's own.
func OpenUDP(ctx context.Context, group netip.AddrPort, at Position, cfg Config) (*Port, error) {
	name := "udp:" + group.String()
	if !group.Addr().Is4() || !group.Addr().IsMulticast() || group.Port() == 0 {
		return nil, fmt.Errorf("open %s: want an IPv4 multicast group and a port, such as 239.76.82.84:8976", name)
	}
	listen, send, err := openSockets(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	c := &udpCarrier{group: net.UDPAddrFromAddrPort(group), send: send, listen: listen, sender: rand.Uint64()}
	p := newPort(name, at, cfg, cfg.random(c.sender), c)
	c.reading.Go(func() { p.end(c.read(p)) })
	return p, nil
}

// read lets the port hear every datagram until the socket fails or closes.
func (c *udpCarrier) read(p *Port) error {
	b := make([]byte, maxDatagram+1)
	for {
		n, from, err := c.listen.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return ErrClosed
		}
		if err != nil {
			return fmt.Errorf("receive on %s: %w", p.name, err)
		}
		sender, t, err := decodeDatagram(b[:n])
		if err != nil || sender == c.sender || !from.Addr().Unmap().IsLoopback() {
			continue
		}
		p.hear(t)
	}
}

func (c *udpCarrier) cast(_ *Port, t transmission) error {
	_, err := c.send.WriteTo(encodeDatagram(c.sender, t), c.group)
	return err
}

func (c *udpCarrier) leave(*Port) error {
	err := errors.Join(c.listen.Close(), c.send.Close())
	c.reading.Wait()
	return err
}
