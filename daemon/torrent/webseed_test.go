package torrent

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/metainfo"
)

// withWebSeeds puts a url-list into a .torrent, as it stands in bencode.
func withWebSeeds(torrent []byte, urlList string) []byte {
	return append(bytes.TrimSuffix(bytes.Clone(torrent), []byte("e")), "8:url-list"+urlList+"e"...)
}

func urlList(urls ...string) string {
	list := "l"
	for _, u := range urls {
		list += fmt.Sprintf("%d:%s", len(u), u)
	}
	return list + "e"
}

// webServer serves the folder that payloads are made in, through wrap.
func webServer(t testing.TB, dir string, wrap func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	var h http.Handler = http.FileServer(http.Dir(dir))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// corrupting spoils one byte of each answer.
func corrupting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&spoiler{ResponseWriter: w}, r) })
}

type spoiler struct {
	http.ResponseWriter
	done bool
}

func (s *spoiler) Write(b []byte) (int, error) {
	if !s.done && len(b) > 0 {
		b, s.done = bytes.Clone(b), true
		b[len(b)/2] ^= 1
	}
	return s.ResponseWriter.Write(b)
}

func sameFiles(t testing.TB, source, copied string, torrent []byte) {
	t.Helper()
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Info.Files {
		path := filepath.Join(f.Path...)
		want, err1 := os.ReadFile(filepath.Join(source, path))
		got, err2 := os.ReadFile(filepath.Join(copied, path))
		if err1 != nil || err2 != nil || !bytes.Equal(want, got) {
			t.Errorf("%s differs, %v, %v", path, err1, err2)
		}
	}
}

func TestWebSeedAlone(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 3_000_001, 0, 1, 5_000_000)
	s := webServer(t, source, nil)
	torrent = withWebSeeds(torrent, urlList(s.URL))
	n := startNode(t, t.TempDir(), nil)
	h := add(t, n, torrent)
	st := n.waitFor(t, h, "download", seeding)
	sameFiles(t, source, n.dir, torrent)
	if st.DownloadedBytes != st.TotalBytes || st.WastedBytes != 0 {
		t.Errorf("%d bytes of %d downloaded, %d wasted", st.DownloadedBytes, st.TotalBytes, st.WastedBytes)
	}
	if st.Peers != 0 || st.Seeds != 0 {
		t.Errorf("a web seed counts as a peer: %+v", st)
	}
	d, err := n.Get(ctx, h)
	if err != nil || len(d.WebSeeds) != 1 || d.WebSeeds[0].Downloaded != st.TotalBytes || d.WebSeeds[0].URL != s.URL || len(d.Peers) != 0 {
		t.Errorf("%+v, %v", d.WebSeeds, err)
	}
}

// One of three is corrupt: the download completes without it, and it is named.
func TestCorruptWebSeedIsNamed(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 3_000_001, 9_000_000)
	bad := webServer(t, source, corrupting)
	torrent = withWebSeeds(torrent, urlList(webServer(t, source, nil).URL, strings.Replace(bad.URL, "//", "//user:secret@", 1), webServer(t, source, nil).URL))
	// Slowly enough for the corrupt one to get its turn.
	n := startNode(t, t.TempDir(), func(c *Config) { c.Speed.Download = 6 << 20 })
	h := add(t, n, torrent)
	n.waitFor(t, h, "download", seeding)
	sameFiles(t, source, n.dir, torrent)
	d, err := n.Get(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range d.WebSeeds {
		if banned := w.State == WebSeedBanned; banned != (i == 1) {
			t.Errorf("web seed %d: %+v", i, w)
		}
	}
	events, _, _ := n.events.Since(ctx, 0)
	var named []string
	for _, e := range events {
		if b, ok := e.Data.(event.PeerBanned); ok {
			named = append(named, b.Address+" "+b.Reason)
		}
	}
	if len(named) != 1 || !strings.HasPrefix(named[0], bad.URL+" sent ") || strings.Contains(named[0], "secret") {
		t.Errorf("named: %q", named)
	}
}

