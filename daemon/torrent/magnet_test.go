package torrent

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lorrent/daemon/torrent/metadata"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
)

func linkTo(h metainfo.Hash, trackers [][]string, peers ...netip.AddrPort) string {
	link := "magnet:?xt=urn:btih:" + h.String() + "&dn=linked"
	for _, tier := range trackers {
		for _, u := range tier {
			link += "&tr=" + url.QueryEscape(u)
		}
	}
	for _, p := range peers {
		link += "&x.pe=" + p.String()
	}
	return link
}

func addMagnet(t testing.TB, n *node, link string, o AddOptions) metainfo.Hash {
	t.Helper()
	st, dup, err := n.AddMagnet(ctx, link, o)
	if err != nil || dup {
		t.Fatalf("AddMagnet: duplicate %v, %v", dup, err)
	}
	return st.InfoHash
}

func (n *node) address() netip.AddrPort { return netip.MustParseAddrPort(n.Stats().ListenAddress) }

func inMetadata(s Status) bool { return s.State == Metadata }

func TestMagnetBetweenEngines(t *testing.T) {
	http, udp := startTracker(t)
	cases := []struct {
		name     string
		piece    int64
		trackers [][]string
		sizes    []int
	}{
		{"single file", 64 << 10, http, []int{3<<20 + 12345}},
		{"several files, several metadata pieces", 16 << 10, udp, []int{1, 0, 40_000, 40 << 20, 77_777}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			seedDir := t.TempDir()
			torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", c.piece, c.trackers, c.sizes...)
			seed := startNode(t, seedDir, nil)
			h := add(t, seed, torrent)
			seed.waitFor(t, h, "seed finds its data", seeding)
			leech := startNode(t, t.TempDir(), nil)
			addMagnet(t, leech, linkTo(h, c.trackers), AddOptions{})
			st := leech.waitFor(t, h, "download", seeding)
			if want, got := treeSum(t, filepath.Join(seed.dir, "payload")), treeSum(t, filepath.Join(leech.dir, "payload")); want != got {
				t.Error("content differs")
			}
			if st.Name != "payload" || st.NumPieces == 0 || st.DownloadedBytes > st.TotalBytes+st.TotalBytes/20 {
				t.Errorf("%+v", st)
			}
			// It goes on like any other, and gives the info to the next.
			seed.stop(t)
			leech = leech.restart(t)
			leech.waitFor(t, h, "seeding after a restart", seeding)
			third := startNode(t, t.TempDir(), nil)
			addMagnet(t, third, linkTo(h, nil, leech.address()), AddOptions{})
			third.waitFor(t, h, "download from a link's peer", seeding)
		})
	}
}

// giver serves the info dictionary, and lies if it is told to.
type giver struct {
	torrenttest.SeedConfig
	info []byte
	size int // claimed; len(info) when 0
	// say answers a request for a piece; nil is the truth.
	say func(p *torrenttest.Peer, id uint8, piece int)

	mu     sync.Mutex
	closed int // connections that the engine ended
	asked  int
}

func (g *giver) counts() (closed, asked int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed, g.asked
}

