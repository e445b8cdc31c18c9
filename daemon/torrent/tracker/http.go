package tracker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"lorrent/daemon/torrent/scope"
)

const (
	maxRedirects   = 5
	maxHeaderBytes = 64 << 10
	maxDials       = 3 // addresses of one family tried for one request
)

// announceHTTP announces over one address family.
func (c *Client) announceHTTP(ctx context.Context, t target, p path, r Request) (Response, error) {
	body, err := c.get(ctx, announceURL(t.url, r), p)
	if err != nil {
		return Response{}, err
	}
	resp, err := decodeAnnounce(body)
	return resp, explainGarbage(err, body)
}

// scrapeHTTP asks for at most maxScrape torrents.
func (c *Client) scrapeHTTP(ctx context.Context, t target, p path, hashes [][20]byte) ([]ScrapeResult, error) {
	u, err := scrapeURL(t.url, hashes)
	if err != nil {
		return nil, err
	}
	body, err := c.get(ctx, u, p)
	if err != nil {
		return nil, err
	}
	results, err := decodeScrape(body, hashes)
	return results, explainGarbage(err, body)
}

// announceURL adds the announce parameters to the tracker's URL. The URL's own
// query, often a passkey, is kept as it is written.
func announceURL(u *url.URL, r Request) *url.URL {
	var q strings.Builder
	q.WriteString("info_hash=" + escapeBytes(r.InfoHash[:]))
	q.WriteString("&peer_id=" + escapeBytes(r.PeerID[:]))
	fmt.Fprintf(&q, "&port=%d&uploaded=%d&downloaded=%d&left=%d&compact=1",
		r.Port, max(r.Uploaded, 0), max(r.Downloaded, 0), wireLeft(r.Left))
	if n := wireNumWant(r); n >= 0 {
		q.WriteString("&numwant=" + strconv.Itoa(n))
	}
	fmt.Fprintf(&q, "&key=%08X", r.Key)
	if r.Event != Regular {
		q.WriteString("&event=" + string(r.Event))
	}
	if r.TrackerID != "" {
		q.WriteString("&trackerid=" + escapeBytes([]byte(r.TrackerID)))
	}
	return withQuery(u, q.String())
}

// scrapeURL derives the scrape URL by BEP 48: the last path segment must begin
// with "announce", which becomes "scrape".
func scrapeURL(u *url.URL, hashes [][20]byte) (*url.URL, error) {
	escaped := u.EscapedPath()
	slash := strings.LastIndexByte(escaped, '/')
	rest, ok := strings.CutPrefix(escaped[slash+1:], "announce")
	if slash < 0 || !ok {
		return nil, fmt.Errorf("derive scrape URL: last path segment does not begin with \"announce\": %w", ErrUnsupported)
	}
	scrape := *u
	scrape.RawPath = escaped[:slash+1] + "scrape" + rest
	path, err := url.PathUnescape(scrape.RawPath)
	if err != nil {
		return nil, errors.New("derive scrape URL: bad escape in path")
	}
	scrape.Path = path
	var q strings.Builder
	for i := range hashes {
		if i > 0 {
			q.WriteByte('&')
		}
		q.WriteString("info_hash=" + escapeBytes(hashes[i][:]))
	}
	return withQuery(&scrape, q.String()), nil
}

func withQuery(u *url.URL, query string) *url.URL {
	v := *u
	v.Fragment, v.RawFragment = "", ""
	v.RawQuery = strings.TrimSuffix(v.RawQuery, "&")
	if v.RawQuery != "" {
		v.RawQuery += "&"
	}
	v.RawQuery += query
	return &v
}

// escapeBytes percent-encodes everything but RFC 3986's unreserved bytes.
// url.QueryEscape is not used: its "+" for a space is misread by trackers.
func escapeBytes(b []byte) string {
	const hex = "0123456789ABCDEF"
	var s strings.Builder
	for _, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			s.WriteByte(c)
		} else {
			s.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return s.String()
}

// wireLeft returns what to send as left. An unknown size is one block: zero
// would make us a seed in the tracker's eyes.
func wireLeft(left int64) int64 {
	if left < 0 {
		return 16 << 10
	}
	return left
}

// wireNumWant returns the peers to ask for, -1 for the tracker's own default.
func wireNumWant(r Request) int {
	switch {
	case r.Event == Stopped:
		return 0
	case r.NumWant <= 0:
		return -1
	}
	return min(r.NumWant, maxPeers)
}

// get fetches a body of at most MaxReplyBytes over one address family. The
// time-out covers redirects and the body, so a slow drip ends too.
func (c *Client) get(ctx context.Context, u *url.URL, p path) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.HTTPTimeout, fmt.Errorf("no complete answer within %v", c.cfg.HTTPTimeout))
	defer cancel()
	ctx = context.WithValue(ctx, routeKey{}, &route{ctx: ctx, path: p, trackerLike: trackerLike(u)})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("build request: bad URL")
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, httpError(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxReplyBytes+1))
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.StatusCode, body)
	}
	if err != nil {
		return nil, fmt.Errorf("read reply after %d bytes: %w", len(body), httpError(ctx, err))
	}
	if int64(len(body)) > c.cfg.MaxReplyBytes {
		return nil, fmt.Errorf("read reply: larger than %d bytes", c.cfg.MaxReplyBytes)
	}
	return body, nil
}

