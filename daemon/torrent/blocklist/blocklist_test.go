package blocklist

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = `# a comment
Some Company: their "net", 2:1.2.3.0-1.2.3.255
other:1.2.4.0-1.2.4.9
004.000.000.000 - 004.000.000.255 , 000 , DAT blocked
005.000.000.000 - 005.000.000.255 , 200 , DAT allowed
10.1.0.0/16
192.0.2.7
2001:db8::/32
v6:2a00::1-2a00::ff
nonsense
9.9.9.9-9.9.9.1
300.1.1.1-300.1.1.2
`

func TestFormats(t *testing.T) {
	l, err := Parse(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 6 || l.Skipped() != 3 { // two of them touch
		t.Errorf("%d ranges, %d lines skipped", l.Len(), l.Skipped())
	}
	for text, want := range map[string]bool{
		"1.2.2.255": false, "1.2.3.0": true, "1.2.3.255": true, "1.2.4.9": true, "1.2.4.10": false,
		"4.0.0.0": true, "4.0.0.255": true, "4.0.1.0": false, "5.0.0.5": false,
		"10.0.255.255": false, "10.1.0.0": true, "10.1.255.255": true, "10.2.0.0": false,
		"192.0.2.6": false, "192.0.2.7": true, "192.0.2.8": false, "::ffff:192.0.2.7": true,
		"2001:db8::": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false,
		"2a00::": false, "2a00::1": true, "2a00::ff%eth0": true, "2a00::100": false, "::1": false, "0.0.0.0": false,
		"255.255.255.255": false,
	} {
		if got := l.Blocks(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	var none *List
	if none.Blocks(netip.MustParseAddr("1.2.3.4")) || none.Len() != 0 {
		t.Error("no list blocks something")
	}
}

func TestMergeAgainstEachRange(t *testing.T) {
	text := "1.0.0.5-1.0.0.9\n1.0.0.1-1.0.0.6\n1.0.0.10\n0.0.0.0-0.0.0.3\n255.255.255.250-255.255.255.255\n::-::5\n1.0.0.2-1.0.0.3\n"
	l, err := Parse(strings.NewReader(text))
	if err != nil || l.Len() != 4 {
		t.Fatalf("%d ranges, %v", l.Len(), err)
	}
	for i := range 14 {
		a := netip.AddrFrom4([4]byte{1, 0, 0, byte(i)})
		if want := i >= 1 && i <= 10; l.Blocks(a) != want {
			t.Errorf("%s: %v", a, !want)
		}
	}
	for text, want := range map[string]bool{"0.0.0.3": true, "0.0.0.4": false, "255.255.255.255": true, "::5": true, "::6": false} {
		if l.Blocks(netip.MustParseAddr(text)) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzipAndBadLists(t *testing.T) {
	if l, err := Parse(bytes.NewReader(packed(t, sample))); err != nil || l.Len() != 6 {
		t.Errorf("%v, %v", l, err)
	}
	if l, err := Parse(strings.NewReader("# nothing\n")); err != nil || l.Len() != 0 {
		t.Errorf("an empty list: %v", err)
	}
	for name, data := range map[string][]byte{
		"a web page":  []byte("<html>\n<body>sorry</body>\n"),
		"cut gzip":    packed(t, sample)[:60],
		"no gzip":     {0x1f, 0x8b, 1, 2, 3},
		"a long line": []byte(strings.Repeat("x", 100_000)),
	} {
		if _, err := Parse(bytes.NewReader(data)); err == nil {
			t.Errorf("%s is a list", name)
		}
	}
}

func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if _, err := NewKeeper(Config{Source: path}); err == nil {
		t.Error("a list that is not there")
	}
	write := func(text string, at time.Time) { // text and time in one step: the keeper may be looking
		next := path + ".next"
		if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(next, at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	write("1.1.1.1\n", time.Unix(1000, 0))
	a, b := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")
	synctest.Test(t, func(t *testing.T) {
		var told []string
		k, err := NewKeeper(Config{Source: path, Changed: func(l *List, err error) { told = append(told, fmt.Sprint(l.Len(), err != nil)) }})
		if err != nil || !k.Blocks(a) || k.Blocks(b) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Run(ctx) }()
		time.Sleep(3 * lookEvery)
		write("2.2.2.2\n3.3.3.3\n", time.Unix(2000, 0))
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if k.Blocks(a) || !k.Blocks(b) {
			t.Error("the new list is not in force")
		}
		write("<html>\n", time.Unix(3000, 0)) // an accident: the list before stays
		time.Sleep(lookEvery)
		synctest.Wait()
		cancel()
		<-ended
		if !k.Blocks(b) || len(told) < 2 || told[0] != "2 false" || told[1] != "2 true" {
			t.Errorf("told %q", told)
		}
	})
}

func TestURLIsFetchedAndKept(t *testing.T) {
	body := packed(t, "1.1.1.1\n")
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write(body)
	}))
	defer srv.Close()
	cfg := Config{Source: srv.URL, Cache: filepath.Join(t.TempDir(), "blocklist"), Dial: new(net.Dialer).DialContext}
	k, err := NewKeeper(cfg)
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan error)
	k.cfg.Changed = func(_ *List, err error) { changed <- err }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr("1.1.1.1")
	if !k.Blocks(a) {
		t.Error("not in force")
	}
	cancel()
	<-ended
	// The next start has it at once, whatever the server says by then.
	again, err := NewKeeper(cfg)
	if err != nil || !again.Blocks(a) {
		t.Errorf("not kept, %v", err)
	}
	for _, bad := range [][]byte{[]byte("<html>\n"), body[:10]} {
		body = bad
		if err := again.fetch(t.Context()); err == nil || !again.Blocks(a) {
			t.Errorf("%q is taken, %v", bad, err)
		}
	}
	body, status = packed(t, "2.2.2.2\n"), http.StatusNotFound
	if err := again.fetch(t.Context()); err == nil || !again.Blocks(a) {
		t.Errorf("an error page is taken, %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(cfg.Cache), ".blocklist-*"))
	if len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A list that was kept when the clock went ahead is renewed a day later all the
// same.
func TestRow75CacheOfTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := filepath.Join(t.TempDir(), "blocklist")
		if err := os.WriteFile(cache, []byte("1.1.1.1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(cache, time.Time{}, time.Now().Add(5*365*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		tries := make(chan time.Time, 1)
		begin := time.Now()
		k, err := NewKeeper(Config{Source: "http://list.example/", Cache: cache, Dial: func(context.Context, string, string) (net.Conn, error) {
			tries <- time.Now()
			return nil, errors.New("no network")
		}})
		if err != nil || !k.Blocks(netip.MustParseAddr("1.1.1.1")) {
			t.Fatalf("not kept: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Run(ctx) }()
		if at := <-tries; at.Sub(begin) > fetchEvery {
			t.Errorf("fetched after %s", at.Sub(begin))
		}
		cancel()
		<-ended
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add(packed(f, sample))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		for i, s := range l.ranges {
			if s.last.Less(s.first) || !l.Blocks(s.first) || !l.Blocks(s.last) || i > 0 && !l.ranges[i-1].last.Less(s.first) {
				t.Errorf("range %d is %v", i, s)
			}
		}
	})
}

func BenchmarkBlocks(b *testing.B) {
	var text strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&text, "n:%d.%d.%d.0-%d.%d.%d.127\n", 1+i>>16, i>>8&255, i&255, 1+i>>16, i>>8&255, i&255)
	}
	l, err := Parse(strings.NewReader(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	a := netip.MustParseAddr("3.77.9.200")
	for b.Loop() {
		l.Blocks(a)
	}
}
