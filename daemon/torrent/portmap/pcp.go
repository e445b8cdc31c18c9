package portmap

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// PCP (RFC 6887) on the wire.
const (
	pcpPort       = 5351
	pcpVersion    = 2
	pcpMap        = 1    // opcode
	pcpReply      = 0x80 // bit of the opcode in replies
	pcpMapLen     = 60
	pcpMaxLen     = 1100
	pcpFirstRetry = 250 * time.Millisecond // home networks answer at once
	pcpTries      = 4
)

// pcpRequest is a request to map a port.
type pcpRequest struct {
	client   netip.Addr
	lifetime uint32 // seconds; 0 deletes
	nonce    [12]byte
	protocol byte // IANA number
	internal uint16
	external netip.AddrPort // suggested
}

func (r pcpRequest) append(b []byte) []byte {
	b = append(b, pcpVersion, pcpMap, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.lifetime)
	b = append16(b, r.client)
	b = append(b, r.nonce[:]...)
	b = append(b, r.protocol, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, r.internal)
	b = binary.BigEndian.AppendUint16(b, r.external.Port())
	a := r.external.Addr()
	if !a.IsValid() { // none in particular, of the client's family
		a = netip.IPv6Unspecified()
		if r.client.Is4() {
			a = netip.IPv4Unspecified()
		}
	}
	return append16(b, a)
}

// append16 appends an address in 16 bytes, IPv4 mapped into IPv6.
func append16(b []byte, a netip.Addr) []byte {
	b16 := a.As16()
	return append(b, b16[:]...)
}

// pcpAnswer is the answer to a pcpRequest.
type pcpAnswer struct {
	result   byte
	lifetime uint32 // seconds; with an error, how long it will last
	epoch    uint32
	nonce    [12]byte
	protocol byte
	internal uint16
	external netip.AddrPort
}

var pcpResults = [...]string{
	"success", "version not supported", "not authorised", "malformed request", "opcode not supported", "option not supported",
	"malformed option", "network failure", "no resources", "protocol not supported", "quota exceeded", "cannot provide that port",
	"our address is not the one it sees", "too many peers",
}

// errOtherVersion says that the router speaks NAT-PMP, or another PCP.
var errOtherVersion = errors.New("the router does not speak it")

// parsePCP reads an answer. The error of one that is well-formed but refuses is
// in result.
func parsePCP(b []byte) (a pcpAnswer, err error) {
	switch {
	case len(b) < 4:
		return a, fmt.Errorf("answer of %d bytes", len(b))
	case b[0] != pcpVersion:
		return a, errOtherVersion
	case len(b) < 24 || len(b) > pcpMaxLen || len(b)%4 != 0:
		return a, fmt.Errorf("answer of %d bytes", len(b))
	case b[1] != pcpMap|pcpReply:
		return a, fmt.Errorf("answer with opcode %#x", b[1])
	}
	a.result = b[3]
	a.lifetime = binary.BigEndian.Uint32(b[4:])
	a.epoch = binary.BigEndian.Uint32(b[8:])
	if len(b) < pcpMapLen {
		if a.result == 0 {
			return a, fmt.Errorf("answer of %d bytes", len(b))
		}
		return a, nil // some cut their refusals short
	}
	copy(a.nonce[:], b[24:])
	a.protocol = b[36]
	a.internal = binary.BigEndian.Uint16(b[40:])
	a.external = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[44:60])).Unmap(), binary.BigEndian.Uint16(b[42:]))
	return a, nil
}

func (a pcpAnswer) err() error {
	if a.result == 0 {
		return nil
	}
	if int(a.result) < len(pcpResults) {
		return errors.New(pcpResults[a.result])
	}
	return fmt.Errorf("result %d", a.result)
}

// pcp asks one router.
type pcp struct {
	server netip.AddrPort
	port   uint16
	nonce  [12]byte // of the pinhole
	hole6  func() (netip.Addr, netip.AddrPort, bool)
	held   []pcpRequest // pinholes
}

