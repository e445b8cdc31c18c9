package tracker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	epoch  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	errOff = errors.New("connection refused")
)

func newTestTiers(tiers ...string) *Tiers {
	var urls [][]string
	for _, tier := range tiers {
		urls = append(urls, strings.Fields(tier))
	}
	// Tests name their order: sort away the shuffle.
	t := NewTiers(urls, rand.New(rand.NewPCG(1, 2)))
	for _, tier := range t.tiers {
		slices.SortFunc(tier, func(a, b *entry) int { return strings.Compare(a.status.URL, b.status.URL) })
	}
	return t
}

// drive announces n times, jumping to when each is due, and returns
// "url@seconds" for each. Trackers in dead fail.
func drive(t *Tiers, now time.Time, n int, dead string) (log []string, _ time.Time) {
	for range n {
		url, _, at := t.Next(now)
		if at.After(now) {
			now = at
		}
		log = append(log, fmt.Sprintf("%s@%d", url, int(now.Sub(epoch).Seconds())))
		t.Begin(url, now)
		if strings.Contains(dead, url) {
			t.Failed(url, now, errOff)
		} else {
			t.Succeeded(url, now, Response{Interval: 30 * time.Minute})
		}
	}
	return log, now
}

func urls(log []string) string {
	var b strings.Builder
	for _, l := range log {
		b.WriteString(l[:strings.IndexByte(l, '@')])
	}
	return b.String()
}

func TestTiersOrder(t *testing.T) {
	for _, tc := range []struct {
		name  string
		tiers []string
		dead  string
		n     int
		want  string
	}{
		{"first works", []string{"a b", "c"}, "", 4, "aaaa"},
		{"second of the tier works and moves to the front", []string{"a b", "c"}, "a", 4, "abbb"},
		{"the next tier only after all of this one", []string{"a b", "c"}, "a b", 3, "abc"},
		{"each round starts at the first tier", []string{"a b", "c"}, "a b", 6, "abcabc"},
		{"two dead trackers in one tier wrap around", []string{"a b"}, "a b", 10, "ababababab"},
		{"all dead", []string{"a", "b", "c"}, "a b c", 9, "abcabcabc"},
	} {
		tiers := newTestTiers(tc.tiers...)
		// Rounds of all-dead trackers are compared as sets: jitter may swap neighbours.
		log, _ := drive(tiers, epoch, tc.n, tc.dead)
		got := urls(log)
		if strings.HasPrefix(tc.name, "all dead") || strings.HasPrefix(tc.name, "two dead") {
			size := len(tc.tiers)
			if size == 1 {
				size = 2
			}
			for i := 0; i+size <= len(got); i += size {
				round := []byte(got[i : i+size])
				slices.Sort(round)
				if string(round) != tc.want[:size] {
					t.Errorf("%s: order %s", tc.name, got)
				}
			}
		} else if got != tc.want {
			t.Errorf("%s: order %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestTiersRecovery(t *testing.T) {
	tiers := newTestTiers("a b", "c")
	log, now := drive(tiers, epoch, 3, "a b")
	if urls(log) != "abc" {
		t.Fatal(log)
	}
	// Nothing happens before c's interval is over, then b works and leads.
	url, tier, at := tiers.Next(now.Add(time.Minute))
	if url != "a" || tier != 0 || !at.Equal(now.Add(30*time.Minute)) {
		t.Errorf("next %s, tier %d, in %v", url, tier, at.Sub(now))
	}
	log, now = drive(tiers, now, 3, "a")
	if urls(log) != "abb" {
		t.Error(log)
	}
	if s := tiers.Trackers(); s[0].URL != "b" || s[1].URL != "a" || s[2].URL != "c" || s[2].Tier != 1 {
		t.Errorf("order %+v", s)
	}
	// When b fails, a, whose time is long up, comes next, then c.
	log, _ = drive(tiers, now, 3, "a b")
	if urls(log) != "bac" {
		t.Error(log)
	}
}

func TestTiersBackoff(t *testing.T) {
	tiers := newTestTiers("a")
	now := epoch
	base := 5 * time.Second
	for n := range 50 {
		url, _, at := tiers.Next(now)
		if url != "a" || at.After(now) {
			t.Fatalf("attempt %d: %q in %v", n, url, at.Sub(now))
		}
		tiers.Failed("a", now, errOff)
		_, _, at = tiers.Next(now)
		if wait := at.Sub(now); wait < base || wait > base+base/4 {
			t.Fatalf("failure %d: wait %v, want %v and up to a quarter", n+1, wait, base)
		}
		now = at
		base = min(2*base, 30*time.Minute)
	}
	tiers.Succeeded("a", now, Response{Interval: time.Hour})
	tiers.Failed("a", now.Add(time.Hour), errOff)
	if _, _, at := tiers.Next(now.Add(time.Hour)); at.Sub(now.Add(time.Hour)) > 7*time.Second {
		t.Errorf("a success does not reset the back-off: %v", at.Sub(now.Add(time.Hour)))
	}
}

func TestTiersRetryIn(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		wait  time.Duration // -1: no more
		exact bool
	}{
		{"retry in", fmt.Errorf("announce: %w", &FailureError{"x", 7 * time.Minute}), 7 * time.Minute, true},
		{"retry in a month", &FailureError{"x", 720 * time.Hour}, 24 * time.Hour, true},
		{"never", &FailureError{"x", RetryNever}, -1, true},
		{"refused without a time", &FailureError{"x", 0}, 5 * time.Second, false},
		{"unusable URL", fmt.Errorf("x: %w", ErrUnsupported), -1, true},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), 0, true},
	} {
		tiers := newTestTiers("a")
		tiers.Failed("a", epoch, tc.err)
		url, tier, at := tiers.Next(epoch)
		wait := max(at.Sub(epoch), 0)
		switch {
		case tc.wait < 0:
			if url != "" || tier != -1 || !at.IsZero() {
				t.Errorf("%s: next is %q, %d, %v", tc.name, url, tier, at)
			}
		case url != "a" || wait < tc.wait || tc.exact && wait != tc.wait:
			t.Errorf("%s: wait %v, want %v", tc.name, wait, tc.wait)
		}
	}
}

