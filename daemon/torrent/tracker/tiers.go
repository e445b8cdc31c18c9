package tracker

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	minBackoff  = 5 * time.Second
	maxBackoff  = 30 * time.Minute
	maxTrackers = 200  // of one torrent; the rest is dropped
	maxURL      = 4096 // bytes; longer ones are dropped
)

// Tiers decides which of a torrent's trackers to announce to, and when (BEP 12).
//
// Each round starts at the first tier and tries its trackers from the front; the
// next tier is tried only when every tracker before it has failed. The first
// success ends the round, moves that tracker to the front of its tier, and sets
// the time of the next round. A tracker that fails is left alone for 5 s, twice
// as long each time up to 30 min, plus up to a quarter at random, or as long as
// it asked for.
//
// Tiers does no I/O and has no clock. It is not safe for concurrent use.
type Tiers struct {
	tiers [][]*entry
	rnd   *rand.Rand

	round      time.Time // no announce before this; zero at first
	last       *entry    // whose success set round; nil after Stop
	completing bool      // a Completed is still to be sent
}

// entry is one tracker.
type entry struct {
	status    TierStatus
	ready     time.Time // may be tried from here on
	failures  int       // in a row
	never     bool      // asked us to stay away, or cannot be used
	announced bool      // accepted Started
	sending   Event     // what Begin handed out
	min       time.Duration
	trackerID string
	lastOK    time.Time
}

// States of a tracker in TierStatus.
const (
	StateIdle       = "idle"
	StateAnnouncing = "announcing"
	StateOK         = "ok"
	StateError      = "error"
)

// TierStatus describes one tracker for display.
type TierStatus struct {
	URL                           string
	Tier                          int    // from 0
	State                         string // of the last announce
	Error, Warning                string
	Seeders, Leechers, Downloaded int // -1 unknown
	LastAnnounce, NextAnnounce    time.Time
	PeersReceived                 int // by the last announce that worked
}

// NewTiers returns the order for the given tiers, each shuffled with rnd. URLs
// that are empty, too long or given twice are left out.
func NewTiers(urls [][]string, rnd *rand.Rand) *Tiers {
	t := &Tiers{rnd: rnd}
	t.Add(urls)
	return t
}

// Add appends tiers, by the same rules.
func (t *Tiers) Add(urls [][]string) {
	seen := make(map[string]bool)
	for e := range t.all {
		seen[e.status.URL] = true
	}
	for _, list := range urls {
		var tier []*entry
		for _, u := range list {
			u = strings.TrimSpace(u)
			if u == "" || len(u) > maxURL || seen[u] || len(seen) >= maxTrackers {
				continue
			}
			seen[u] = true
			tier = append(tier, &entry{status: TierStatus{
				URL: u, Tier: len(t.tiers), State: StateIdle, Seeders: -1, Leechers: -1, Downloaded: -1,
			}})
		}
		if len(tier) == 0 {
			continue
		}
		t.rnd.Shuffle(len(tier), func(i, j int) { tier[i], tier[j] = tier[j], tier[i] })
		t.tiers = append(t.tiers, tier)
	}
}

// Next returns the tracker to announce to next and from when on: at once when
// at is not after now. The URL is "" and the tier -1 when there is none left.
func (t *Tiers) Next(now time.Time) (url string, tier int, at time.Time) {
	from := now
	if t.round.After(from) {
		from = t.round
	}
	var best *entry
	for e := range t.all {
		switch {
		case e.never:
		case !e.ready.After(from):
			at := e.ready
			if t.round.After(at) {
				at = t.round
			}
			return e.status.URL, e.status.Tier, at
		case best == nil || e.ready.Before(best.ready):
			best = e
		}
	}
	if best == nil {
		return "", -1, time.Time{}
	}
	return best.status.URL, best.status.Tier, best.ready
}

// Begin notes that an announce to url is under way and returns the event and
// tracker id it must carry: Started until the tracker has accepted one, then
// Completed if that is owed, then Regular.
func (t *Tiers) Begin(url string, now time.Time) (event Event, trackerID string) {
	e := t.find(url)
	if e == nil {
		return Started, ""
	}
	e.status.State = StateAnnouncing
	e.status.LastAnnounce = now
	switch {
	case !e.announced:
		e.sending = Started
	case t.completing:
		e.sending = Completed
	default:
		e.sending = Regular
	}
	return e.sending, e.trackerID
}

// Succeeded notes an answer to the announce to url.
func (t *Tiers) Succeeded(url string, now time.Time, r Response) {
	e := t.find(url)
	if e == nil {
		return
	}
	if e.sending == Completed {
		t.completing = false
	}
	e.sending = Regular
	e.announced, e.never, e.failures = true, false, 0
	e.min = max(r.MinInterval, minInterval)
	e.lastOK = now
	if r.TrackerID != "" {
		e.trackerID = r.TrackerID
	}
	interval := max(r.Interval, e.min)
	if t.completing {
		interval = e.min // it took the Started, the Completed must follow
	}
	e.ready = now.Add(interval)
	t.round, t.last = e.ready, e
	s := &e.status
	s.State, s.Error, s.Warning = StateOK, "", r.Warning
	s.Seeders, s.Leechers, s.Downloaded = r.Seeders, r.Leechers, r.Downloaded
	s.LastAnnounce, s.PeersReceived = now, len(r.Peers)
	t.toFront(e)
}