func (p *pcp) name() string { return "PCP" }

func number(proto protocol) byte {
	if proto == udp {
		return 17
	}
	return 6
}

func (p *pcp) open(ctx context.Context, want mapping) (mapping, error) {
	if want.nonce == [12]byte{} {
		rand.Read(want.nonce[:])
	}
	a, err := p.ask(ctx, p.server, netip.Addr{}, pcpRequest{
		lifetime: uint32(want.lifetime / time.Second), nonce: want.nonce, protocol: number(want.proto), internal: p.port, external: want.external,
	})
	if err != nil {
		return mapping{}, err
	}
	return mapping{proto: want.proto, external: a.external, lifetime: lifetimeOf(a.lifetime), nonce: want.nonce}, nil
}

// lifetimeOf bounds what a router says, so that we come back some time.
func lifetimeOf(seconds uint32) time.Duration {
	return time.Duration(max(1, min(seconds, 24*3600))) * time.Second
}

func (p *pcp) close(ctx context.Context, m mapping) error {
	_, err := p.ask(ctx, p.server, netip.Addr{}, pcpRequest{nonce: m.nonce, protocol: number(m.proto), internal: p.port})
	return err
}

// openPinhole asks the IPv6 router to let peers through to our address.
func (p *pcp) openPinhole(ctx context.Context, lifetime time.Duration) (netip.AddrPort, time.Duration, error) {
	client, server, ok := p.hole6()
	if !ok {
		return netip.AddrPort{}, 0, errNoGateway
	}
	if p.nonce == [12]byte{} {
		rand.Read(p.nonce[:])
	}
	p.held = p.held[:0]
	shortest := lifetime
	for _, proto := range []protocol{tcp, udp} {
		r := pcpRequest{lifetime: uint32(lifetime / time.Second), nonce: p.nonce, protocol: number(proto), internal: p.port,
			external: netip.AddrPortFrom(client, p.port)}
		a, err := p.ask(ctx, server, client, r)
		if err != nil {
			return netip.AddrPort{}, 0, err
		}
		shortest = min(shortest, lifetimeOf(a.lifetime))
		p.held = append(p.held, r)
	}
	return netip.AddrPortFrom(client, p.port), shortest, nil
}

func (p *pcp) closePinhole(ctx context.Context) {
	client, server, ok := p.hole6()
	for _, r := range p.held {
		if ok {
			r.lifetime, r.external = 0, netip.AddrPort{}
			p.ask(ctx, server, client, r)
		}
	}
}

// ask sends a request until it is answered. The client's address is the one
// that the server sees.
func (p *pcp) ask(ctx context.Context, server netip.AddrPort, from netip.Addr, r pcpRequest) (pcpAnswer, error) {
	var d net.Dialer
	if from.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := d.DialContext(ctx, "udp", server.String())
	if err != nil {
		return pcpAnswer{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r.client = conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
	packet := r.append(nil)
	buf := make([]byte, pcpMaxLen+1)
	for try := range pcpTries {
		if _, err := conn.Write(packet); err != nil {
			return pcpAnswer{}, plain(err)
		}
		if ctx.Err() == nil {
			conn.SetReadDeadline(time.Now().Add(pcpFirstRetry << try))
		}
		for {
			n, err := conn.Read(buf)
			if ctx.Err() != nil {
				return pcpAnswer{}, ctx.Err()
			}
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				break
			}
			if err != nil {
				return pcpAnswer{}, plain(err)
			}
			a, err := parsePCP(buf[:n])
			if errors.Is(err, errOtherVersion) {
				return a, err
			}
			if err != nil || a.result == 0 && (a.nonce != r.nonce || a.protocol != r.protocol || a.internal != r.internal) {
				continue // not ours
			}
			return a, a.err()
		}
	}
	return pcpAnswer{}, errSilent
}

var errSilent = errors.New("no answer")

// plain leaves out what net puts before an error.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
