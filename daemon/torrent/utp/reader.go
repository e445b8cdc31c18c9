package utp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// maxReadErrors in a row mean that the UDP socket is broken. A few are not:
// some systems report a peer's unreachable port here.
const maxReadErrors = 64

// reader gives packets to their connections.
type reader struct {
	*Socket
	time    time.Duration // of the batch
	current *conn         // locked; nil when none is
	touched []*conn       // got something in this batch
	resets  float64       // that may be sent now
	earned  time.Duration // up to when
}

func (s *Socket) readLoop(ctx context.Context) error {
	r := &reader{Socket: s, resets: resetsPerSecond}
	for failures := 0; ; {
		err := s.link.read(func(b []byte, from netip.AddrPort) {
			if r.time == 0 {
				r.time = s.now()
			}
			r.packet(b, from)
		})
		r.endBatch()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			failures = 0
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			if failures++; failures == maxReadErrors {
				return err
			}
		}
	}
}

// endBatch tells the writer about everyone who got a packet.
func (r *reader) endBatch() {
	r.release()
	for _, c := range r.touched {
		r.wake(c)
	}
	clear(r.touched)
	r.touched, r.time = r.touched[:0], 0
}

// take locks a connection, which stays locked while packets are for it.
func (r *reader) take(c *conn) {
	if r.current == c {
		return
	}
	r.release()
	c.mu.Lock()
	r.current = c
	r.touched = append(r.touched, c)
}

func (r *reader) release() {
	c := r.current
	if c == nil {
		return
	}
	r.current = nil
	established := c.notify() && c.stream.established()
	if established && c.incoming {
		c.stream.mtu = newPathMTU(c.key.addr.Addr(), routeMTU(c.key.addr))
	}
	c.mu.Unlock()
	if established && c.incoming {
		r.accepted(c)
	}
}

// accepted hands a connection to Accept.
func (r *reader) accepted(c *conn) {
	r.table.Lock()
	delete(r.table.halfOpen, c)
	r.table.Unlock()
	select {
	case r.backlog <- c:
	default:
		c.mu.Lock()
		c.stream.fail(net.ErrClosed, true)
		c.mu.Unlock()
	}
}

func (r *reader) packet(b []byte, from netip.AddrPort) {
	p, err := parsePacket(b)
	if errors.Is(err, errNotUTP) {
		if r.cfg.Other != nil {
			r.cfg.Other(b, from)
		}
		return
	}
	r.packetsIn.Add(1)
	if err != nil {
		r.invalid.Add(1)
		return
	}
	id := p.id
	if p.kind == kindSyn {
		id++ // where the peer's further packets go
	}
	c := r.current
	if key := (connKey{from, id}); c == nil || c.key != key {
		c = r.find(key, &p)
	}
	if c == nil {
		r.stranger(&p, from)
		return
	}
	r.take(c)
	c.stream.receive(r.time, &p)
}

// find looks a connection up. Peers that have forgotten a connection send
// resets with the id of the packet they do not understand, which is their own.
func (r *reader) find(key connKey, p *packet) *conn {
	r.table.Lock()
	defer r.table.Unlock()
	c := r.table.conns[key]
	if c == nil && p.kind == kindReset {
		for _, id := range []uint16{p.id - 1, p.id + 1} {
			other := r.table.conns[connKey{key.addr, id}]
			if other != nil && other.stream.sendID == p.id {
				return other
			}
		}
	}
	return c
}

// stranger takes a packet of no connection.
func (r *reader) stranger(p *packet, from netip.AddrPort) {
	switch {
	case p.kind == kindSyn:
		r.addIncoming(p, from)
		return
	case p.kind == kindReset:
		// Answering would go on forever.
	default:
		r.resets = min(r.resets+(r.time-r.earned).Seconds()*resetsPerSecond, resetsPerSecond)
		r.earned = r.time
		if r.resets >= 1 {
			r.resets--
			r.todo.Lock()
			r.todo.resets = append(r.todo.resets, stray{from, p.id, p.seq})
			r.todo.Unlock()
			signal(r.wakeup)
		}
	}
	r.invalid.Add(1)
}

// addIncoming answers a SYN. When too many strangers are half-way in, one of
// them has to go: a flood pushes itself out.
func (r *reader) addIncoming(p *packet, from netip.AddrPort) {
	if r.cfg.Deny != nil && r.cfg.Deny(from) || !from.IsValid() || from.Port() == 0 {
		r.invalid.Add(1)
		return
	}
	r.release()
	key := connKey{from, p.id + 1}
	c := r.newConn(key, true)
	cfg := r.streamConfig(c, p.id, newPathMTU(from.Addr(), maxPath))
	cfg.now = r.time
	c.stream = acceptStream(cfg, p)

	r.table.Lock()
	var evicted *conn
	if len(r.table.halfOpen) >= maxHalfOpen {
		skip := rand.IntN(len(r.table.halfOpen))
		for evicted = range r.table.halfOpen {
			if skip--; skip < 0 {
				break
			}
		}
		delete(r.table.halfOpen, evicted)
		delete(r.table.conns, evicted.key)
	}
	full := len(r.table.conns) >= r.cfg.MaxConns
	if !full {
		r.table.conns[key] = c
		r.table.halfOpen[c] = struct{}{}
	}
	r.table.Unlock()
	if evicted != nil {
		evicted.mu.Lock()
		evicted.stream.fail(errSilent, false)
		evicted.mu.Unlock()
		r.wake(evicted)
	}
	if full {
		r.invalid.Add(1)
		return
	}
	r.take(c)
}