// start listens and serves until the test ends.
func (g *giver) start(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			conns = append(conns, conn)
			g.mu.Unlock()
			wg.Go(func() { g.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		g.mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		g.mu.Unlock()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func (g *giver) serve(conn net.Conn) {
	defer conn.Close()
	p, err := torrenttest.Introduce(conn, g.Options)
	if err != nil {
		return
	}
	size := g.size
	if size == 0 {
		size = len(g.info)
	}
	p.Say(peerwire.AppendMessage(nil, peerwire.HaveAll), extended(fmt.Sprintf("d1:md11:ut_metadatai3ee13:metadata_sizei%dee", size)),
		peerwire.AppendMessage(nil, peerwire.Unchoke))
	for {
		m, err := p.Next()
		if err != nil {
			g.mu.Lock()
			g.closed++
			g.mu.Unlock()
			return
		}
		switch {
		case m.ID == peerwire.Request:
			p.Say(g.Block(m.Message))
		case m.ID == peerwire.Extended && m.Extension == 3:
			ask, err := metadata.Decode(m.Bytes)
			if err != nil {
				return
			}
			g.mu.Lock()
			g.asked++
			g.mu.Unlock()
			if g.say != nil {
				g.say(p, extendedMetadata, ask.Piece)
				continue
			}
			p.Say(peerwire.AppendExtended(nil, extendedMetadata, metadata.AppendData(nil, g.info, ask.Piece)))
		}
	}
}

// linked is a torrent with a large enough info dictionary, its payload, and
// an honest giver's description.
func linked(t testing.TB) (m *metainfo.MetaInfo, honest func() *giver) {
	t.Helper()
	dir := t.TempDir()
	torrent := makePayload(t, dir, "payload", 1<<10, nil, 3<<20) // 3072 pieces, 60 KiB of hashes
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "payload"))
	if err != nil {
		t.Fatal(err)
	}
	return m, func() *giver {
		return &giver{info: m.Info.Bytes, SeedConfig: torrenttest.SeedConfig{
			Options: torrenttest.Options{InfoHash: m.Info.Hash, Pieces: m.Info.NumPieces()}, Data: data, PieceLength: m.Info.PieceLength}}
	}
}

func TestMetadataLiars(t *testing.T) {
	m, honest := linked(t)
	type peer = torrenttest.Peer
	raw := func(payload string) func(*peer, uint8, int) {
		return func(p *peer, id uint8, _ int) { p.Say(peerwire.AppendExtended(nil, id, []byte(payload))) }
	}
	spoilt := bytes.Clone(m.Info.Bytes)
	spoilt[len(spoilt)-10] ^= 1
	cases := []struct {
		name   string
		size   int
		say    func(p *peer, id uint8, piece int)
		closed bool // the liar is dropped
	}{
		{"smaller size", 20_000, func(p *peer, id uint8, piece int) {
			p.Say(peerwire.AppendExtended(nil, id, metadata.AppendData(nil, m.Info.Bytes[:20_000], piece)))
		}, true},
		{"larger size", metadata.MaxSize, func(p *peer, id uint8, piece int) {
			p.Say(peerwire.AppendExtended(nil, id, metadata.AppendData(nil, make([]byte, metadata.MaxSize), piece)))
		}, false},
		{"size beyond any", metadata.MaxSize + 1, nil, true},
		{"negative size", -5, nil, true},
		{"wrong data", 0, func(p *peer, id uint8, piece int) {
			p.Say(peerwire.AppendExtended(nil, id, metadata.AppendData(nil, spoilt, piece)))
		}, false},
		{"endless", 0, func(p *peer, id uint8, piece int) {
			b := peerwire.AppendExtended(nil, id, metadata.AppendData(nil, spoilt, 0))
			for range 1000 {
				if _, err := p.Write(b); err != nil {
					return
				}
			}
		}, false},
		{"piece -1", 0, raw("d8:msg_typei1e5:piecei-1eex"), true},
		{"piece out of range", 0, raw("d8:msg_typei1e5:piecei1000eex"), true},
		{"no dictionary", 0, raw("i1e"), true},
		{"reject all", 0, func(p *peer, id uint8, piece int) {
			p.Say(peerwire.AppendExtended(nil, id, metadata.AppendReject(nil, piece)))
		}, false},
		{"silence", 0, func(*peer, uint8, int) {}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, t.TempDir(), nil)
			liar := honest()
			liar.size, liar.say = c.size, c.say
			h := addMagnet(t, n, linkTo(m.Info.Hash, nil, liar.start(t)), AddOptions{})
			n.eventually(t, "the liar is met", func() bool {
				closed, asked := liar.counts()
				return closed+asked > 0
			})
			if c.closed {
				n.eventually(t, "the liar is dropped", func() bool { closed, _ := liar.counts(); return closed > 0 })
				n.eventually(t, "the liar is forgotten", func() (forgotten bool) {
					n.do(t, h, func(s *session) { forgotten = s.seeking.fetch.Peers() <= len(s.swarm.peers) })
					return forgotten
				})
			}
			if st := n.waitFor(t, h, "still looking", func(Status) bool { return true }); st.State != Metadata || st.NumPieces != 0 {
				t.Errorf("after the liar: %+v", st)
			}
			truth := honest()
			addr := truth.start(t)
			n.do(t, h, func(s *session) { s.learn([]netip.AddrPort{addr}, "tracker") })
			n.waitFor(t, h, "download", seeding)
			if held := n.seekingBytes.Load(); held != 0 {
				t.Errorf("%d bytes of metadata counted for nothing", held)
			}
			if b, err := n.store.Info(h); err != nil || sha1.Sum(b) != h {
				t.Errorf("stored info: %d bytes, %v", len(b), err)
			}
			if got, err := os.ReadFile(filepath.Join(n.dir, "payload")); err != nil || !bytes.Equal(got, truth.Data) {
				t.Errorf("content differs, %v", err)
			}
		})
	}
}

func (n *node) eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		<-tick.C
	}
}

