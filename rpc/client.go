package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// defaultTimeout is longer than the longest poll, and than the time the
	// daemon takes to fetch a torrent from a URL.
	defaultTimeout = 2 * time.Minute
	// dialTimeout bounds finding out that nobody is there.
	dialTimeout = 10 * time.Second
	// maxReply bounds what a client reads: 100,000 torrents and their names.
	maxReply = 256 << 20
)

// Options are a client's choices. The zero value suits a unix socket.
type Options struct {
	// Token is sent as bearer token on TCP, never on a unix socket. White
	// space around it, as a file brings it, is dropped.
	Token string
	// HTTPTimeout bounds a whole call; two minutes when 0. A context with an
	// earlier deadline wins.
	HTTPTimeout time.Duration
}

// Client calls one daemon. It may be used by several goroutines at once.
type Client struct {
	// immutable after Dial
	address string
	url     string
	token   string
	timeout time.Duration
	http    *http.Client

	lastID atomic.Uint64
}

// Dial parses an address and returns a client for it. It makes no connection
// yet: the first Call does. The address is one of
//
//	unix:/run/lorrent/rpc.sock   a socket, absolute or relative
//	HOST:PORT                    TCP; [::1]:7890 for IPv6
//	http://HOST[:PORT][/PATH]    the same as a URL
//	https://HOST[:PORT][/PATH]   behind a proxy that does TLS
//
// Proxies from the environment are not used: the token is for the daemon only.
func Dial(address string, o Options) (*Client, error) {
	end, err := parseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("rpc address %q: %w", address, err)
	}
	token := strings.TrimSpace(o.Token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("rpc token: only printable ASCII without spaces may be in it")
	}
	if end.socket != "" {
		token = ""
	}
	timeout := o.HTTPTimeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	dial := dialer.DialContext
	if end.socket != "" {
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", end.socket)
		}
	}
	return &Client{
		address: address,
		url:     end.url,
		token:   token,
		timeout: timeout,
		http: &http.Client{
			Transport: &http.Transport{
				DialContext:         dial,
				TLSHandshakeTimeout: dialTimeout,
				MaxIdleConnsPerHost: 4,
				// Shorter than the daemon's own, so that no call meets a
				// connection that is just being closed.
				IdleConnTimeout: 30 * time.Second,
			},
			// A redirect would take the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Address is what Dial was given.
func (c *Client) Address() string { return c.address }

// UnreachableError says that no daemon answered at Address, or that it went
// away before its answer was complete.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	return "reach daemon at " + e.Address + ": " + e.Err.Error()
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// DeniedError says that the daemon did not let the client in: HTTP 401 or
// 403, or a socket whose file mode keeps this user out.
type DeniedError struct {
	Address string
	Status  int    // HTTP status, 0 when the socket itself refused
	Message string // what the daemon said
}

func (e *DeniedError) Error() string {
	return "access denied by the daemon at " + e.Address + ": " + e.Message
}

type request struct {
	Version string `json:"jsonrpc"`
	ID      uint64 `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
}

type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *Error          `json:"error"`
}

// Call sends one request and waits for its answer. args is the struct the
// method wants, or nil; the result is decoded into reply unless that is nil.
//
// Errors are *Error when the daemon answered with one, *UnreachableError when
// no daemon did, *DeniedError when it let nobody in, and ctx's own
// (context.DeadlineExceeded also after Options.HTTPTimeout). Anything else
// means that something answered which does not speak this protocol.
func (c *Client) Call(ctx context.Context, method string, args, reply any) error {
	id := c.lastID.Add(1)
	body, err := json.Marshal(request{Version: "2.0", ID: id, Method: method, Params: args})
	if err != nil {
		return fmt.Errorf("encode arguments of %s: %w", method, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.transportError(ctx, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return c.transportError(ctx, err)
	}
	if len(data) > maxReply {
		return fmt.Errorf("call %s: the answer has more than %d bytes", method, maxReply)
	}
	if err := c.decode(resp, data, id, reply); err != nil {
		return err
	}
	return nil
}

// transportError tells a lost patience from a missing daemon.
func (c *Client) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op // drop the URL, which says "localhost" for a socket
	}
	if errors.Is(err, os.ErrPermission) {
		return &DeniedError{Address: c.address, Message: err.Error()}
	}
	return &UnreachableError{Address: c.address, Err: err}
}

func (c *Client) decode(resp *http.Response, data []byte, id uint64, reply any) error {
	var r response
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	valid := kind == "application/json" && json.Unmarshal(data, &r) == nil && r.Version == "2.0"

	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		message := resp.Status
		if valid && r.Error != nil {
			message = r.Error.Message
		}
		return &DeniedError{Address: c.address, Status: resp.StatusCode, Message: message}
	}
	switch {
	case !valid:
		return fmt.Errorf("%s does not speak lorrent's RPC: HTTP %s, %d bytes of %q", c.address, resp.Status, len(data), kind)
	case r.Error != nil:
		return r.Error
	case string(r.ID) != strconv.FormatUint(id, 10):
		return fmt.Errorf("%s answered request %s instead of %d", c.address, r.ID, id)
	case len(r.Result) == 0:
		return fmt.Errorf("%s answered request %d with neither result nor error", c.address, id)
	case reply == nil:
		return nil
	}
	if err := json.Unmarshal(r.Result, reply); err != nil {
		return fmt.Errorf("decode result: %w", err)
	}
	return nil
}
