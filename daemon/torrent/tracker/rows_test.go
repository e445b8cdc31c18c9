package tracker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The rows of the table of hostile input that are a tracker's, by number. The
// tests of each part go further.

func TestRow42TrackerAwayIsLeftAloneLonger(t *testing.T) {
	tiers := newTestTiers("a")
	now := epoch
	var waits []time.Duration
	for range 12 {
		_, _, at := tiers.Next(now)
		if at.After(now) {
			waits = append(waits, at.Sub(now))
			now = at
		}
		tiers.Begin("a", now)
		tiers.Failed("a", now, &net.DNSError{Err: "no such host", IsNotFound: true})
	}
	for i, w := range waits {
		low := min(minBackoff<<i, maxBackoff)
		if w < low || w > low+low/4 {
			t.Errorf("wait %d is %s, want %s and up to a quarter more", i, w, low)
		}
	}
	// A name that does not resolve, and a host that does not answer, say so.
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, ClientConfig{})
		fakeNet{map[string]string{"hole": "203.0.113.5"}, map[string]func(net.Conn) error{"203.0.113.5": nil}}.apply(c)
		_, err := c.Announce(t.Context(), "http://gone/announce", testRequest())
		wantErr(t, err, "no such host")
		begin := time.Now()
		_, err = c.Announce(t.Context(), "http://hole/announce", testRequest())
		if took := time.Since(begin); err == nil || took > time.Minute {
			t.Errorf("%v after %s", err, took)
		}
	})
}

func TestRow43IntervalIsClamped(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"i0e": minInterval, "i-5e": minInterval, "i-9223372036854775808e": minInterval,
		"i9223372036854775807e": maxInterval, "i1800e": 30 * time.Minute,
	} {
		r, err := decodeAnnounce([]byte("d8:interval" + text + "e"))
		if err != nil || r.Interval != want {
			t.Errorf("interval %s is %s, %v, want %s", text, r.Interval, err, want)
		}
	}
	tiers := newTestTiers("a")
	tiers.Begin("a", epoch)
	tiers.Succeeded("a", epoch, Response{}) // none at all
	if _, _, at := tiers.Next(epoch); at.Sub(epoch) < minInterval {
		t.Errorf("next announce after %s", at.Sub(epoch))
	}
}

func TestRow44RefusalAndWarning(t *testing.T) {
	tiers := newTestTiers("a", "b")
	tiers.Begin("a", epoch)
	tiers.Failed("a", epoch, &FailureError{Reason: "not registered", RetryIn: 40 * time.Minute})
	if url, _, _ := tiers.Next(epoch); url != "b" {
		t.Errorf("next is %q", url)
	}
	status := tiers.Trackers()[0]
	if !strings.Contains(status.Error, "not registered") || status.NextAnnounce.Sub(epoch) != 40*time.Minute {
		t.Errorf("%+v", status)
	}
	r, err := decodeAnnounce([]byte("d8:intervali1800e15:warning message9:old\x1bagente"))
	if err != nil || r.Warning != "old agent" {
		t.Errorf("warning %q, %v", r.Warning, err)
	}
	// UDP has a text, too.
	packet := append([]byte{0, 0, 0, 3, 0, 0, 0, 7}, "banned"...)
	err = parseErrorReply(packet)
	wantErr(t, err, "tracker refused: banned")
}

func TestRow45BodiesAndRedirects(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"huge", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 5<<20)) }, "larger than"},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "a web page instead"},
		{"status", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", http.StatusBadGateway) }, "HTTP 502"},
		{"redirect to no tracker", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/reboot", http.StatusFound) }, "does not end in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(c.handler)
			defer srv.Close()
			_, err := newTestClient(t, ClientConfig{}).Announce(testContext(t), srv.URL+"/announce", testRequest())
			wantErr(t, err, c.want)
		})
	}
}

func TestRow46PeerLists(t *testing.T) {
	for body, want := range map[string]string{
		"d5:peers7:1234567e":                           "not a multiple of 6",
		"d6:peers617:" + strings.Repeat("x", 17) + "e": "not a multiple of 18",
	} {
		_, err := decodeAnnounce([]byte(body))
		wantErr(t, err, want)
	}
	r, err := decodeAnnounce([]byte("d5:peers18:" + "\x0a\x00\x00\x01\x00\x00" + "\x00\x00\x00\x00\x1a\xe1" + "\x0a\x00\x00\x02\x1a\xe1" + "e"))
	if err != nil || len(r.Peers) != 1 || r.Peers[0].Addr != netip.MustParseAddrPort("10.0.0.2:6881") {
		t.Errorf("%+v, %v", r.Peers, err)
	}
}

func TestRow47TiersRotate(t *testing.T) {
	log, _ := drive(newTestTiers("a b", "c"), epoch, 4, "a b")
	if got := urls(log); got != "abcc" && !strings.HasPrefix(got, "abc") {
		t.Errorf("order %s", got)
	}
	tiers := newTestTiers("a b")
	tiers.Begin("a", epoch)
	tiers.Failed("a", epoch, errOff)
	tiers.Begin("b", epoch)
	tiers.Succeeded("b", epoch, Response{Interval: time.Hour})
	if first := tiers.Trackers()[0].URL; first != "b" {
		t.Errorf("%s is first, not the one that worked", first)
	}
}

func TestRow48StoppedDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, ClientConfig{})
		fakeNet{map[string]string{"slow": "203.0.113.5"}, map[string]func(net.Conn) error{"203.0.113.5": nil}}.apply(c)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // the engine's grace
		defer cancel()
		begin := time.Now()
		r := testRequest()
		r.Event = Stopped
		_, err := c.Announce(ctx, "http://slow/announce", r)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 4*time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// After a sleep of the machine one announce is due, not one for each interval
// that was slept through; and after a clock was set back, none at once.
func TestRow75OneAnnounceAfterSleep(t *testing.T) {
	for _, jump := range []time.Duration{9 * time.Hour, 400 * 24 * time.Hour} {
		tiers := newTestTiers("a")
		tiers.Begin("a", epoch)
		tiers.Succeeded("a", epoch, Response{Interval: 30 * time.Minute})
		now := epoch.Add(jump)
		if _, _, at := tiers.Next(now); at.After(now) {
			t.Errorf("after %s nothing is due before %s", jump, at)
		}
		tiers.Begin("a", now)
		tiers.Succeeded("a", now, Response{Interval: 30 * time.Minute})
		if _, _, at := tiers.Next(now); at.Sub(now) < 29*time.Minute {
			t.Errorf("after %s the next announce comes after %s", jump, at.Sub(now))
		}
		back := now.Add(-jump)
		if _, _, at := tiers.Next(back); !at.After(back) {
			t.Error("set back, it is due at once")
		}
	}
}

// A tracker's URL is a stranger's: on our host and in our network it must look
// like a tracker's.
func TestPathOfNearTrackers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !trackerLike(r.URL) {
			t.Errorf("it was asked for %s", r.URL)
		}
		io.WriteString(w, "d8:intervali1800ee")
	}))
	defer srv.Close()
	c := newTestClient(t, ClientConfig{})
	for _, path := range []string{"/announce", "/announce.php?passkey=1", "/0123456789abcdef/announce", "/a/announce"} {
		if _, err := c.Announce(testContext(t), srv.URL+path, testRequest()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"", "/", "/reboot?now=1", "/announce/reboot", "/cgi?x=/announce", "/an%6eounc"} {
		_, err := c.Announce(testContext(t), srv.URL+path, testRequest())
		wantErr(t, err, "refused to connect to loopback")
	}
}
