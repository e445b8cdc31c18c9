package tracker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Family restricts a Client to one version of IP.
type Family string

// AnyFamily announces over IPv4 and IPv6 when the tracker's name has both.
const (
	AnyFamily Family = ""
	IPv4      Family = "ipv4"
	IPv6      Family = "ipv6"
)

// ClientConfig tunes a Client. The zero value is usable.
type ClientConfig struct {
	UserAgent     string        // of HTTP requests; default "lorrent"
	HTTPTimeout   time.Duration // for one HTTP exchange with its redirects; default 30 s
	UDPTimeout    time.Duration // before the first retransmission, doubled for each; default 15 s (BEP 15)
	UDPAttempts   int           // packets sent before giving up; default 2, which makes 45 s
	MaxReplyBytes int64         // of an HTTP body, unpacked; default 2 MiB
	LocalAddr     netip.Addr    // to send from; restricts the client to its family
	Family        Family        // default AnyFamily

	// How to connect, resolve names and open UDP sockets ("udp4", "udp6"); nil
	// is as the host does.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Packets func(ctx context.Context, network string) (PacketConn, error)
}

// PacketConn is what Client needs of a UDP socket. A sender that the socket
// cannot name, because a proxy resolved it, is the zero AddrPort.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Client talks to trackers. Its methods may be called concurrently.
type Client struct {
	// immutable after NewClient
	cfg    ClientConfig
	http   *http.Client
	grace  time.Duration // what a slower address family gets once the other has answered
	ctx    context.Context
	cancel context.CancelFunc
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)

	mu      sync.Mutex
	running sync.WaitGroup        // exchanges under way; Add under mu
	sockets map[Family]*udpSocket // guarded by mu
	known   map[netip.AddrPort]connection
}

// NewClient returns a client. Its UDP sockets are opened when first needed.
func NewClient(cfg ClientConfig) *Client {
	if cfg.UserAgent == "" {
		cfg.UserAgent = "lorrent"
	}
	if cfg.HTTPTimeout <= 0 {
		cfg.HTTPTimeout = 30 * time.Second
	}
	if cfg.UDPTimeout <= 0 {
		cfg.UDPTimeout = 15 * time.Second
	}
	if cfg.UDPAttempts <= 0 {
		cfg.UDPAttempts = 2
	}
	if cfg.MaxReplyBytes <= 0 {
		cfg.MaxReplyBytes = 2 << 20
	}
	cfg.LocalAddr = cfg.LocalAddr.Unmap()
	c := &Client{
		cfg:     cfg,
		grace:   2 * time.Second,
		lookup:  net.DefaultResolver.LookupNetIP,
		sockets: make(map[Family]*udpSocket),
		known:   make(map[netip.AddrPort]connection),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.dial = c.dialTCP
	if cfg.Lookup != nil {
		c.lookup = cfg.Lookup
	}
	c.http = newHTTPClient(c)
	return c
}

// Close ends every exchange under way with ErrClosed, closes the sockets and
// waits until nothing of the client runs.
func (c *Client) Close() error {
	c.mu.Lock()
	c.cancel() // under mu: begin adds to running or sees this
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for family, s := range c.sockets {
		s.close()
		delete(c.sockets, family)
	}
	return nil
}

// begin registers an exchange with Close. The context it returns also ends
// with the client; end must be called.
func (c *Client) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, nil, ErrClosed
	}
	c.running.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		c.running.Done()
	}, nil
}

// Announce tells the tracker at rawURL about us and returns its answer. When
// the tracker's name has IPv4 and IPv6 addresses, it announces over both at
// once (BEP 7) and merges the answers; one success is enough. A tracker that
// refuses gives a *FailureError, a URL nobody can announce to ErrUnsupported.
func (c *Client) Announce(ctx context.Context, rawURL string, r Request) (Response, error) {
	t, err := parseTarget(rawURL)
	if err != nil {
		return Response{}, err
	}
	if r.Port < 0 || r.Port > 65535 {
		return Response{}, fmt.Errorf("announce: port %d is out of range", r.Port)
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Response{}, err
	}
	defer end()
	paths, err := c.resolve(ctx, t)
	if err != nil {
		return Response{}, fmt.Errorf("announce to %s: %w", t, err)
	}
	var resp Response
	if r.OneFamily {
		resp, err = firstOf(paths, func(p path) (Response, error) { return c.announceOver(ctx, t, p, r) })
	} else {
		resp, err = c.announceBoth(ctx, t, paths, r)
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), ErrClosed) {
			err = ErrClosed
		}
		return Response{}, fmt.Errorf("announce to %s: %w", t, err)
	}
	return resp, nil
}

