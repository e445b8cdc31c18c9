package dht

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"time"
)

const maxPending = 1000 // queries of ours without an answer

var (
	errTimeout = errors.New("no answer")
	errRefused = errors.New("the node answered with an error")
	errBusy    = errors.New("too many queries wait for answers")
)

// bothFamilies asks for nodes of IPv4 and IPv6 (BEP 32).
var bothFamilies = []string{"n4", "n6"}

// question names a query of ours: whom it went to, and what it is called.
type question struct {
	to          netip.AddrPort
	transaction string
}

// read takes packets until the connection fails or is closed.
func (h *half) read() error {
	var b [maxPacket + 1]byte
	for {
		n, from, err := h.conn.ReadFrom(b[:])
		if err != nil {
			return err
		}
		if a, ok := from.(*net.UDPAddr); ok {
			ap := a.AddrPort()
			h.receive(b[:n], netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()))
		}
	}
}

// receive handles one packet. It keeps no part of b.
func (h *half) receive(b []byte, from netip.AddrPort) {
	if from.Addr().Is6() != h.v6 || from.Port() == 0 || len(b) == 0 || b[0] != 'd' {
		return
	}
	p, err := parse(b, from.Addr())
	if err != nil {
		h.node.cfg.Log.Trace().Err(err).Stringer("from", from).Msg("packet dropped")
		return
	}
	if p.Kind == query {
		if h.quota.take(from.Addr(), time.Now()) {
			h.asked(p, from)
		}
		return
	}
	h.mu.Lock()
	q := question{from, p.Transaction}
	waiting := h.pending[q]
	delete(h.pending, q)
	if waiting != nil && p.Kind == response {
		h.table.hear(contact{idOf(p.Return.ID), from}, p.ReadOnly == 0, false, time.Now())
	}
	h.mu.Unlock()
	if waiting == nil {
		return
	}
	if p.Kind == response {
		h.learn(p, from)
	}
	waiting <- p // has room for one
}

// learn takes from an answer what it says about us, and whom it knows of the
// other family.
func (h *half) learn(p *packet, from netip.AddrPort) {
	if h.other != nil && h.other.good() < fewNodes {
		for _, c := range h.other.nodesOf(p.Return) {
			h.other.hear(c.addr)
		}
	}
	a, ok := address(p.IP)
	if !ok || a.Addr().Is6() != h.v6 || !a.Addr().IsGlobalUnicast() || isLocal(a.Addr()) {
		return
	}
	h.ballot.vote(from.Addr(), a.Addr())
	if ours, sure := h.ballot.winner(); sure {
		h.seenAt(ours)
	}
}

// nodesOf are the nodes of our family in an answer.
func (h *half) nodesOf(r *returned) []contact {
	if h.v6 {
		return readNodes(r.Nodes6, compact6)
	}
	return readNodes(r.Nodes, compact4)
}

// ask sends a query and waits for the answer.
func (h *half) ask(ctx context.Context, to netip.AddrPort, p *packet) (*packet, error) {
	if err := h.queries.Wait(ctx); err != nil {
		return nil, err
	}
	own := h.id()
	p.Kind, p.Arguments.ID = query, string(own[:])
	if h.node.cfg.ReadOnly {
		p.ReadOnly = 1
	}
	var name [4]byte
	rand.Read(name[:]) // never fails; hard to guess for those who did not get it
	p.Transaction = string(name[:])
	q := question{to, p.Transaction}
	answer := make(chan *packet, 1)
	h.mu.Lock()
	full := len(h.pending) >= maxPending
	if !full {
		h.pending[q] = answer
	}
	h.mu.Unlock()
	if full {
		return nil, errBusy
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.pending, q)
	}()
	if err := h.send(p, to); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(h.node.cfg.queryTimeout)
	defer timeout.Stop()
	select {
	case r := <-answer:
		if r.Kind != response {
			return nil, errRefused
		}
		return r, nil
	case <-timeout.C:
		h.mu.Lock()
		h.table.fail(to)
		h.mu.Unlock()
		return nil, errTimeout
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-h.over:
		return nil, net.ErrClosed
	}
}

func (h *half) send(p *packet, to netip.AddrPort) error {
	b, err := p.encode()
	if err != nil {
		return err
	}
	_, err = h.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}
