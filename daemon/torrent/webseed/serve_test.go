package webseed

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

func TestServeFilesOverKeptConnections(t *testing.T) {
	l := newLibrary(t, files)
	s := l.serve(t, nil)
	x := l.leech(t, Config{URL: s.URL})
	if err := x.fetch(t, l, l.allBlocks()); err != nil {
		t.Fatal(err)
	}
	if n := s.conns.Load(); n > defaultConnections {
		t.Errorf("%d connections, want at most %d", n, defaultConnections)
	}
	// All blocks were asked for at once, so they are few runs: hardly more
	// requests than files and connections.
	if n := s.requests.Load(); n > 3+2*defaultConnections {
		t.Errorf("%d requests for 3 files", n)
	}
}

func TestServeSingleFile(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 200_001})
	s := l.serve(t, nil)
	for name, url := range map[string]string{"outright": s.URL + "/payload", "by its folder": s.URL + "/"} {
		t.Run(name, func(t *testing.T) {
			if err := l.leech(t, Config{URL: url}).fetch(t, l, l.allBlocks()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Blocks of one piece are one request, whatever the engine's batches.
func TestRunIsOneRequest(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 64 << 10})
	s := l.serve(t, nil)
	if err := l.leech(t, Config{URL: s.URL + "/", Connections: 1}).fetch(t, l, l.blocks(0)); err != nil {
		t.Fatal(err)
	}
	if n := s.requests.Load(); n > 2 { // the first block may be taken before the rest is there
		t.Errorf("%d requests for one piece", n)
	}
}

func TestQueueMakesRuns(t *testing.T) {
	q := newQueue()
	for _, at := range []int64{5, 0, 6, 1, 9, 7, 2} {
		q.push(block{begin: uint32(at), length: 1, offset: at})
	}
	var got []string
	var run []block
	for range 3 {
		run = q.take(run)
		text := ""
		for _, b := range run {
			text += fmt.Sprint(b.offset)
		}
		got = append(got, text)
	}
	if text := strings.Join(got, " "); text != "567 012 9" {
		t.Errorf("runs are %q", text)
	}
	q.close()
	if run = q.take(run); len(run) != 0 {
		t.Error("a closed queue has blocks")
	}
}

// Row 66 of the table of hostile input: what a server may answer.
func TestRow66Answers(t *testing.T) {
	l := newLibrary(t, files)
	header := func(status int, fields map[string]string, body string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range fields {
					w.Header().Set(k, v)
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
		}
	}
	for _, c := range []struct {
		name  string
		wrap  func(http.Handler) http.Handler
		want  string // of the error; "" when all comes
		check func(error) bool
		few   bool // one block is asked for, not all
	}{
		{name: "200 to a range", wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); h.ServeHTTP(w, r) })
		}},
		{name: "200 of another size", wrap: header(200, nil, "<html>welcome</html>"), want: "has 20 bytes, the torrent's", check: isMissing},
		{name: "206 with less than asked for", wrap: capped(40_000)},
		{name: "206 without Content-Range", wrap: header(206, nil, "x"), want: "makes no sense"},
		{name: "206 of other bytes", wrap: header(206, map[string]string{"Content-Range": "bytes 1-1/100001"}, "x"), want: "sent bytes 1 to 1 for 0 to"},
		{name: "206 of a file of another size", wrap: header(206, map[string]string{"Content-Range": "bytes 0-0/5"}, "x"), want: "has 5 bytes, the torrent's", check: isMissing},
		{name: "206 with more than asked for", wrap: header(206, map[string]string{"Content-Range": "bytes 0-100000/100001"}, strings.Repeat("x", 100_001)), want: "for 0 to 16383", few: true},
		{name: "206 whose length contradicts", wrap: header(206, map[string]string{"Content-Range": "bytes 0-9/*"}, "x"), want: "announced 1 bytes for bytes 0 to 9"},
		{name: "several ranges", wrap: header(206, map[string]string{"Content-Type": "multipart/byteranges; boundary=x"}, "--x"), want: "makes no sense"},
		{name: "404", wrap: header(404, nil, ""), want: "HTTP 404", check: isMissing},
		{name: "403", wrap: header(403, nil, ""), want: "HTTP 403"},
		{name: "416", wrap: header(416, nil, ""), want: "HTTP 416"},
		{name: "500", wrap: header(500, nil, ""), want: "HTTP 500"},
		{name: "503 for a minute", wrap: header(503, map[string]string{"Retry-After": "60"}, ""), want: "HTTP 503", check: func(err error) bool {
			var busy *BusyError
			return errors.As(err, &busy) && busy.After == time.Minute
		}},
		{name: "429 for a year", wrap: header(429, map[string]string{"Retry-After": "31536000"}, ""), want: "HTTP 429", check: func(err error) bool {
			var busy *BusyError
			return errors.As(err, &busy) && busy.After == maxRetryAfter
		}},
		{name: "redirects without end", wrap: func(http.Handler) http.Handler { return http.RedirectHandler("/again", http.StatusFound) }, want: "more than 5 redirects"},
		{name: "redirect to a file", wrap: func(http.Handler) http.Handler { return http.RedirectHandler("file:///etc/passwd", http.StatusFound) }, want: "something else than http"},
		{name: "body that breaks off each time", wrap: broken(5000), want: "shorter than it should be"},
		{name: "redirect to another path", wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if path, moved := strings.CutPrefix(r.URL.Path, "/moved"); moved {
					r.URL.Path = path
					h.ServeHTTP(w, r)
					return
				}
				u := *r.URL
				u.Path = "/moved" + u.Path
				u.RawPath = ""
				http.Redirect(w, r, u.String(), http.StatusFound)
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := l.serve(t, c.wrap)
			list := l.allBlocks()
			if c.few {
				list = list[:1]
			}
			err := l.leech(t, Config{URL: s.URL, Connections: 1}).fetch(t, l, list)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, c.want)
			if c.check != nil && !c.check(err) {
				t.Errorf("%T %v", err, err)
			}
		})
	}
}