// Scrape asks for the counts of torrents without announcing (BEP 48). The
// results are in the order of hashes. HTTP trackers whose URL does not follow
// the convention of BEP 48 give ErrUnsupported.
func (c *Client) Scrape(ctx context.Context, rawURL string, hashes ...[20]byte) ([]ScrapeResult, error) {
	t, err := parseTarget(rawURL)
	if err != nil {
		return nil, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	paths, err := c.resolve(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", t, err)
	}
	var all []ScrapeResult
	for len(hashes) > 0 {
		n := min(len(hashes), maxScrape)
		part, err := firstOf(paths, func(p path) ([]ScrapeResult, error) {
			if t.udp() {
				return c.scrapeUDP(ctx, t, p, hashes[:n])
			}
			return c.scrapeHTTP(ctx, t, p, hashes[:n])
		})
		if err != nil {
			return nil, fmt.Errorf("scrape %s: %w", t, err)
		}
		all = append(all, part...)
		hashes = hashes[n:]
	}
	return all, nil
}

// maxScrape is how many torrents one scrape asks for: the most that fit BEP
// 15's packet, and a URL that HTTP servers still take.
const maxScrape = 64

// announceOver announces over one address family.
func (c *Client) announceOver(ctx context.Context, t target, p path, r Request) (Response, error) {
	if t.udp() {
		return c.announceUDP(ctx, t, p, r)
	}
	return c.announceHTTP(ctx, t, p, r)
}

// announceBoth announces over every path at once. After the first answer the
// others get a moment: a black-holed family must not hold up the torrent.
func (c *Client) announceBoth(ctx context.Context, t target, paths []path, r Request) (Response, error) {
	type result struct {
		path path
		resp Response
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(paths))
	for _, p := range paths {
		go func() {
			resp, err := c.announceOver(ctx, t, p, r)
			results <- result{p, resp, err}
		}()
	}
	var merged *Response
	var errs pathErrors
	var graceOver <-chan time.Time
	for left := len(paths); left > 0; {
		select {
		case res := <-results:
			left--
			if res.err != nil {
				errs = append(errs, pathError{res.path.family, res.err})
				continue
			}
			merged = mergeResponses(merged, res.resp)
			if graceOver == nil {
				timer := time.NewTimer(c.grace)
				defer timer.Stop()
				graceOver = timer.C
			}
		case <-graceOver:
			cancel() // the rest report at once
		}
	}
	if merged == nil {
		return Response{}, errs
	}
	return *merged, nil
}

// mergeResponses joins the answers of two families. One tracker may count its
// families apart, so the larger count is the safer one.
func mergeResponses(a *Response, b Response) *Response {
	if a == nil {
		return &b
	}
	m := *a
	m.Interval = max(a.Interval, b.Interval)
	m.MinInterval = max(a.MinInterval, b.MinInterval)
	m.Seeders = max(a.Seeders, b.Seeders)
	m.Leechers = max(a.Leechers, b.Leechers)
	m.Downloaded = max(a.Downloaded, b.Downloaded)
	if m.Warning == "" {
		m.Warning = b.Warning
	}
	if m.TrackerID == "" {
		m.TrackerID = b.TrackerID
	}
	if !m.ExternalIP.IsValid() {
		m.ExternalIP = b.ExternalIP
	}
	var peers peerSet
	for _, list := range [][]Peer{a.Peers, b.Peers} {
		for _, p := range list {
			peers.add(p)
		}
	}
	m.Peers = peers.peers
	return &m
}

// firstOf tries the paths in turn until one works or the tracker refuses.
func firstOf[T any](paths []path, try func(path) (T, error)) (T, error) {
	var errs pathErrors
	for _, p := range paths {
		v, err := try(p)
		if err == nil {
			return v, nil
		}
		errs = append(errs, pathError{p.family, err})
		var refused *FailureError
		if errors.As(err, &refused) {
			break
		}
	}
	var none T
	return none, errs
}

// path is one address family of a tracker.
type path struct {
	family Family
	addrs  []netip.Addr // of that family, at least one
}

// pathErrors is why every path failed; it names the family only where it
// tells something.
type pathErrors []pathError

type pathError struct {
	family Family
	err    error
}

func (e pathErrors) Error() string {
	if len(e) == 1 {
		return e[0].err.Error()
	}
	var b strings.Builder
	for i, p := range e {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %v", p.family, p.err)
	}
	return b.String()
}

func (e pathErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i].err
	}
	return errs
}
