package torrent

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

// heardByTracker is what a tracker has been told of a torrent.
type heardByTracker struct{ event, uploaded, left string }

// listeningTracker answers every announce and tells what it heard.
func listeningTracker(t *testing.T) (url string, heard <-chan heardByTracker) {
	t.Helper()
	c := make(chan heardByTracker, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		c <- heardByTracker{q.Get("event"), q.Get("uploaded"), q.Get("left")}
		io.WriteString(w, "d8:completei1e8:intervali1800e5:peers0:e")
	}))
	t.Cleanup(server.Close)
	return server.URL + "/announce", c
}

// To trackers a torrent that is parked seeds on: what it has uploaded since it started
// counts from one session to the next, and they are told when the engine stops.
func TestTrackersDoNotNoticeParking(t *testing.T) {
	t.Parallel()
	url, heard := listeningTracker(t)
	hears := func(event, uploaded string) {
		t.Helper()
		select {
		case got := <-heard:
			if want := (heardByTracker{event, uploaded, "0"}); got != want {
				t.Errorf("tracker heard %+v, want %+v", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatal("tracker hears nothing")
		}
	}
	dir := t.TempDir()
	torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 16<<10, [][]string{{url}}, 40_000)
	n := startNode(t, dir, func(c *Config) { c.parkAfter = 100 * time.Millisecond })
	h := add(t, n, torrent)
	parks := func() {
		t.Helper()
		n.waitFor(t, h, "parking", func(Status) bool { return !n.running(h) })
	}
	hears("started", "0")
	parks()
	for _, uploaded := range []string{"5", "10"} {
		p := torrenttest.Dial(t, n.Stats().ListenAddress, torrenttest.Options{InfoHash: h, Pieces: 3})
		unchoked(t, p)
		p.Say(request(0, 0, 5))
		p.Expect(t, peerwire.Piece)
		p.Close()
		parks()
		n.do(t, h, func(s *session) { s.announceTick(time.Now().Add(time.Hour)) })
		hears("", uploaded)
		parks()
	}
	if err := n.Stop(ctx, h); err != nil {
		t.Fatal(err)
	}
	hears("stopped", "10")
	if err := n.Start(ctx, h); err != nil {
		t.Fatal(err)
	}
	hears("started", "0")
	parks()
	n.stop(t)
	hears("stopped", "0")
	select {
	case got := <-heard:
		t.Errorf("tracker heard %+v as well", got)
	default:
	}
}

// Trackers that hang do not hold up the end of many parked torrents.
func TestManyPartInTime(t *testing.T) {
	t.Parallel()
	const torrents, grace = maxAnnounces + 10, 300 * time.Millisecond
	var started, stopped atomic.Int32
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("event") {
		case "started":
			started.Add(1)
		case "stopped":
			stopped.Add(1)
			<-hang
		}
		io.WriteString(w, "d8:completei1e8:intervali1800e5:peers0:e")
	}))
	defer server.Close()
	defer close(hang)
	dir := t.TempDir()
	n := startNode(t, dir, func(c *Config) { c.parkAfter, c.StopGrace = time.Millisecond, grace })
	var all []metainfo.Hash
	for i := range torrents {
		torrent := makePayload(t, filepath.Join(dir, "data"), fmt.Sprint("payload ", i), 16<<10, [][]string{{server.URL + "/announce"}}, 100+i)
		all = append(all, add(t, n, torrent))
	}
	n.eventually(t, "announces and parking", func() bool {
		return started.Load() == torrents && !slices.ContainsFunc(all, n.running)
	})
	begin := time.Now()
	n.stop(t)
	if took := time.Since(begin); took < grace {
		t.Errorf("stopping took %v, which is not the time for goodbyes", took)
	}
	if got := stopped.Load(); got == 0 || got > maxAnnounces {
		t.Errorf("%d trackers are told, want up to %d at a time", got, maxAnnounces)
	}
}
