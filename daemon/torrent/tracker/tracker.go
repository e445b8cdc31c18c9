// Package tracker asks BitTorrent trackers for peers, decides which tracker to
// ask when, and is itself a small tracker for private swarms.
//
// Client announces and scrapes over HTTP (BEP 3, 7, 23, 24, 31, 48) and UDP
// (BEP 15, 41, 48). Tiers is the multi-tracker order of BEP 12 with back-off: a
// state machine without I/O and without a clock. Server is an in-memory tracker
// that speaks both protocols on one port number.
//
// Rules: what a tracker sends is hostile. Every reply is capped before it is
// read, every count is clamped, every text is cleaned before a person sees it,
// and every exchange ends with its context or its time-out. No error text
// contains a tracker's path or query, because private trackers keep the user's
// passkey there.
package tracker

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Event says why an announce is sent. The zero value is a regular announce.
type Event string

// The events of BEP 3, and that of BEP 21: HTTP trackers hear of a partial seed,
// which has all that it wants and not all there is; UDP has no number for it.
const (
	Regular   Event = ""
	Started   Event = "started"
	Stopped   Event = "stopped"
	Completed Event = "completed"
	Paused    Event = "paused"
)

// Request is one announce. Byte counts are those since Started was sent.
type Request struct {
	InfoHash, PeerID     [20]byte
	Port                 int // where peers reach us, 1 to 65535
	Uploaded, Downloaded int64
	Left                 int64 // bytes still wanted; negative when not known yet
	Event                Event
	NumWant              int    // peers wanted; 0 or less leaves it to the tracker; Stopped always asks for none
	Key                  uint32 // lets the tracker know us again when our address changes
	TrackerID            string // from this tracker's previous Response
	OneFamily            bool   // announce over IPv4 or IPv6, not both: private trackers may count two announces as two clients
}

// Peer is one entry of a peer list.
type Peer struct {
	Addr netip.AddrPort
	ID   []byte // 20 bytes, or nil when the list was compact
}

// Response is a tracker's answer to an announce.
type Response struct {
	Interval    time.Duration // until the next regular announce, 60 s to 24 h, never below MinInterval
	MinInterval time.Duration // no announce before this, 60 s to 24 h
	Seeders     int           // -1 when the tracker did not say, as the next two
	Leechers    int
	Downloaded  int
	Peers       []Peer // at most 2000, none twice, none with port 0
	Warning     string
	TrackerID   string     // to be sent back with the next Request
	ExternalIP  netip.Addr // our address as the tracker sees it (BEP 24), the zero Addr when it did not say
}

// ScrapeResult is what a tracker knows about one torrent. Fields are -1 when
// the tracker did not mention the torrent or the field.
type ScrapeResult struct {
	Seeders, Leechers, Downloaded int
}

// RetryNever is the RetryIn of a tracker that wants no further announce.
const RetryNever time.Duration = -1

// FailureError is a refusal by the tracker itself.
type FailureError struct {
	Reason  string        // the tracker's words, cleaned and shortened
	RetryIn time.Duration // BEP 31: when to ask again, 0 when it did not say, RetryNever
}

func (e *FailureError) Error() string {
	switch {
	case e.RetryIn == RetryNever:
		return fmt.Sprintf("tracker refused for good: %s", e.Reason)
	case e.RetryIn > 0:
		return fmt.Sprintf("tracker refused, retry in %v: %s", e.RetryIn, e.Reason)
	}
	return "tracker refused: " + e.Reason
}

var (
	// ErrUnsupported marks a tracker URL that no attempt can make work, and a
	// tracker that offers no scrape.
	ErrUnsupported = errors.New("not supported")
	// ErrClosed is returned after Client.Close.
	ErrClosed = errors.New("tracker client is closed")
)

const (
	minInterval     = time.Minute
	maxInterval     = 24 * time.Hour
	defaultInterval = 30 * time.Minute // when the tracker does not say
	maxPeers        = 2000
	maxText         = 200
)

// clampInterval turns a tracker's seconds into a usable interval. Zero and
// negative values would make us flood the tracker, huge ones never return.
func clampInterval(seconds int64) time.Duration {
	// The bounds are compared as seconds: a huge value overflows a Duration.
	seconds = min(max(seconds, int64(minInterval/time.Second)), int64(maxInterval/time.Second))
	return time.Duration(seconds) * time.Second
}

// clampCount bounds a peer count to what fits everywhere; negative is unknown.
func clampCount(n int64) int {
	if n < 0 {
		return -1
	}
	return int(min(n, math.MaxInt32))
}

// cleanText makes a tracker's bytes fit for a terminal and a log: printable
// characters only, runs of the rest become one space, at most maxText runes.
func cleanText(s string) string {
	if len(s) > 8*maxText {
		s = s[:8*maxText] // bounds the work; runes are counted below
	}
	var b strings.Builder
	runes, space := 0, false
	for _, r := range s {
		if r == unicode.ReplacementChar || r == ' ' || !unicode.IsPrint(r) {
			space = runes > 0
			continue
		}
		if space {
			runes++
		}
		if runes >= maxText {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		runes++
	}
	return b.String()
}

// peerSet collects peers, each address once, up to maxPeers.
type peerSet struct {
	peers []Peer
	seen  map[netip.AddrPort]bool
}

// add keeps a peer that could be dialled. Which reachable addresses are
// wanted (our own, loopback, blocked ones) is for the engine to decide.
func (s *peerSet) add(p Peer) {
	addr := p.Addr.Addr().Unmap()
	p.Addr = netip.AddrPortFrom(addr, p.Addr.Port())
	if p.Addr.Port() == 0 || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || s.full() || s.seen[p.Addr] {
		return
	}
	if s.seen == nil {
		s.seen = make(map[netip.AddrPort]bool)
	}
	s.seen[p.Addr] = true
	s.peers = append(s.peers, p)
}

func (s *peerSet) full() bool { return len(s.peers) >= maxPeers }

// addCompact adds a compact list: addresses of addrLen bytes (4 or 16), each
// followed by a big-endian port.
func (s *peerSet) addCompact(name string, b []byte, addrLen int) error {
	stride := addrLen + 2
	if len(b)%stride != 0 {
		return fmt.Errorf("decode %s: %d bytes is not a multiple of %d", name, len(b), stride)
	}
	for ; len(b) > 0 && !s.full(); b = b[stride:] {
		addr, _ := netip.AddrFromSlice(b[:addrLen])
		port := uint16(b[addrLen])<<8 | uint16(b[addrLen+1])
		s.add(Peer{Addr: netip.AddrPortFrom(addr, port)})
	}
	return nil
}

// appendCompact appends an address and port in the form addCompact reads.
func appendCompact(b []byte, a netip.AddrPort) []byte {
	b = append(b, a.Addr().AsSlice()...)
	return append(b, byte(a.Port()>>8), byte(a.Port()))
}
