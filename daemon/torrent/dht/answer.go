package dht

import (
	"net/netip"
	"slices"
	"time"
)

// Errors of BEP 5 that we send.
const (
	codeProtocol = 203
	codeUnknown  = 204
)

// asked handles a query of somebody's, and answers it unless we are read-only.
func (h *half) asked(p *packet, from netip.AddrPort) {
	now := time.Now()
	if p.ReadOnly == 0 {
		h.mu.Lock()
		isNew := h.table.hear(contact{idOf(p.Arguments.ID), from}, false, true, now)
		h.mu.Unlock()
		if isNew {
			h.hear(from) // whether it answers, too
		}
	}
	if h.node.cfg.ReadOnly || !h.answers.AllowN(now, 1) {
		return
	}
	out := &packet{Kind: response, Transaction: p.Transaction, IP: compact(from)}
	foreign := h.foreign(p, now)
	h.mu.Lock()
	own := h.table.own
	out.Return = &returned{ID: string(own[:])}
	switch a := p.Arguments; p.Query {
	case ping:
	case findNode:
		h.tellNodes(out.Return, a, idOf(a.Target), foreign, now)
	case getPeers:
		h.tellNodes(out.Return, a, idOf(a.InfoHash), foreign, now)
		h.tellPeers(out.Return, a, from.Addr(), now)
	case announcePeer:
		if !h.tokens.valid(a.Token, from.Addr(), now) {
			out = refusal(p, codeProtocol, "bad token")
			break
		}
		port := uint16(a.Port)
		if a.ImpliedPort == 1 {
			port = from.Port()
		}
		h.store.add(idOf(a.InfoHash), netip.AddrPortFrom(from.Addr(), port), a.Seed == 1, now)
	default:
		out = refusal(p, codeUnknown, "method unknown")
	}
	h.mu.Unlock()
	if err := h.send(out, from); err != nil {
		h.node.cfg.Log.Trace().Err(err).Stringer("to", from).Msg("answer not sent")
	}
}

func refusal(p *packet, code int64, text string) *packet {
	return &packet{Kind: failure, Transaction: p.Transaction, Error: []any{code, text}}
}

// tellNodes puts our nodes nearest to a target into an answer: those of the
// families that are wanted, or of ours (BEP 32).
func (h *half) tellNodes(r *returned, a *arguments, target nodeID, foreign []contact, now time.Time) {
	own, other := &r.Nodes, &r.Nodes6
	if h.v6 {
		own, other = other, own
	}
	if len(a.Want) == 0 || slices.Contains(a.Want, h.want()) {
		*own = compactNodes(h.table.closest(target, bucketSize, true, now))
	}
	*other = compactNodes(foreign)
}

// want is what a query for nodes of our family says.
func (h *half) want() string {
	if h.v6 {
		return "n6"
	}
	return "n4"
}

// foreign are the nodes of the other family that a query wants.
func (h *half) foreign(p *packet, now time.Time) []contact {
	if h.other == nil || !slices.Contains(p.Arguments.Want, h.other.want()) {
		return nil
	}
	target := p.Arguments.Target
	if p.Query == getPeers {
		target = p.Arguments.InfoHash
	}
	h.other.mu.Lock()
	defer h.other.mu.Unlock()
	return h.other.table.closest(idOf(target), bucketSize, true, now)
}

// tellPeers puts a torrent's peers, or how many there are, into an answer, and
// a token to announce with.
func (h *half) tellPeers(r *returned, a *arguments, to netip.Addr, now time.Time) {
	infoHash := idOf(a.InfoHash)
	r.Token = h.tokens.issue(to, now)
	for _, peer := range h.store.some(infoHash, a.NoSeed == 1, now) {
		r.Values = append(r.Values, compact(peer))
	}
	if a.Scrape == 1 {
		if seeds, others, ok := h.store.scrape(infoHash, now); ok {
			r.Seeds, r.Peers = string(seeds[:]), string(others[:])
		}
	}
}
