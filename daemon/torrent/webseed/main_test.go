package webseed

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files of the torrent in these tests, with ends at odd places.
var files = map[string]int64{"a/first.bin": 100_001, "b/empty": 0, "c/one": 1, "d/ü & more?.bin": 300_007}

// library is a torrent, and a folder that holds its files.
type library struct {
	dir  string
	info *metainfo.Info
	data []byte // of the whole torrent
}

func newLibrary(t testing.TB, files map[string]int64) *library {
	t.Helper()
	l := &library{dir: t.TempDir()}
	random := rand.NewChaCha8([32]byte{1})
	root := filepath.Join(l.dir, "payload")
	for name, size := range files {
		b := make([]byte, size)
		random.Read(b)
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := metainfo.Build(root, metainfo.BuildOptions{PieceLength: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	m, err := metainfo.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	l.info = m.Info
	for _, f := range l.info.Files {
		b, err := os.ReadFile(filepath.Join(l.dir, filepath.Join(f.Path...)))
		if err != nil {
			t.Fatal(err)
		}
		l.data = append(l.data, b...)
	}
	return l
}

// server serves the library's folder by way of handler.
type server struct {
	*httptest.Server
	requests, conns atomic.Int64
	ranges          chan string // of the requests, as far as there is room
}

func (l *library) serve(t testing.TB, wrap func(http.Handler) http.Handler) *server {
	t.Helper()
	s := &server{ranges: make(chan string, 1000)}
	var h http.Handler = http.FileServer(http.Dir(l.dir))
	if wrap != nil {
		h = wrap(h)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		select {
		case s.ranges <- r.URL.Path + " " + r.Header.Get("Range"):
		default:
		}
		h.ServeHTTP(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func newTestClient(t testing.TB, cfg ClientConfig) *Client {
	c := NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

// leech asks a seed for blocks, as the engine does, and collects what comes.
type leech struct {
	conn  net.Conn
	r     *peerwire.Reader
	ended chan error
	cfg   Config
}

func (l *library) leech(t testing.TB, cfg Config) *leech {
	t.Helper()
	cfg.Info = l.info
	if cfg.Client == nil {
		cfg.Client = newTestClient(t, ClientConfig{})
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	ours.SetDeadline(time.Now().Add(patience))
	x := &leech{conn: ours, r: peerwire.NewReader(ours, (l.info.NumPieces()+7)/8), ended: make(chan error, 1), cfg: cfg}
	go func() { x.ended <- s.Serve(context.Background(), theirs) }()
	return x
}

// blocks are the requests for one piece.
func (l *library) blocks(piece int) (list [][3]uint32) {
	size := uint32(l.info.PieceSize(piece))
	for begin := uint32(0); begin < size; begin += peerwire.BlockSize {
		list = append(list, [3]uint32{uint32(piece), begin, min(peerwire.BlockSize, size-begin)})
	}
	return list
}

func (l *library) allBlocks() (list [][3]uint32) {
	for p := range l.info.NumPieces() {
		list = append(list, l.blocks(p)...)
	}
	return list
}

func request(list [][3]uint32) (b []byte) {
	for _, r := range list {
		b = peerwire.AppendBlock(b, peerwire.Request, r[0], r[1], r[2])
	}
	return b
}

// fetch asks for blocks and checks each that comes. It returns how the seed
// ended when it did before all had come, and closes the connection at the end.
func (x *leech) fetch(t testing.TB, l *library, list [][3]uint32) error {
	t.Helper()
	written := make(chan struct{})
	go func() { defer close(written); x.conn.Write(request(list)) }()
	err := x.collect(t, l, len(list))
	x.conn.Close()
	<-written
	ended := <-x.ended
	if err == nil && ended != nil {
		t.Errorf("seed ended with %v after all had come", ended)
	}
	if err != nil && ended == nil {
		t.Errorf("%v, and the seed does not say why", err)
	}
	return ended
}

func (x *leech) collect(t testing.TB, l *library, n int) error {
	for n > 0 {
		m, err := x.r.Next()
		if err != nil {
			return err
		}
		if m.ID != peerwire.Piece {
			continue
		}
		got := make([]byte, m.Length)
		if err := x.r.ReadBlock(got, nil); err != nil {
			return err
		}
		at := int64(m.Index)*l.info.PieceLength + int64(m.Begin)
		if !bytes.Equal(got, l.data[at:at+int64(m.Length)]) {
			return fmt.Errorf("block at %d of piece %d is wrong", m.Begin, m.Index)
		}
		n--
	}
	return nil
}

// wantError checks what a failure says.
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one with %q", err, want)
	}
}