func TestTiersEvents(t *testing.T) {
	tiers := newTestTiers("a", "b")
	begin := func(url string, want Event) {
		t.Helper()
		if got, _ := tiers.Begin(url, epoch); got != want {
			t.Errorf("event for %s is %q, want %q", url, got, want)
		}
	}
	r := Response{Interval: 30 * time.Minute, MinInterval: 2 * time.Minute, TrackerID: "id"}
	begin("a", Started)
	tiers.Failed("a", epoch, errOff)
	if tiers.Announced("a") || len(tiers.Active()) != 0 {
		t.Error("a failed start counts")
	}
	begin("a", Started)
	begin("b", Started)
	tiers.Completed(epoch) // while the start is under way
	tiers.Succeeded("b", epoch, r)
	if !tiers.Announced("b") || tiers.Announced("a") {
		t.Error("wrong tracker is announced")
	}
	// The Completed is still owed, but after the minimum interval.
	if _, _, at := tiers.Next(epoch); !at.Equal(epoch.Add(2 * time.Minute)) {
		t.Errorf("completed is due in %v", at.Sub(epoch))
	}
	begin("a", Started)
	begin("b", Completed)
	tiers.Failed("b", epoch, errOff)
	begin("b", Completed)
	tiers.Succeeded("b", epoch, r)
	begin("b", Regular)
	tiers.Succeeded("b", epoch, Response{Interval: 30 * time.Minute})
	if tiers.TrackerID("b") != "id" {
		t.Error("tracker id is lost")
	}
	if got := tiers.Stop(); len(got) != 1 || got[0] != "b" {
		t.Errorf("stop %v", got)
	}
	if s := tiers.Trackers(); s[0].State != StateError || s[1].State != StateIdle {
		t.Errorf("after stop: %+v", s)
	}
	if url, _, at := tiers.Next(epoch.Add(time.Minute)); url != "a" || at.After(epoch.Add(time.Minute)) {
		t.Errorf("after stop: %s at %v", url, at)
	}
	begin("b", Started)
}

func TestTiersCompletedIsDueAtOnce(t *testing.T) {
	tiers := newTestTiers("a b")
	_, now := drive(tiers, epoch, 1, "")
	now = now.Add(time.Second)
	tiers.Completed(now)
	url, _, at := tiers.Next(now)
	if url != "a" || at.After(now) {
		t.Errorf("next %s in %v", url, at.Sub(now))
	}
	if event, _ := tiers.Begin(url, now); event != Completed {
		t.Errorf("event %q", event)
	}
}