func isMissing(err error) bool {
	var missing *MissingError
	return errors.As(err, &missing)
}

// capped serves at most n bytes an answer, as it may.
func capped(n int64) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var from, to int64
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, min(to, from+n-1)))
			h.ServeHTTP(w, r)
		})
	}
}

// broken announces everything and hangs up after n bytes.
func broken(n int) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(&cutWriter{ResponseWriter: w, left: n}, r)
		})
	}
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		w.ResponseWriter.Write(b[:w.left])
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

// An answer that breaks off is gone on with where it ended.
func TestBrokenAnswerIsResumed(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 64 << 10})
	s := l.serve(t, broken(20_000))
	if err := l.leech(t, Config{URL: s.URL + "/", Connections: 1}).fetch(t, l, l.blocks(0)); err != nil {
		t.Fatal(err)
	}
}

func TestStalledAnswer(t *testing.T) {
	l := newLibrary(t, files)
	release := make(chan struct{})
	s := l.serve(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-16383/100001")
			w.WriteHeader(206)
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			<-release
		})
	})
	defer close(release)
	err := l.leech(t, Config{URL: s.URL, Connections: 1, Stall: 50 * time.Millisecond}).fetch(t, l, l.blocks(0)[:1])
	wantError(t, err, "stopped sending")
}

// A server without one of the files says so in its bitfield.
func TestMissingFileIsNotOffered(t *testing.T) {
	l := newLibrary(t, files)
	s, err := New(Config{URL: "http://198.51.100.1/", Info: l.info, Missing: map[int]bool{len(l.info.Files) - 1: true}})
	if err != nil {
		t.Fatal(err)
	}
	bits, n := s.pieces()
	if n != 1 || bits[0] != 0x80 { // the last file begins in the second piece
		t.Errorf("pieces %08b, %d of %d", bits, n, l.info.NumPieces())
	}
	all := map[int]bool{}
	for i := range l.info.Files {
		all[i] = true
	}
	s.cfg.Missing = all
	ours, theirs := net.Pipe()
	defer ours.Close()
	if err := s.Serve(t.Context(), theirs); !errors.Is(err, errNothing) {
		t.Error(err)
	}
}

// Pad files are zeros, and nobody is asked for them.
func TestPadFilesAreNotFetched(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 70_000})
	l.info.Files = []metainfo.File{
		{Path: []string{"payload"}, Length: 70_000},
		{Path: []string{"payload", ".pad", "1"}, Offset: 70_000, Length: 61_072, Pad: true},
	}
	l.info.TotalLength = 131_072
	l.data = append(l.data, make([]byte, 61_072)...)
	s := l.serve(t, nil)
	if err := l.leech(t, Config{URL: s.URL}).fetch(t, l, l.allBlocks()); err != nil {
		t.Fatal(err)
	}
	close(s.ranges)
	for r := range s.ranges {
		if strings.Contains(r, "pad") {
			t.Errorf("asked for %s", r)
		}
	}
}

// A cancelled request is answered with a reject (BEP 6), unless it is on its
// way.
func TestCancel(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 64 << 10})
	hold := make(chan struct{})
	s := l.serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-hold; h.ServeHTTP(w, r) })
	})
	x := l.leech(t, Config{URL: s.URL + "/", Connections: 1})
	defer func() { x.conn.Close(); <-x.ended }()
	b := l.blocks(0)
	x.conn.Write(request(b[3:4]))
	for len(s.ranges) == 0 {
		time.Sleep(time.Millisecond) // until the server has it
	}
	x.conn.Write(request(b[:1]))
	x.conn.Write(peerwire.AppendBlock(nil, peerwire.Cancel, b[0][0], b[0][1], b[0][2]))
	for {
		m, err := x.r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if m.ID == peerwire.Reject {
			break
		}
	}
	close(hold)
	if err := x.collect(t, l, 1); err != nil {
		t.Fatal(err)
	}
}

func TestBadURLs(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 10})
	for _, u := range []string{"", "ftp://host/x", "http://", "http:///x", "//host/x", "http://[", "http://h/" + strings.Repeat("x", maxURL)} {
		if _, err := New(Config{URL: u, Info: l.info}); err == nil {
			t.Errorf("%.40q is taken", u)
		}
	}
}

// A name and password in the URL are for the server that it names.
func TestPasswordStaysWithItsServer(t *testing.T) {
	l := newLibrary(t, map[string]int64{"": 40_000})
	auth := make(chan string, 10)
	other := l.serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			auth <- "other " + r.Header.Get("Authorization")
			h.ServeHTTP(w, r)
		})
	})
	s := l.serve(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			auth <- user + ":" + password
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		})
	})
	err := l.leech(t, Config{URL: strings.Replace(s.URL, "//", "//me:pass@", 1) + "/", Connections: 1}).fetch(t, l, l.blocks(0)[:1])
	if err != nil {
		t.Fatal(err)
	}
	if a, b := <-auth, <-auth; a != "me:pass" || b != "other " {
		t.Errorf("sent %q and %q", a, b)
	}
}

func TestShownHidesSecrets(t *testing.T) {
	if got := Shown("https://user:pass@host:8/a%20b/?token=1#x"); got != "https://host:8/a%20b/" {
		t.Error(got)
	}
}