// What a peer says of its pieces before we know how many there are.
func TestEarlyMessages(t *testing.T) {
	m, honest := linked(t)
	n := m.Info.NumPieces()
	full := bytes.Repeat([]byte{0xff}, n/8)
	cases := []struct {
		name   string
		say    []byte
		closed bool // at once
		late   bool // as soon as the info is there
	}{
		{"bitfield", peerwire.AppendBitfield(nil, full), false, false},
		{"empty bitfield", peerwire.AppendBitfield(nil, nil), false, true},
		{"largest bitfield", peerwire.AppendBitfield(nil, make([]byte, maxEarlyBitfield)), false, true},
		{"bitfield beyond any", peerwire.AppendBitfield(nil, make([]byte, maxEarlyBitfield+1)), true, false},
		{"have", bytes.Join([][]byte{have(1), have(uint32(n - 1)), have(1)}, nil), false, false},
		{"have after a bitfield", append(peerwire.AppendBitfield(nil, make([]byte, n/8)), have(7)...), false, false},
		{"have beyond the last", have(uint32(n)), false, true},
		{"have beyond any", have(8 * maxEarlyBitfield), true, false},
		{"many haves", func() (b []byte) {
			for i := range 100_000 {
				b = append(b, have(uint32(i%(8*maxEarlyBitfield)))...)
			}
			return b
		}(), false, true},
		{"allowed fast beyond the last", peerwire.AppendIndex(nil, peerwire.AllowedFast, uint32(n)), false, true},
		{"request", request(0, 0, 1000), false, false},
		{"request for metadata", peerwire.AppendExtended(nil, extendedMetadata, metadata.AppendRequest(nil, 0)), false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			nd := startNode(t, t.TempDir(), nil)
			h := addMagnet(t, nd, linkTo(m.Info.Hash, nil), AddOptions{})
			p := torrenttest.Dial(t, nd.Stats().ListenAddress, torrenttest.Options{InfoHash: h, Pieces: n})
			p.Say(extended("d1:md11:ut_metadatai3eee"), c.say, make([]byte, 4))
			if c.closed {
				p.ExpectClosed(t)
			} else {
				nd.eventually(t, "the peer is met", func() bool { return nd.List()[0].Peers == 1 })
			}
			truth := honest()
			addr := truth.start(t)
			nd.do(t, h, func(s *session) { s.learn([]netip.AddrPort{addr}, "tracker") })
			if c.late {
				p.ExpectClosed(t)
			} else if !c.closed {
				p.ExpectThat(t, "the size of the info", func(m torrenttest.Message) bool {
					return m.ID == peerwire.Extended && m.Extension == 0 && strings.Contains(string(m.Bytes), "13:metadata_sizei")
				})
			}
			nd.waitFor(t, h, "download", seeding)
		})
	}
}

func TestMagnetSurvives(t *testing.T) {
	t.Parallel()
	m, honest := linked(t)
	silent := honest()
	silent.say = func(*torrenttest.Peer, uint8, int) {}
	dir := t.TempDir()
	n := startNode(t, dir, nil)
	h := addMagnet(t, n, linkTo(m.Info.Hash, nil, silent.start(t)), AddOptions{})
	n.eventually(t, "metadata is asked for", func() bool { _, asked := silent.counts(); return asked > 0 })

	// What is in the file now is what a kill would leave.
	killed := t.TempDir()
	b, err := os.ReadFile(n.db)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed, "lorrent.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	n.stop(t)
	for _, dir := range []string{dir, killed} {
		n := startNode(t, dir, nil)
		if st := n.waitFor(t, h, "looking again", inMetadata); st.Name != "linked" {
			t.Errorf("%+v", st)
		}
		truth := honest()
		addr := truth.start(t)
		n.do(t, h, func(s *session) { s.learn([]netip.AddrPort{addr}, "tracker") })
		n.waitFor(t, h, "metadata", func(s Status) bool { return s.NumPieces > 0 })
		n = n.restart(t)
		n.do(t, h, func(s *session) { s.learn([]netip.AddrPort{addr}, "tracker") })
		n.waitFor(t, h, "download", seeding)
		n.stop(t)
	}
}

