package tracker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// A connection id may be used for one minute after it was received (BEP 15).
	connectionLife = time.Minute
	maxConnections = 1024 // ids remembered
)

// connection is a tracker's proof that our address is ours.
type connection struct {
	id      uint64
	expires time.Time
}

// announceUDP announces over one address family.
func (c *Client) announceUDP(ctx context.Context, t target, p path, r Request) (Response, error) {
	addr := netip.AddrPortFrom(p.addrs[0], t.port)
	reply, err := c.askUDP(ctx, addr, actionAnnounce, func(b []byte, connID uint64, tid uint32) []byte {
		return appendAnnounce(b, connID, tid, r, t.url.RequestURI())
	})
	if err != nil {
		return Response{}, err
	}
	return parseAnnounceReply(reply, p.family)
}

// scrapeUDP asks for at most maxScrape torrents.
func (c *Client) scrapeUDP(ctx context.Context, t target, p path, hashes [][20]byte) ([]ScrapeResult, error) {
	addr := netip.AddrPortFrom(p.addrs[0], t.port)
	reply, err := c.askUDP(ctx, addr, actionScrape, func(b []byte, connID uint64, tid uint32) []byte {
		return appendScrape(b, connID, tid, hashes)
	})
	if err != nil {
		return nil, err
	}
	return parseScrapeReply(reply, len(hashes))
}

// errTimeout is one attempt that nobody answered.
var errTimeout = errors.New("no answer")

// askUDP sends what build makes and returns the reply of the wanted kind. It
// connects first where no fresh connection id is known, and repeats with a
// doubled wait until the attempts are used up.
func (c *Client) askUDP(ctx context.Context, addr netip.AddrPort, want action, build func(b []byte, connID uint64, tid uint32) []byte) ([]byte, error) {
	s, err := c.socket(ctx, familyOf(addr.Addr()))
	if err != nil {
		return nil, err
	}
	renewed := false
	for n := 0; n < c.cfg.UDPAttempts; {
		wait := c.cfg.UDPTimeout << n
		connID, cached := c.connectionID(addr)
		if !cached {
			reply, err := s.exchange(ctx, addr, actionConnect, wait, appendConnect)
			if errors.Is(err, errTimeout) {
				n++
				continue
			}
			if err != nil {
				return nil, err
			}
			connID = parseConnectReply(reply)
			c.remember(addr, connID)
		}
		reply, err := s.exchange(ctx, addr, want, wait, func(b []byte, tid uint32) []byte { return build(b, connID, tid) })
		var refused *FailureError
		switch {
		case err == nil:
			return reply, nil
		case errors.Is(err, errTimeout):
			c.forget(addr)
			n++
		case errors.As(err, &refused) && cached && !renewed:
			// A tracker that restarted refuses the ids of its former life.
			c.forget(addr)
			renewed = true
		default:
			return nil, err
		}
	}
	return nil, fmt.Errorf("no answer after %d attempts", c.cfg.UDPAttempts)
}

func (c *Client) connectionID(addr netip.AddrPort) (id uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.known[addr]
	return k.id, time.Now().Before(k.expires)
}

func (c *Client) remember(addr netip.AddrPort, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.known) >= maxConnections {
		for a, k := range c.known {
			if !now.Before(k.expires) {
				delete(c.known, a)
			}
		}
	}
	if len(c.known) < maxConnections {
		c.known[addr] = connection{id, now.Add(connectionLife)}
	}
}

func (c *Client) forget(addr netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, addr)
}

// socket returns the family's socket, which all torrents share. It opens one
// when there is none or when the last one broke.
func (c *Client) socket(ctx context.Context, family Family) (*udpSocket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sockets[family]; s != nil {
		select {
		case <-s.done:
			s.close()
		default:
			return s, nil
		}
	}
	network := "udp4"
	if family == IPv6 {
		network = "udp6"
	}
	var local *net.UDPAddr
	if c.cfg.LocalAddr.IsValid() {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.cfg.LocalAddr, 0))
	}
	var conn PacketConn
	var err error
	if c.cfg.Packets != nil {
		conn, err = c.cfg.Packets(ctx, network)
	} else {
		conn, err = net.ListenUDP(network, local)
	}
	if err != nil {
		return nil, fmt.Errorf("open UDP socket: %w", err)
	}
	s := &udpSocket{conn: conn, pending: make(map[uint32]*exchange), done: make(chan struct{})}
	go s.read()
	c.sockets[family] = s
	return s, nil
}

// udpSocket is a socket with the goroutine that reads it.
type udpSocket struct {
	conn PacketConn
	done chan struct{} // closed when read has ended
	err  error         // why; set before done is closed

	mu      sync.Mutex
	pending map[uint32]*exchange // by transaction id; guarded by mu
}

// exchange is one packet that waits for its answer.
type exchange struct {
	addr  netip.AddrPort
	reply chan []byte // one slot; only the first answer counts
}

// close closes the socket and waits for its reader.
func (s *udpSocket) close() {
	_ = s.conn.Close()
	<-s.done
}

// read hands packets to those who wait for them, until the socket closes.
// A packet that is short, unasked for, or from elsewhere is ignored: on a UDP
// port anybody may say anything.
func (s *udpSocket) read() {
	defer close(s.done)
	buf := make([]byte, maxUDPPacket+1)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			s.err = fmt.Errorf("read UDP socket: %w", err)
			return
		}
		_, tid, ok := parseUDPHeader(buf[:n])
		if !ok {
			continue
		}
		s.mu.Lock()
		x := s.pending[tid]
		s.mu.Unlock()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if x == nil || from.Addr().IsValid() && x.addr != from {
			continue
		}
		select {
		case x.reply <- bytes.Clone(buf[:n]):
		default: // answered already
		}
	}
}

// exchange sends one packet and waits for its answer: errTimeout after wait, a
// *FailureError when the tracker answers with an error packet.
func (s *udpSocket) exchange(ctx context.Context, addr netip.AddrPort, want action, wait time.Duration, build func(b []byte, tid uint32) []byte) ([]byte, error) {
	tid, x := s.register(addr)
	defer s.unregister(tid)
	if _, err := s.conn.WriteToUDPAddrPort(build(nil, tid), addr); err != nil {
		return nil, fmt.Errorf("send packet: %w", err)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case reply := <-x.reply:
		switch got, _, _ := parseUDPHeader(reply); got {
		case want:
			return reply, nil
		case actionError:
			return nil, parseErrorReply(reply)
		default:
			return nil, fmt.Errorf("decode reply: action %d instead of %d", got, want)
		}
	case <-timer.C:
		return nil, errTimeout
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.done:
		return nil, s.err
	}
}

// register picks an unused random transaction id.
func (s *udpSocket) register(addr netip.AddrPort) (tid uint32, x *exchange) {
	x = &exchange{addr: addr, reply: make(chan []byte, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var b [4]byte
		_, _ = rand.Read(b[:]) // never fails, see its documentation
		tid = binary.BigEndian.Uint32(b[:])
		if s.pending[tid] == nil {
			s.pending[tid] = x
			return tid, x
		}
	}
}

func (s *udpSocket) unregister(tid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, tid)
}
