package torrent

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/magnet"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/webseed"
)

const (
	maxWebSeeds      = 32   // of one torrent, of which
	maxWebSeedsUsed  = 8    // are used at a time
	webSeedQueue     = 4096 // blocks that one is asked for at most: 64 MiB
	webSeedMinRetry  = 5 * time.Second
	webSeedMaxRetry  = time.Hour
	maxMissingInARow = 16 // files that a server turned out not to have, before it is left alone for a while
)

// States of a web seed.
const (
	WebSeedIdle   = "idle"
	WebSeedActive = "active"
	WebSeedFailed = "error" // tried again later
	WebSeedBanned = "banned"
)

// webSeed is a server that has a torrent's files (BEP 19). While it is used,
// it is a peer among the others: package webseed plays its part on a pipe.
type webSeed struct {
	url      string
	shown    string         // what may be shown of url
	addr     netip.AddrPort // stands for it among the peers: no peer can have it
	missing  map[int]bool   // files that the server does not have
	missed   int            // in a row
	failures int
	retry    time.Time // not before
	err      string    // of the last try
	banned   string    // why, "" when it is not
	received int64     // payload of connections before
	remote   *remote   // while it is used
	serving  bool      // package webseed is at work
}

// newWebSeeds makes the web seeds of a torrent. They outlive its sessions, so
// that what they did is not forgotten.
func newWebSeeds(urls []string) (list []*webSeed) {
	discard := netip.MustParsePrefix("100::/64").Addr().As16() // RFC 6666: nobody is there
	for i, u := range urls[:min(len(urls), maxWebSeeds)] {
		discard[15] = byte(i + 1)
		list = append(list, &webSeed{
			url: u, shown: webseed.Shown(u), missing: make(map[int]bool),
			addr: netip.AddrPortFrom(netip.AddrFrom16(discard), 1),
		})
	}
	return list
}

// linkedWebSeeds are the web seeds that a magnet link names.
func linkedWebSeeds(l *magnet.Link) []string { return l.WebSeeds[:min(len(l.WebSeeds), maxWebSeeds)] }

// webSeedTick begins to use web seeds, and lets them go once all is there.
func (s *session) webSeedTick(now time.Time) {
	used := 0
	for _, w := range s.t.web {
		if w.remote != nil && s.complete() {
			w.remote.conn.Close()
		}
		if w.remote != nil || w.serving {
			used++
		}
	}
	if s.complete() || s.stalled() {
		return
	}
	for _, w := range s.t.web {
		if used >= maxWebSeedsUsed {
			return
		}
		if w.remote == nil && !w.serving && w.banned == "" && !now.Before(w.retry) && s.useWebSeed(w, now) {
			used++
		}
	}
}

// useWebSeed makes a peer of a web seed.
func (s *session) useWebSeed(w *webSeed, now time.Time) bool {
	seed, err := webseed.New(webseed.Config{URL: w.url, Info: s.content.info, Client: s.e.web, Missing: copyOf(w.missing)})
	if err != nil {
		s.webSeedFailed(w, err, now)
		return false
	}
	if !s.e.peers.add(s.e.cfg.MaxPeers) {
		return false
	}
	ours, theirs := net.Pipe()
	hello := peerwire.NewHandshake(s.t.hash, randomID())
	hello.Reserved = [8]byte{7: hello.Reserved[7]} // the fast extension alone
	s.join(incoming{conn: ours, encryption: unencrypted, addr: w.addr, theirs: hello, source: "webseed", web: w})
	w.remote.conn.SetQueueLimit(webSeedQueue)
	w.serving = true
	ctx := s.net
	s.spawn(func() func() {
		err := seed.Serve(ctx, theirs)
		return func() { s.webSeedEnded(w, err) }
	})
	return true
}

func copyOf(m map[int]bool) map[int]bool {
	c := make(map[int]bool, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func randomID() (id [20]byte) {
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	return id
}

// webSeedLeft notes that the connection to a web seed is over.
func (s *session) webSeedLeft(w *webSeed) {
	if n := w.remote.conn.Downloaded(); n > 0 {
		w.received += n
		w.failures, w.missed = 0, 0
	}
	w.remote = nil
}

// webSeedEnded notes why.
func (s *session) webSeedEnded(w *webSeed, err error) {
	w.serving = false
	now := time.Now()
	var missing *webseed.MissingError
	switch {
	case err == nil || s.draining:
		w.retry = now.Add(webSeedMinRetry)
	case errors.As(err, &missing) && w.missed < maxMissingInARow:
		s.log.Info().Err(err).Str("url", w.shown).Msg("web seed lacks a file")
		w.missing[missing.File] = true
		w.missed++
		w.err = err.Error()
	default:
		s.webSeedFailed(w, err, now)
	}
}

// webSeedFailed leaves a web seed alone, longer each time.
func (s *session) webSeedFailed(w *webSeed, err error, now time.Time) {
	w.missed = 0
	wait := min(webSeedMinRetry<<min(w.failures, 16), webSeedMaxRetry)
	w.failures++
	var busy *webseed.BusyError
	if errors.As(err, &busy) {
		wait = max(wait, busy.After)
	}
	w.err, w.retry = err.Error(), now.Add(wait)
	s.log.Warn().Err(err).Str("url", w.shown).Time("retry", w.retry).Msg("web seed failed")
	s.e.cfg.Events.Publish(event.WebSeedFailed{InfoHash: s.t.hash.String(), URL: w.shown, Error: w.err, Retry: w.retry})
}

// banWebSeed reports whether addr stands for a web seed, and bans it.
func (s *session) banWebSeed(addr netip.AddrPort, reason string) bool {
	for _, w := range s.t.web {
		if w.addr != addr {
			continue
		}
		if w.banned == "" {
			w.banned = reason
			s.e.cfg.Events.Publish(event.PeerBanned{InfoHash: s.t.hash.String(), Address: w.shown, Reason: reason})
			s.log.Warn().Str("url", w.shown).Str("reason", reason).Msg("web seed banned")
		}
		if w.remote != nil {
			w.remote.conn.Close()
		}
		return true
	}
	return false
}

// WebSeedStatus is one web seed.
type WebSeedStatus struct {
	URL          string // without user, password and query
	State        string // "idle", "active", "error" or "banned"
	Error        string // of the last try, or why it is banned
	Missing      int    // files that the server does not have
	DownloadRate int64
	Downloaded   int64
	Retry        time.Time // when State is "error"
}

func (w *webSeed) status() WebSeedStatus {
	st := WebSeedStatus{URL: w.shown, State: WebSeedIdle, Error: w.err, Missing: len(w.missing), Downloaded: w.received}
	if r := w.remote; r != nil {
		st.DownloadRate = r.downRate
		st.Downloaded += r.conn.Downloaded()
		if r.conn.Downloaded() > 0 && len(w.missing) == 0 {
			st.Error = "" // it works again
		}
	}
	switch {
	case w.banned != "":
		st.State, st.Error = WebSeedBanned, w.banned
	case w.remote != nil:
		st.State = WebSeedActive
	case w.err != "" && time.Now().Before(w.retry):
		st.State, st.Retry = WebSeedFailed, w.retry
	}
	return st
}
