package dht

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// ErrNoNodes says that no other node is known, so nobody can be asked.
var ErrNoNodes = errors.New("no node of the DHT is known")

const defaultQueryTimeout = 2 * time.Second

// Config is what a Node needs. The connections carry whatever begins with "d"
// and comes from their family; either may be nil. Run closes them.
type Config struct {
	IPv4, IPv6 net.PacketConn
	Bootstrap  []string // HOST:PORT of nodes to begin with, besides those in Saved
	ReadOnly   bool     // ask, and answer nobody (BEP 43)
	Saved      []byte   // of the Node before, if there was one
	Log        zerolog.Logger

	// Lookup resolves names, network being "ip4" or "ip6"; nil is as the host does.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	queryTimeout time.Duration // shorter in tests
}

// Node is our part of the DHT. Its methods are safe for concurrent use.
type Node struct {
	cfg    Config
	halves []*half

	mu      sync.Mutex
	ended   bool
	helpers sync.WaitGroup
}

// New prepares a Node; Run brings it to life.
func New(cfg Config) (*Node, error) {
	if cfg.IPv4 == nil && cfg.IPv6 == nil {
		return nil, errors.New("make a DHT node: no connection")
	}
	if cfg.queryTimeout <= 0 {
		cfg.queryTimeout = defaultQueryTimeout
	}
	n := &Node{cfg: cfg}
	v4, v6 := restore(cfg.Saved)
	if cfg.IPv4 != nil {
		n.halves = append(n.halves, newHalf(n, cfg.IPv4, false, v4))
	}
	if cfg.IPv6 != nil {
		n.halves = append(n.halves, newHalf(n, cfg.IPv6, true, v6))
	}
	if len(n.halves) == 2 {
		n.halves[0].other, n.halves[1].other = n.halves[1], n.halves[0]
	}
	return n, nil
}

// Run lives until ctx ends, which is no error, or a connection fails.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(n.halves))
	for _, h := range n.halves {
		go func() {
			errs <- h.run(ctx)
			cancel() // one half is no DHT
		}()
	}
	var err error
	for range n.halves {
		err = errors.Join(err, <-errs)
	}
	n.mu.Lock()
	n.ended = true
	n.mu.Unlock()
	n.helpers.Wait()
	return err
}

// spawn starts a helper that Run waits for.
func (n *Node) spawn(work func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ended {
		n.helpers.Go(work)
	}
}

// Add names somebody who may be a node, such as a peer that has told its DHT
// port (BEP 5). It does not wait.
func (n *Node) Add(a netip.AddrPort) {
	a = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	if !a.IsValid() || a.Port() == 0 {
		return
	}
	for _, h := range n.halves {
		if h.v6 == a.Addr().Is6() {
			h.hear(a)
		}
	}
}

// Nodes is how many nodes are known to be there.
func (n *Node) Nodes() (good int) {
	for _, h := range n.halves {
		good += h.good()
	}
	return good
}

// Lookup is one search for the peers of a torrent.
type Lookup struct {
	InfoHash    [20]byte
	Port        int  // that we are announced at; 0 only asks
	ImpliedPort bool // tell them to take the UDP port they see instead
	Seed        bool // whether we have everything (BEP 33)

	// Found is called with some of the peers at a time, from several
	// goroutines.
	Found func([]netip.AddrPort)
}

// Lookup searches in both families, which takes seconds, and reports how many
// nodes were asked. The error is ErrNoNodes when there was none in either.
func (n *Node) Lookup(ctx context.Context, l Lookup) (asked int, err error) {
	type result struct {
		asked int
		err   error
	}
	results := make(chan result, len(n.halves))
	for _, h := range n.halves {
		go func() {
			asked, err := h.lookup(ctx, l)
			results <- result{asked, err}
		}()
	}
	var errs []error
	for range n.halves {
		r := <-results
		asked += r.asked
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	if len(errs) == len(n.halves) {
		return asked, errors.Join(errs...)
	}
	return asked, nil
}