// httpError strips the URL that net/http puts into its errors, and prefers the
// reason a context ended to the fact.
func httpError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	// What net/http says about a malformed answer repeats it, whatever its size
	// and whatever a redirect took along.
	switch text := err.Error(); {
	case strings.Contains(text, "Location header"):
		return errors.New("follow redirect: bad Location header")
	case len(text) > 2*maxText:
		return errors.New(cleanText(text))
	}
	return err
}

// statusError is the tracker's own refusal where the body holds one, as some
// send it with status 400, and the start of the body otherwise.
func statusError(code int, body []byte) error {
	var refused *FailureError
	if _, err := decodeAnnounce(body); errors.As(err, &refused) {
		return refused
	}
	return fmt.Errorf("tracker answered HTTP %d %s%s", code, http.StatusText(code), quoteStart(body))
}

// explainGarbage adds what a body that is no bencode looks like.
func explainGarbage(err error, body []byte) error {
	if err == nil {
		return nil
	}
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return errors.New("tracker sent an empty reply")
	case trimmed[0] == '<':
		return fmt.Errorf("tracker sent a web page instead of bencode%s", quoteStart(body))
	case body[0] != 'd':
		return fmt.Errorf("tracker sent something else than bencode%s", quoteStart(body))
	}
	return err
}

func quoteStart(body []byte) string {
	text := cleanText(string(body[:min(len(body), 100)]))
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// newHTTPClient returns the client whose connections go where the route in the
// request's context says.
func newHTTPClient(c *Client) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: c.dialRoute,
			// One connection per request: announces are minutes apart, and a
			// reused connection would escape the checks in dialRoute.
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeaderBytes,
			TLSHandshakeTimeout:    10 * time.Second,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("follow redirect: more than %d", maxRedirects)
			}
			if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
				return fmt.Errorf("follow redirect: scheme %q is not allowed", cleanText(req.URL.Scheme))
			}
			req.Header.Del("Referer") // it would hand the passkey to the next host
			if r, ok := req.Context().Value(routeKey{}).(*route); ok {
				r.redirect(req.URL)
			}
			return nil
		},
	}
}

// route says how one request may connect. It travels in the request's context.
type route struct {
	ctx  context.Context // of the request; net/http lets a dial outlive it
	path path            // resolved addresses of the tracker, used until the first redirect

	mu          sync.Mutex
	reached     netip.Addr // the tracker's own address, once connected
	redirected  bool
	trackerLike bool // the URL, as far as its path can tell
}

type routeKey struct{}

func (r *route) redirect(to *url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.redirected, r.trackerLike = true, trackerLike(to)
}

// trackerLike reports whether the last segment of a URL's path begins with
// "announce" or "scrape", as BEP 48 has it and all trackers' do.
func trackerLike(u *url.URL) bool {
	last := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	return strings.HasPrefix(last, "announce") || strings.HasPrefix(last, "scrape")
}

func (r *route) isRedirected() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.redirected
}

func (r *route) connected(a netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.redirected {
		r.reached = a
	}
}

// allow refuses what would let a stranger's torrent give orders to a service on
// our host or network: a redirect that leads from the outside further in, and
// a request there for anything that does not look like a tracker.
func (r *route) allow(a netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	near := scope.Of(a)
	if r.redirected && near < scope.Of(r.reached) {
		return fmt.Errorf("follow redirect: refused to go from %s address %s to %s address %s",
			scope.Of(r.reached), r.reached, near, a)
	}
	if near < scope.Public && !r.trackerLike {
		return fmt.Errorf("refused to connect to %s address %s: the URL's path does not end in \"announce\"", near, a)
	}
	return nil
}

// dialRoute connects for net/http. It resolves names itself, so that the
// address checked is the address used.
func (c *Client) dialRoute(dialCtx context.Context, _, address string) (net.Conn, error) {
	r, ok := dialCtx.Value(routeKey{}).(*route)
	if !ok {
		return nil, errors.New("dial tracker: request without a route")
	}
	ctx, end, err := c.begin(r.ctx) // so that Close waits for the dial as well
	if err != nil {
		return nil, err
	}
	defer end()
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial tracker: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("dial tracker: port %q is out of range", cleanText(portText))
	}
	addrs := r.path.addrs
	if r.isRedirected() {
		if addrs, err = c.addrsOf(ctx, host, r.path.family); err != nil {
			return nil, err
		}
	}
	err = errors.New("dial tracker: no address")
	for _, a := range addrs[:min(len(addrs), maxDials)] {
		if err := r.allow(a); err != nil {
			return nil, err
		}
		var conn net.Conn
		if conn, err = c.dial(ctx, netip.AddrPortFrom(a, uint16(port))); err == nil {
			r.connected(a)
			return conn, nil
		}
	}
	return nil, err
}

// dialTCP connects from the configured local address. The first of several
// addresses must leave time for the next.
func (c *Client) dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	if c.cfg.Dial != nil {
		ctx, cancel := context.WithTimeout(ctx, c.cfg.HTTPTimeout/2)
		defer cancel()
		return c.cfg.Dial(ctx, "tcp", addr.String())
	}
	d := net.Dialer{Timeout: c.cfg.HTTPTimeout / 2}
	if c.cfg.LocalAddr.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.cfg.LocalAddr, 0))
	}
	return d.DialContext(ctx, "tcp", addr.String())
}
