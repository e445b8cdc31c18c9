// Package webseed makes a peer of a web server that holds a torrent's files.
//
// To the engine a web seed is a peer like any other: Serve speaks the seed's
// half of the peer protocol on a connection (a pipe), and answers requests for
// blocks from the server. Requests that follow each other in the torrent become
// one HTTP request, so a piece, or a run of pieces, costs one round trip; a few
// go on at a time over connections that are kept alive. Pipelining, speed
// limits, snubbing, and the search for who sent a bad block are the engine's,
// and the same for all peers.
//
// A server is believed in nothing that can be checked before the hash: the
// range it says it sends, the file's size, the length of the body. One that
// ignores ranges is used for as far as skipping is cheap. Files it does not
// have are not asked for again. Redirects are followed a few times, never from
// a public address to one of ours, and a URL with a query is only good for
// public ones: what a stranger's torrent makes us fetch must not be an order to
// a device at home.
//
// Spec: BEP 19 (GetRight style), RFC 9110 (ranges), BEP 47 (pad files, which are
// never fetched).
package webseed

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"lorrent/daemon/torrent/metainfo"
)

const (
	defaultConnections = 3
	defaultStall       = 30 * time.Second
	maxURL             = 4096
	maxRetryAfter      = time.Hour
)

// Config is what a Seed needs to know.
type Config struct {
	URL         string
	Info        *metainfo.Info
	Client      *Client
	Missing     map[int]bool  // files, by index, that the server is known not to have
	Connections int           // requests at a time; 0 is 3
	Stall       time.Duration // without a byte of an answer; 0 is 30 s
}

// Seed is one server with one torrent on it.
type Seed struct {
	cfg    Config
	base   *url.URL
	folder bool // the URL names the folder that the torrent's files are in
}

// New checks the URL. No connection is made until Serve.
func New(cfg Config) (*Seed, error) {
	if cfg.Connections <= 0 {
		cfg.Connections = defaultConnections
	}
	if cfg.Stall <= 0 {
		cfg.Stall = defaultStall
	}
	if len(cfg.URL) > maxURL {
		return nil, fmt.Errorf("web seed URL of %d bytes", len(cfg.URL))
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("web seed URL cannot be parsed")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("web seed URL is not http or https")
	}
	u.Fragment, u.RawFragment = "", ""
	s := &Seed{cfg: cfg, base: u}
	single := len(cfg.Info.Files) == 1 && len(cfg.Info.Files[0].Path) == 1
	s.folder = !single || len(u.Path) == 0 || u.Path[len(u.Path)-1] == '/'
	return s, nil
}

// Shown is the part of a web seed's URL that may be shown: name and password,
// and a query, can be a user's own.
func Shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "(not a URL)"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// MissingError says that the server does not have a file, or another one in
// its place.
type MissingError struct {
	File   int // index in Info.Files
	Reason string
}

func (e *MissingError) Error() string { return fmt.Sprintf("file %d: %s", e.File+1, e.Reason) }

// BusyError says that the server asked to be left alone for a while.
type BusyError struct {
	Status int
	After  time.Duration // at most an hour; 0 when it did not say
}

func (e *BusyError) Error() string { return fmt.Sprintf("the server answered HTTP %d", e.Status) }