// A server that is away is tried again, and the event says when.
func TestWebSeedIsRetried(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 1_000_000)
	var answered atomic.Int64
	s := webServer(t, source, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if answered.Add(1) == 1 {
				http.Error(w, "not now", http.StatusBadGateway)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	n := startNode(t, t.TempDir(), nil)
	h := add(t, n, withWebSeeds(torrent, urlList(s.URL)))
	n.eventually(t, "failure", func() bool {
		d, err := n.Get(ctx, h)
		return err == nil && d.WebSeeds[0].State == WebSeedFailed && strings.Contains(d.WebSeeds[0].Error, "HTTP 502") && !d.WebSeeds[0].Retry.IsZero()
	})
	n.do(t, h, func(s *session) { s.t.web[0].retry = time.Time{} })
	n.waitFor(t, h, "download", seeding)
	events, _, _ := n.events.Since(ctx, 0)
	failures := 0
	for _, e := range events {
		if f, ok := e.Data.(event.WebSeedFailed); ok && f.URL == s.URL && f.Retry.After(e.Time) {
			failures++
		}
	}
	if failures == 0 {
		t.Error("no event about the failure")
	}
}

// What one server lacks comes from another, and it is not asked again.
func TestWebSeedWithoutOneFile(t *testing.T) {
	t.Parallel()
	source, part := t.TempDir(), t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 1_000_000, 2_000_000)
	if err := os.CopyFS(part, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(part, "payload/folder/a.bin")); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	partly := webServer(t, part, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "a.bin") {
				asked.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	whole := webServer(t, source, nil)
	n := startNode(t, t.TempDir(), func(c *Config) { c.Speed.Download = 2 << 20 })
	h := add(t, n, withWebSeeds(torrent, urlList(partly.URL, whole.URL)))
	n.waitFor(t, h, "download", seeding)
	sameFiles(t, source, n.dir, torrent)
	d, err := n.Get(ctx, h)
	if err != nil || d.WebSeeds[0].Missing != 1 || d.WebSeeds[0].Downloaded == 0 {
		t.Errorf("%+v, %v", d.WebSeeds, err)
	}
	if n := asked.Load(); n > 3 { // as many as there are requests at a time
		t.Errorf("asked %d times for what it lacks", n)
	}
}

// The web seeds, and what came from them, are there after a restart.
func TestWebSeedResumes(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 8_000_000)
	var sent atomic.Int64
	s := webServer(t, source, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(&counting{w, &sent}, r)
		})
	})
	dir := t.TempDir()
	n := startNode(t, dir, func(c *Config) { c.Speed.Download = 2 << 20 })
	h := add(t, n, withWebSeeds(torrent, urlList(s.URL)))
	n.waitFor(t, h, "part of it", func(s Status) bool { return s.VerifiedBytes > 2_000_000 })
	n.stop(t)
	n = startNode(t, dir, nil)
	st := n.waitFor(t, h, "download", seeding)
	sameFiles(t, source, n.dir, torrent)
	if st.DownloadedBytes > 2*st.TotalBytes-2_000_000 {
		t.Errorf("%d bytes downloaded of %d", st.DownloadedBytes, st.TotalBytes)
	}
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

// A magnet link's web seeds are used once its metadata is there.
func TestMagnetWebSeed(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 1_000_000)
	s := webServer(t, source, nil)
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, t.TempDir(), nil)
	if _, _, err := n.AddMagnet(ctx, "magnet:?xt=urn:btih:"+m.Info.Hash.String()+"&ws="+s.URL, AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.Add(ctx, torrent, AddOptions{}); err != nil { // in place of a peer that has it
		t.Fatal(err)
	}
	n.waitFor(t, m.Info.Hash, "download", seeding)
	sameFiles(t, source, n.dir, torrent)
}

// Row 65 of the table of hostile input: a url-list of whatever type does not
// cost the torrent.
func TestRow65URLList(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 100_000)
	n := startNode(t, t.TempDir(), nil)
	for _, c := range []struct {
		name, list string
		want       int
	}{
		{"one URL", "12:http://h/fil", 1},
		{"a list", urlList("http://h/", "https://h/", "http://h/"), 2},
		{"an empty list", "le", 0},
		{"an empty string", "0:", 0},
		{"a number", "i5e", 0},
		{"a dictionary", "d1:ai1ee", 0},
		{"a list of odd types", "li1el1:xed1:ai1eee", 0},
		{"odd types among URLs", "li1e9:http://h/e", 1},
		{"other schemes", urlList("ftp://h/", "file:///etc/passwd", "udp://h:1/"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := withWebSeeds(torrent, c.list)
			m, err := metainfo.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			_, duplicate, err := n.Add(ctx, data, AddOptions{Paused: true})
			if err != nil || duplicate {
				t.Fatal(duplicate, err)
			}
			d, err := n.Get(ctx, m.Info.Hash)
			if err != nil || len(d.WebSeeds) != c.want {
				t.Errorf("%+v, %v, want %d", d.WebSeeds, err, c.want)
			}
			if err := n.Remove(ctx, m.Info.Hash, false); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What comes from web seeds is held to the download limit.
func TestWebSeedLimit(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	const size, limit = 3 << 20, 1 << 20
	torrent := makePayload(t, source, "payload", 64<<10, nil, size)
	s := webServer(t, source, nil)
	n := startNode(t, t.TempDir(), func(c *Config) { c.Speed.Download = limit })
	begin := time.Now()
	h := add(t, n, withWebSeeds(torrent, urlList(s.URL)))
	n.waitFor(t, h, "download", seeding)
	if took := time.Since(begin); took < size*time.Second/limit*9/10 {
		t.Errorf("%d bytes in %s at %d a second", size, took, limit)
	}
}

// Only the engine knows what a peer is: an odd server must not leave anything
// running behind.
func TestWebSeedThatNeverAnswers(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 1_000_000)
	held := make(chan struct{})
	s := webServer(t, source, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case held <- struct{}{}:
			case <-r.Context().Done():
			}
			<-r.Context().Done()
			io.WriteString(w, "too late")
		})
	})
	n := startNode(t, t.TempDir(), nil)
	add(t, n, withWebSeeds(torrent, urlList(s.URL)))
	<-held
	n.stop(t)
}
