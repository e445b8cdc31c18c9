package interop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

var benchChurn = flag.Duration("churn", 30*time.Minute, "churn: how long peers come and go")

const (
	warmUp       = time.Minute      // of the churn before the memory counts
	restLimit    = 10 * time.Minute // a benchmark in the background is stopped now and then
	restInterval = 250 * time.Millisecond
	restPolls    = 12  // that find the same
	idlePolls    = 300 // likewise; once a minute an idle daemon gives back what its heap holds for later
)

// vitals are what a daemon that rests needs.
type vitals struct {
	goroutines int
	heap       int64 // in use after a collection, bytes
	rss        int64 // after it
	dump       string
}

func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %.2f MiB of heap in use, %.1f MiB RSS", v.goroutines, float64(v.heap)/mib, float64(v.rss)/mib)
}

// churn measures what is left in our daemon after a crowd has come and gone.
func (b *benchmark) churn(t *testing.T) {
	ctx := beginFor(t, *benchChurn+warmUp+6*restLimit)
	c := newCrowd(t)
	l := c.daemon(t, ctx)
	fresh := l.rest(t, ctx, idlePolls)
	fmt.Printf("\n### churn: %s\n\n| | goroutines | heap in use MiB | RSS MiB | visits | blocks served | downloads | by magnet link |\n|---|---:|---:|---:|---:|---:|---:|---:|\n", *benchChurn)
	show := func(when string, v vitals) {
		fmt.Printf("| %s | %d | %.2f | %.1f | %d | %d | %d | %d |\n", when, v.goroutines, float64(v.heap)/mib, float64(v.rss)/mib,
			c.visits.Load(), c.served.Load(), c.downloads.Load(), c.magnets.Load())
	}
	show("fresh", fresh)
	before := c.stay(t, ctx, l, min(warmUp, *benchChurn/10), idlePolls)
	show("before", before)
	var after vitals
	for part := range 5 {
		after = c.stay(t, ctx, l, *benchChurn/5, idlePolls)
		show(fmt.Sprintf("after %s", *benchChurn/5*time.Duration(part+1)), after)
	}
	fmt.Printf("\nheap %+.1f %%, RSS %+.1f %%, goroutines %+d\n", 100*(float64(after.heap)/float64(before.heap)-1),
		100*(float64(after.rss)/float64(before.rss)-1), after.goroutines-before.goroutines)
	after.compare(t, before)
	l.process.stop(t)
}

// A crowd that has left leaves no goroutine behind.
func TestChurn(t *testing.T) {
	ctx := beginFor(t, 2*restLimit)
	c := newCrowd(t)
	l := c.daemon(t, ctx)
	before := c.stay(t, ctx, l, time.Second, restPolls)
	after := c.stay(t, ctx, l, 5*time.Second, restPolls)
	t.Logf("before: %s; after: %s", before, after)
	after.compare(t, before)
	l.process.stop(t)
}

func (v vitals) compare(t *testing.T, before vitals) {
	t.Helper()
	if v.goroutines > before.goroutines {
		t.Errorf("%d goroutines, before there were %d:\n%s", v.goroutines, before.goroutines, v.dump)
	}
}

// daemon starts a daemon that seeds.
func (c *crowd) daemon(t *testing.T, ctx context.Context) *lorrent {
	t.Helper()
	program, err := buildDaemon()
	if err != nil {
		t.Fatal(err)
	}
	l := launchLorrent(t, c.net, program, scratch(t), scratch(t), "--log-level", "warn", "--port-mapping", "off")
	l.awaitRPC(t, ctx)
	r, err := l.client.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: c.seeded.torrent, Dir: c.seeded.dir})
	if err != nil {
		t.Fatal(err)
	}
	l.awaitTorrent(t, ctx, r.Torrent.InfoHash, "the seed", seeding)
	return l
}

// stay lets the crowd come and go, and returns what the daemon needs when all
// have left.
func (c *crowd) stay(t *testing.T, ctx context.Context, l *lorrent, long time.Duration, polls int) vitals {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	c.churn(t, ctx, l)
	if t.Failed() {
		t.FailNow()
	}
	return l.rest(t, context.WithoutCancel(ctx), polls)
}

// rest waits until no torrent is at work any more and the number of goroutines
// does not change for so many polls, and measures.
func (l *lorrent) rest(t *testing.T, ctx context.Context, polls int) (v vitals) {
	t.Helper()
	l.client.Close() // an open connection is a goroutine
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	same := 0
	awaitEvery(t, ctx, restInterval, "rest after the crowd", func() (bool, error) {
		dump, err := l.profile(ctx, "goroutine?debug=1")
		n := figure(dump, `goroutine profile: total (\d+)`)
		if same++; err != nil || int(n) != v.goroutines || strings.Contains(dump, "torrent.(*session).run") {
			same = 0
		}
		v.goroutines, v.dump = int(n), dump
		return same >= polls, errors.Join(err, l.process.alive())
	})
	for range 2 { // what pools hold goes with the second
		heap, err := l.profile(ctx, "heap?gc=1&debug=1")
		if err != nil {
			t.Fatal(err)
		}
		v.heap = figure(heap, `# HeapInuse = (\d+)`)
	}
	v.rss = memory(l.process.cmd.Process.Pid, "VmRSS")
	return v
}

// figure is the number that a pattern finds, or 0.
func figure(text, pattern string) (n int64) {
	if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
		n, _ = strconv.ParseInt(found[1], 10, 64)
	}
	return n
}

// profile asks for one of pprof's, over a connection of its own.
func (l *lorrent) profile(ctx context.Context, name string) (string, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", l.socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon/debug/pprof/"+name, nil)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("profile %s: %s %s", name, resp.Status, text)
	}
	return string(text), err
}