func TestTiersForce(t *testing.T) {
	tiers := newTestTiers("a b")
	tiers.Succeeded("a", epoch, Response{Interval: 30 * time.Minute, MinInterval: 5 * time.Minute})
	due := func(now time.Time, wantURL string, want time.Duration) {
		t.Helper()
		url, _, at := tiers.Next(now)
		if at.Before(now) {
			at = now
		}
		if url != wantURL || at.Sub(epoch) != want {
			t.Errorf("next %s at %v, want %s at %v", url, at.Sub(epoch), wantURL, want)
		}
	}
	// b was never tried and waits for a to fail.
	due(epoch, "a", 30*time.Minute)
	tiers.Force(epoch.Add(time.Second))
	due(epoch.Add(time.Second), "a", 5*time.Minute)
	tiers.Force(epoch.Add(10 * time.Minute))
	due(epoch.Add(10*time.Minute), "a", 10*time.Minute)
	tiers.Failed("a", epoch.Add(10*time.Minute), errOff)
	due(epoch.Add(10*time.Minute), "b", 10*time.Minute)
	tiers.Failed("b", epoch.Add(10*time.Minute), &FailureError{"x", RetryNever})
	tiers.Force(epoch.Add(10*time.Minute + time.Second))
	due(epoch.Add(10*time.Minute+time.Second), "a", 10*time.Minute+time.Second)
	tiers.Failed("a", epoch.Add(10*time.Minute+time.Second), errOff)
	due(epoch.Add(10*time.Minute+time.Second), "b", 10*time.Minute+time.Second)

	short := newTestTiers("a")
	short.Succeeded("a", epoch, Response{Interval: time.Minute})
	short.Force(epoch.Add(time.Second))
	if _, _, at := short.Next(epoch.Add(time.Second)); !at.Equal(epoch.Add(time.Minute)) {
		t.Errorf("forced after %v", at.Sub(epoch))
	}
}

func TestTiersStatus(t *testing.T) {
	tiers := newTestTiers("a", "b", "c")
	tiers.Begin("a", epoch)
	if s := tiers.Trackers()[0]; s.State != StateAnnouncing || !s.LastAnnounce.Equal(epoch) {
		t.Errorf("got %+v", s)
	}
	tiers.Failed("a", epoch, errOff)
	tiers.Succeeded("b", epoch, Response{Interval: time.Hour, Seeders: 1, Leechers: 2, Downloaded: 3, Warning: "w", Peers: make([]Peer, 4)})
	s := tiers.Trackers()
	if s[0].State != StateError || s[0].Error != errOff.Error() || !s[0].NextAnnounce.Equal(epoch.Add(time.Hour)) {
		t.Errorf("a is %+v", s[0])
	}
	want := TierStatus{URL: "b", Tier: 1, State: StateOK, Warning: "w", Seeders: 1, Leechers: 2, Downloaded: 3, LastAnnounce: epoch, NextAnnounce: epoch.Add(time.Hour), PeersReceived: 4}
	if s[1] != want {
		t.Errorf("b is %+v", s[1])
	}
	if s[2].State != StateIdle || s[2].Seeders != -1 || !s[2].NextAnnounce.IsZero() {
		t.Errorf("c is %+v", s[2])
	}
}

func TestNewTiers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	if url, tier, _ := NewTiers(nil, rnd).Next(epoch); url != "" || tier != -1 {
		t.Errorf("nothing gives %q, %d", url, tier)
	}
	tiers := NewTiers([][]string{{"", " a ", "a"}, {"a"}, {}, {strings.Repeat("x", maxURL+1), "b"}}, rnd)
	if s := tiers.Trackers(); len(s) != 2 || s[0].URL != "a" || s[1].URL != "b" || s[1].Tier != 1 {
		t.Errorf("got %+v", s)
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i))
	}
	tiers = NewTiers([][]string{many}, rnd)
	s := tiers.Trackers()
	if len(s) != maxTrackers {
		t.Errorf("%d trackers", len(s))
	}
	if slices.IsSortedFunc(s, func(a, b TierStatus) int { return len(a.URL)*1000 - len(b.URL)*1000 + strings.Compare(a.URL, b.URL) }) {
		t.Error("not shuffled")
	}
	// Unknown URLs are no trouble.
	tiers.Failed("nobody", epoch, errOff)
	tiers.Succeeded("nobody", epoch, Response{})
	if tiers.Announced("nobody") || tiers.TrackerID("nobody") != "" {
		t.Error("nobody announced")
	}
}