func TestMagnetCommands(t *testing.T) {
	t.Parallel()
	m, honest := linked(t)
	n := startNode(t, t.TempDir(), nil)
	for _, link := range []string{"", "magnet:?dn=x", "http://a.example/"} {
		if _, _, err := n.AddMagnet(ctx, link, AddOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", link, err)
		}
	}
	truth := honest()
	link := linkTo(m.Info.Hash, nil, truth.start(t))
	h := addMagnet(t, n, link, AddOptions{Paused: true})
	if st, dup, err := n.AddMagnet(ctx, link, AddOptions{}); err != nil || !dup || st.State != Stopped {
		t.Errorf("again: %+v, %v, %v", st, dup, err)
	}
	if d, err := n.Get(ctx, h); err != nil || d.State != Stopped || len(d.Files) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if err := n.Recheck(ctx, h); !errors.Is(err, ErrNoMetadata) {
		t.Errorf("recheck: %v", err)
	}
	for range maxFailures + 1 { // a call that we break off says nothing about the peer
		if err := n.Start(ctx, h); err != nil {
			t.Fatal(err)
		}
		if err := n.Stop(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	n.waitFor(t, h, "stopped", func(s Status) bool { return s.State == Stopped })
	if err := n.Start(ctx, h); err != nil {
		t.Fatal(err)
	}
	n.waitFor(t, h, "download", seeding)
	if err := n.Remove(ctx, h, true); err != nil {
		t.Fatal(err)
	}

	// One that never got anywhere is removed too.
	addMagnet(t, n, linkTo(m.Info.Hash, nil), AddOptions{})
	n.waitFor(t, h, "looking", inMetadata)
	if err := n.Remove(ctx, h, true); err != nil {
		t.Fatal(err)
	}
	if len(n.List()) != 0 {
		t.Error("still there")
	}
}

// The .torrent of a link that still looks for its metadata ends the search.
func TestMagnetSupplied(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		dir := t.TempDir()
		torrent := makePayload(t, filepath.Join(dir, "data"), "payload", 1<<14, nil, 100_000)
		m, err := metainfo.Parse(torrent)
		if err != nil {
			t.Fatal(err)
		}
		n := startNode(t, dir, nil)
		h := addMagnet(t, n, linkTo(m.Info.Hash, nil), AddOptions{Paused: paused})
		if _, dup, err := n.Add(ctx, torrent, AddOptions{}); err != nil || !dup {
			t.Fatalf("Add: duplicate %v, %v", dup, err)
		}
		if stored, err := n.store.Info(h); err != nil || !bytes.Equal(stored, m.Info.Bytes) {
			t.Errorf("Add answered before the metadata was durable: %v", err)
		}
		n.waitFor(t, h, "metadata", func(s Status) bool { return s.NumPieces > 0 })
		if paused {
			if err := n.Start(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
		n.waitFor(t, h, "its data is found", seeding)
	}
}

// An info dictionary whose hash is right and whose content makes no sense.
func TestMagnetOfNonsense(t *testing.T) {
	t.Parallel()
	_, honest := linked(t)
	g := honest()
	g.info = []byte("d6:lengthi1e4:name2:..12:piece lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaae")
	g.InfoHash = sha1.Sum(g.info)
	n := startNode(t, t.TempDir(), nil)
	h := addMagnet(t, n, linkTo(g.InfoHash, nil, g.start(t)), AddOptions{})
	if st := n.waitFor(t, h, "failure", failed); !strings.Contains(st.Error, "metadata: metainfo: name") {
		t.Errorf("error %q", st.Error)
	}
}

// How metadata is given: by pieces, with an end to it.
func TestMetadataGiven(t *testing.T) {
	t.Parallel()
	s := newScene(t, nil)
	p := s.dial(t)
	p.Say(extended("d1:md11:ut_metadatai9eee"))
	p.ExpectThat(t, "an offer", func(m torrenttest.Message) bool {
		return m.ID == peerwire.Extended && m.Extension == 0 &&
			strings.Contains(string(m.Bytes), "11:ut_metadatai1e") && strings.Contains(string(m.Bytes), fmt.Sprintf("13:metadata_sizei%de", len(s.info.Bytes)))
	})
	ask := func(piece int) metadata.Message {
		t.Helper()
		p.Say(peerwire.AppendExtended(nil, extendedMetadata, metadata.AppendRequest(nil, piece)))
		m := p.ExpectThat(t, "an answer", func(m torrenttest.Message) bool { return m.ID == peerwire.Extended && m.Extension == 9 })
		answer, err := metadata.Decode(m.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for range metadataCopies {
		if m := ask(0); m.Type != metadata.Data || !bytes.Equal(m.Payload, s.info.Bytes) {
			t.Fatalf("%+v", m)
		}
	}
	for _, piece := range []int{0, 1, 1000} {
		if m := ask(piece); m.Type != metadata.Reject || m.Piece != piece {
			t.Errorf("piece %d: %+v", piece, m)
		}
	}
	p.Say(bytes.Repeat(peerwire.AppendExtended(nil, extendedMetadata, metadata.AppendRequest(nil, 0)), maxExcess+1))
	p.ExpectClosed(t)
	p = s.dial(t)
	p.Say(extended("d1:md11:ut_metadatai9eee"), peerwire.AppendExtended(nil, extendedMetadata, []byte("d8:msg_typei0e5:piecei-1ee")))
	p.ExpectClosed(t)
	s.completes(t)
}