// Failed notes that the announce to url did not work. One that was cancelled
// tells nothing about the tracker and is not held against it.
func (t *Tiers) Failed(url string, now time.Time, err error) {
	e := t.find(url)
	if e == nil {
		return
	}
	e.sending = Regular
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		e.status.State = StateIdle
		return
	}
	e.failures++
	e.status.State, e.status.Error = StateError, err.Error()
	e.status.LastAnnounce = now
	wait := t.backoff(e.failures)
	var refused *FailureError
	if errors.As(err, &refused) {
		switch {
		case refused.RetryIn == RetryNever:
			e.never = true
		case refused.RetryIn > 0:
			wait = min(max(refused.RetryIn, minBackoff), maxInterval)
		}
	}
	if errors.Is(err, ErrUnsupported) {
		e.never = true
	}
	e.ready = now.Add(wait)
}

// backoff returns how long to leave a tracker alone after so many failures.
func (t *Tiers) backoff(failures int) time.Duration {
	d := maxBackoff
	if shift := failures - 1; shift < 20 { // beyond, the shift overflows
		d = min(minBackoff<<shift, maxBackoff)
	}
	return d + time.Duration(t.rnd.Int64N(int64(d/4)))
}

// Completed says that the download has just finished, which one tracker is told
// at once.
func (t *Tiers) Completed(now time.Time) {
	t.completing = true
	t.advance(now)
}

// Force makes the next announce due at once, but not sooner after the last
// success than that tracker's minimum interval. Trackers that failed, even for
// good, are tried again at once.
func (t *Tiers) Force(now time.Time) {
	at := now
	if t.last != nil {
		if earliest := t.last.lastOK.Add(t.last.min); earliest.After(at) {
			at = earliest
		}
	}
	for e := range t.all {
		if e.failures > 0 {
			e.never = false
			e.ready = time.Time{}
		}
	}
	t.advance(at)
}

// advance brings the next round forward to at.
func (t *Tiers) advance(at time.Time) {
	if t.round.After(at) {
		t.round = at
	}
	if t.last != nil && t.last.failures == 0 && t.last.ready.After(at) {
		t.last.ready = at
	}
}

// Announced reports whether the tracker at url has accepted a Started.
func (t *Tiers) Announced(url string) bool {
	e := t.find(url)
	return e != nil && e.announced
}

// TrackerID returns what the tracker at url wants back with each announce.
func (t *Tiers) TrackerID(url string) string {
	if e := t.find(url); e != nil {
		return e.trackerID
	}
	return ""
}

// Active returns the trackers that have accepted a Started: those to be sent a
// Stopped.
func (t *Tiers) Active() []string {
	var urls []string
	for e := range t.all {
		if e.announced {
			urls = append(urls, e.status.URL)
		}
	}
	return urls
}

// Stop returns the trackers to be sent a Stopped, and forgets that they ever
// accepted us: the next round is due at once and begins with Started.
func (t *Tiers) Stop() []string {
	urls := t.Active()
	for e := range t.all {
		e.announced, e.sending = false, Regular
		switch {
		case e.failures == 0:
			e.ready = time.Time{}
			e.status.State = StateIdle
		case e.status.State == StateAnnouncing: // cut off by the stop
			e.status.State = StateError
		}
	}
	t.round, t.last, t.completing = time.Time{}, nil, false
	return urls
}

// Trackers describes every tracker, in the order they are tried. NextAnnounce
// is zero for trackers that wait for an earlier one to fail, or forever.
func (t *Tiers) Trackers() []TierStatus {
	var list []TierStatus
	for e := range t.all {
		s := e.status
		if !e.never && (e.failures > 0 || e == t.last) {
			s.NextAnnounce = e.ready
			if t.round.After(e.ready) {
				s.NextAnnounce = t.round
			}
		}
		list = append(list, s)
	}
	return list
}

// toFront moves e before the other trackers of its tier.
func (t *Tiers) toFront(e *entry) {
	tier := t.tiers[e.status.Tier]
	for i := range tier {
		if tier[i] == e {
			copy(tier[1:i+1], tier[:i])
			tier[0] = e
			return
		}
	}
}

func (t *Tiers) find(url string) *entry {
	for e := range t.all {
		if e.status.URL == url {
			return e
		}
	}
	return nil
}

// all yields every tracker in order.
func (t *Tiers) all(yield func(*entry) bool) {
	for _, tier := range t.tiers {
		for _, e := range tier {
			if !yield(e) {
				return
			}
		}
	}
}
