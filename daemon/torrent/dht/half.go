package dht

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	upkeepInterval  = time.Minute
	upkeepFirst     = time.Second // and twice that each time while there are few nodes
	upkeepIfFew     = 10 * time.Second
	fewNodes        = 8 // good ones, below which those we were told of are asked again
	pingsPerUpkeep  = 16
	refreshInterval = 15 * time.Minute // of the whole table
	maxKnown        = 300
	maxHeard        = 64 // addresses that wait to be tried
	bootstrapEvery  = 5 * time.Minute
	resolveLimit    = 30 * time.Second

	packetsPerSecond = 100 // of queries that we send
	packetBurst      = 50
	answersPerSecond = 300
)

// half is our node of one family.
type half struct {
	// immutable
	node    *Node
	v6      bool
	conn    net.PacketConn
	queries *rate.Limiter
	answers *rate.Limiter
	heard   chan netip.AddrPort // to be tried
	over    chan struct{}       // closed when run ends
	other   *half               // nil when there is only one family

	// owned by read
	quota  *quota
	ballot *ballot

	mu       sync.Mutex
	table    *table
	store    *store
	tokens   tokens
	pending  map[question]chan<- *packet
	external netip.Addr // as others see us, when they agree
}

func newHalf(n *Node, conn net.PacketConn, v6 bool, saved family) *half {
	h := &half{
		node: n, v6: v6, conn: conn,
		queries: rate.NewLimiter(packetsPerSecond, packetBurst),
		answers: rate.NewLimiter(answersPerSecond, answersPerSecond),
		heard:   make(chan netip.AddrPort, maxHeard),
		over:    make(chan struct{}),
		quota:   newQuota(),
		ballot:  newBallot(),
		store:   newStore(),
		pending: make(map[question]chan<- *packet),
	}
	if saved.id == (nodeID{}) {
		saved.id = randomID()
	}
	h.table = newTable(saved.id)
	for _, c := range saved.nodes {
		h.table.hear(c, false, false, time.Time{})
	}
	return h
}

// run lives until ctx ends or the connection fails.
func (h *half) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- h.read() }()
	err := h.keep(ctx, failed)
	close(h.over)
	h.conn.Close()
	if err == nil {
		<-failed
	}
	return err
}

// keep sees to it that the table is good.
func (h *half) keep(ctx context.Context, failed <-chan error) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	var begun, refreshed time.Time
	pause := upkeepFirst / 2
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case a := <-h.heard:
			h.node.spawn(func() { h.try(ctx, a) })
		case <-tick.C:
			good := h.good()
			if now := time.Now(); good < fewNodes && now.Sub(begun) >= bootstrapAfter(good) {
				begun = now
				h.bootstrap(ctx)
			}
			h.pingDoubtful(ctx)
			if now := time.Now(); good < fewNodes || now.Sub(refreshed) >= refreshInterval {
				refreshed = now
				h.node.spawn(func() { h.search(ctx, h.id(), findNode, nil) })
			} else {
				h.refresh(ctx)
			}
			if pause = min(2*pause, upkeepIfFew); good >= fewNodes {
				tick.Reset(upkeepInterval)
			} else {
				tick.Reset(pause)
			}
		}
	}
}

// bootstrapAfter is how long those we were configured with are left alone.
func bootstrapAfter(good int) time.Duration {
	if good == 0 {
		return upkeepIfFew
	}
	return bootstrapEvery
}

func (h *half) pingDoubtful(ctx context.Context) {
	h.mu.Lock()
	list := h.table.doubtful(pingsPerUpkeep, time.Now())
	h.mu.Unlock()
	for _, c := range list {
		h.node.spawn(func() { h.try(ctx, c.addr) })
	}
}

// refresh looks for nodes where the table is thin.
func (h *half) refresh(ctx context.Context) {
	h.mu.Lock()
	i := h.table.thin()
	own := h.table.own
	h.mu.Unlock()
	if i >= 0 && i < 8*idLen {
		h.node.spawn(func() { h.search(ctx, own.within(i), findNode, nil) })
	}
}

// try asks somebody who may be a node, and for others while we know few.
func (h *half) try(ctx context.Context, a netip.AddrPort) {
	p := &packet{Query: ping, Arguments: &arguments{}}
	if h.good() < fewNodes {
		own := h.id()
		p.Query, p.Arguments.Target, p.Arguments.Want = findNode, string(own[:]), bothFamilies
	}
	r, err := h.ask(ctx, a, p)
	if err != nil || p.Query == ping {
		return
	}
	for _, c := range h.nodesOf(r.Return) {
		if h.good() < fewNodes && !h.knows(c.addr) {
			h.hear(c.addr)
		}
	}
}

func (h *half) knows(a netip.AddrPort) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.table.byAddr[a] != nil
}

// bootstrap asks those we were configured with.
func (h *half) bootstrap(ctx context.Context) {
	for _, name := range h.node.cfg.Bootstrap {
		h.node.spawn(func() {
			for _, a := range h.resolve(ctx, name) {
				h.try(ctx, a)
			}
		})
	}
}

// resolve finds the addresses of a HOST:PORT that are of a family.
func (h *half) resolve(ctx context.Context, name string) (list []netip.AddrPort) {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil
	}
	network := "ip4"
	if h.v6 {
		network = "ip6"
	}
	lookup := h.node.cfg.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	ips, err := lookup(ctx, network, host)
	if err != nil {
		return nil
	}
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(number)))
	}
	return list
}

// hear takes an address that may be a node's.
func (h *half) hear(a netip.AddrPort) {
	select {
	case h.heard <- a:
	default: // there are enough
	}
}

func (h *half) id() nodeID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.table.own
}

func (h *half) good() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.table.good(time.Now())
}

// seenAt takes our address as others see it. The id has to fit it (BEP 42):
// the nodes are sorted anew around another one.
func (h *half) seenAt(ours netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.external == ours {
		return
	}
	h.external = ours
	if h.table.own.fits(ours) {
		return
	}
	old := h.table
	h.table = newTable(randomID().fit(ours))
	for _, e := range old.byAddr {
		if fresh := h.table.insert(e.contact, true, time.Now()); fresh != nil {
			*fresh = *e
		}
	}
}
