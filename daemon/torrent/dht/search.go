package dht

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	parallel     = 4   // queries of one search at a time
	maxAsked     = 300 // nodes of one search
	maxShortlist = 100
	startingFrom = 16 // nodes of our own table
)

// candidate is a node that a search may ask.
type candidate struct {
	contact
	state candidateState
	token string
}

type candidateState int

const (
	fresh candidateState = iota
	waiting
	answered
	silent
)

// shortlist is what a search knows, nearest to its target first.
type shortlist struct {
	target nodeID
	list   []*candidate
	seen   map[netip.AddrPort]bool
	hosts  map[netip.Addr]bool
}

func newShortlist(target nodeID) *shortlist {
	return &shortlist{target: target, seen: make(map[netip.AddrPort]bool), hosts: make(map[netip.Addr]bool)}
}

// add takes a node, unless it was there or another one of its address: nobody
// shall surround a target alone.
func (l *shortlist) add(c contact) {
	host := c.addr.Addr()
	if l.seen[c.addr] || l.hosts[host] && !isLocal(host) {
		return
	}
	l.seen[c.addr], l.hosts[host] = true, true
	i, _ := slices.BinarySearchFunc(l.list, c, func(o *candidate, c contact) int { return l.target.closer(o.id, c.id) })
	if i >= maxShortlist {
		return
	}
	l.list = slices.Insert(l.list, i, &candidate{contact: c})
	if len(l.list) > maxShortlist {
		l.list = l.list[:maxShortlist]
	}
}

// next is the nearest node that was not asked, unless as many as matter have
// answered that are nearer.
func (l *shortlist) next() *candidate {
	heard := 0
	for _, c := range l.list {
		switch c.state {
		case fresh:
			return c
		case answered:
			if heard++; heard == bucketSize {
				return nil
			}
		}
	}
	return nil
}

// nearest are the nodes that answered, up to as many as matter.
func (l *shortlist) nearest() (list []*candidate) {
	for _, c := range l.list {
		if c.state == answered && len(list) < bucketSize {
			list = append(list, c)
		}
	}
	return list
}

// search asks ever nearer nodes about a target. found gets what each answers;
// it is called by the caller's goroutine.
func (h *half) search(ctx context.Context, target nodeID, method string, found func(*returned)) (nearest []*candidate, asked int) {
	l := newShortlist(target)
	h.mu.Lock()
	for _, c := range h.table.closest(target, startingFrom, false, time.Now()) {
		l.add(c)
	}
	h.mu.Unlock()
	type result struct {
		c   *candidate
		r   *packet
		err error
	}
	results := make(chan result, parallel)
	flying := 0
	for {
		for flying < parallel && asked < maxAsked && ctx.Err() == nil {
			c := l.next()
			if c == nil {
				break
			}
			c.state = waiting
			flying++
			asked++
			go func() {
				r, err := h.ask(ctx, c.addr, inquiry(method, target))
				results <- result{c, r, err}
			}()
		}
		if flying == 0 {
			return l.nearest(), asked
		}
		got := <-results
		flying--
		if got.err != nil {
			got.c.state = silent
			continue
		}
		got.c.state, got.c.token = answered, got.r.Return.Token
		for _, c := range h.nodesOf(got.r.Return) {
			if c.id != h.id() {
				l.add(c)
			}
		}
		if found != nil {
			found(got.r.Return)
		}
	}
}

func inquiry(method string, target nodeID) *packet {
	p := &packet{Query: method, Arguments: &arguments{Want: bothFamilies}}
	if method == findNode {
		p.Arguments.Target = string(target[:])
	} else {
		p.Arguments.InfoHash = string(target[:])
	}
	return p
}

// lookup searches for a torrent's peers and announces us to the nodes that are
// nearest to it.
func (h *half) lookup(ctx context.Context, l Lookup) (asked int, err error) {
	h.mu.Lock()
	known := h.store.some(l.InfoHash, false, time.Now()) // where few are, we may be the nearest node ourselves
	h.mu.Unlock()
	if len(known) > 0 {
		l.Found(known)
	}
	nearest, asked := h.search(ctx, l.InfoHash, getPeers, func(r *returned) {
		var list []netip.AddrPort
		for _, v := range r.Values {
			if a, ok := address(v); ok && a.Addr().Is6() == h.v6 {
				list = append(list, a)
			}
		}
		if len(list) > 0 {
			l.Found(list)
		}
	})
	switch {
	case ctx.Err() != nil:
		return asked, ctx.Err()
	case len(nearest) == 0:
		return asked, ErrNoNodes
	case l.Port == 0:
		return asked, nil
	}
	var wg sync.WaitGroup
	for _, c := range nearest {
		if c.token == "" {
			continue
		}
		wg.Go(func() {
			a := &arguments{InfoHash: string(l.InfoHash[:]), Port: l.Port, Token: c.token}
			if l.ImpliedPort {
				a.ImpliedPort = 1
			}
			if l.Seed {
				a.Seed = 1
			}
			if _, err := h.ask(ctx, c.addr, &packet{Query: announcePeer, Arguments: a}); err != nil {
				h.node.cfg.Log.Trace().Err(err).Stringer("node", c.addr).Msg("announce not taken")
			}
		})
	}
	wg.Wait()
	return asked, ctx.Err()
}
