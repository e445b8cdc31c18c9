package interop

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

const (
	announceURL = "http://" + theirIPv4 + ":" + trackerPort + "/announce"
	seedPort    = 6881
	firstSeed   = 11 // the last number of its address
	// python is Debian's, which has its package python3-libtorrent.
	python = "/usr/bin/python3"
	// socketBuffer is what TCP may keep for one connection: a second of Gbit/s.
	socketBuffer = 128 << 20
)

//go:embed libtorrent.py
var libtorrentScript string

// sample is a payload that has been made.
type sample struct {
	payload
	dir     string
	torrent []byte
	hash    metainfo.Hash
}

func newSample(t *testing.T, p payload) sample {
	t.Helper()
	s := sample{payload: p, dir: scratch(t)}
	s.torrent = p.make(t, s.dir, announceURL)
	m, err := metainfo.Parse(s.torrent)
	if err != nil {
		t.Fatal(err)
	}
	s.hash, s.size, s.pieceLength = m.Info.Hash, m.Info.TotalLength, m.Info.PieceLength
	return s
}

// sampleOf is a single file of pieces as long as the benchmark was told, or
// about a thousand of them.
func (b *benchmark) sampleOf(t *testing.T, name string, size int64) sample {
	t.Helper()
	length := b.piece
	for length = max(length, 32<<10); b.piece == 0 && length < size/1024; {
		length *= 2
	}
	return newSample(t, payload{name: name, pieceLength: length, size: size})
}

func total(samples []sample) (bytes int64) {
	for _, s := range samples {
		bytes += s.size
	}
	return bytes
}

// arena is where one run takes place: the contender on our side; the tracker,
// and the others, on theirs. All of it is made anew for each run.
type arena struct {
	network
	announces func() int
	samples   []sample
	seeds     []*process
	sentFiles []string // of the seeds
	lorrent   *lorrent // as seed
	utp       bool     // instead of TCP
}

func (b *benchmark) newArena(t *testing.T, l *link, samples []sample) *arena {
	t.Helper()
	a := &arena{samples: samples}
	if l == nil {
		a.network = newNetwork(t, onlyIPv4)
	} else {
		a.network = newDelayedNetwork(t, *l)
	}
	for _, n := range []*namespace{a.ours, a.theirs} {
		// By route, since a namespace may not choose any as its default.
		n.ip(t, "route", "change", "10.77.0.0/24", "dev", "cable", "congctl", b.congestion)
		if l != nil {
			n.sysctl(t, "ipv4/tcp_rmem", fmt.Sprintf("4096 131072 %d", socketBuffer))
			n.sysctl(t, "ipv4/tcp_wmem", fmt.Sprintf("4096 16384 %d", socketBuffer))
		}
	}
	a.announces = startTrackerEvery(t, a.theirs, a.peerAddr, b.interval).Announces
	return a
}

// address gives each of the others its own: many clients take only one peer of
// an address.
func (a *arena) address(t *testing.T, i int) string {
	t.Helper()
	addr := fmt.Sprintf("10.77.0.%d", firstSeed+i)
	a.theirs.ip(t, "addr", "add", addr+"/24", "dev", "cable")
	return addr
}

// startSeeds starts n seeds of all samples, each with its rate in bytes per
// second, and tells the tracker of them.
func (a *arena) startSeeds(t *testing.T, ctx context.Context, kind string, n int, rate int64) {
	t.Helper()
	if kind == "lorrent" {
		a.startLorrentSeed(t, ctx)
		return
	}
	for i := range n {
		order := a.order(t, a.address(t, i))
		order.Seed, order.Rate = true, rate
		for _, s := range a.samples {
			order.Torrents = append(order.Torrents, [2]string{writeTorrent(t, s), s.dir})
		}
		p := startOther(t, a.theirs, kind, order)
		awaitEvery(t, ctx, time.Millisecond, "a seed", func() (bool, error) { return exists(order.Ready), p.alive() })
		a.seeds, a.sentFiles = append(a.seeds, p), append(a.sentFiles, order.Sent)
		for _, s := range a.samples {
			a.announce(t, order.Address, i, s.hash)
		}
	}
}

// seedAddress is where the first seed listens.
func (a *arena) seedAddress() string {
	if a.lorrent != nil {
		return net.JoinHostPort(a.peerAddr, lorrentPort)
	}
	return fmt.Sprintf("10.77.0.%d:%d", firstSeed, seedPort)
}

func (a *arena) startLorrentSeed(t *testing.T, ctx context.Context) {
	t.Helper()
	program, err := buildDaemon()
	if err != nil {
		t.Fatal(err)
	}
	a.lorrent = launchLorrent(t, a.theirs, program, scratch(t), a.samples[0].dir, a.flags()...)
	a.lorrent.awaitRPC(t, ctx)
	for _, s := range a.samples {
		r, err := a.lorrent.client.TorrentAdd(ctx, rpc.TorrentAddArgs{Metainfo: s.torrent, Dir: s.dir})
		if err != nil {
			t.Fatal(err)
		}
		a.lorrent.awaitTorrent(t, ctx, r.Torrent.InfoHash, "the seed", func(d rpc.TorrentDetail) bool { return seeding(d) && announced(d) })
	}
	a.seeds = append(a.seeds, a.lorrent.process)
}

// order names the files of a seed or leecher.
func (a *arena) order(t *testing.T, addr string) seedOrder {
	dir := scratch(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	return seedOrder{Address: addr, Port: seedPort, UTP: a.utp, Go: in("go"), Ready: in("ready"), Sent: in("sent"), Done: in("done")}
}

func writeTorrent(t *testing.T, s sample) string {
	t.Helper()
	path := filepath.Join(scratch(t), "sample.torrent")
	if err := os.WriteFile(path, s.torrent, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// startOther starts a seed or leecher that is no contender.
func startOther(t *testing.T, n *namespace, kind string, order seedOrder) *process {
	t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "minimal" {
		return startRole(t, n, filepath.Dir(order.Ready), "seed", string(text))
	}
	need(t, python, "python3-libtorrent")
	return start(t, n, filepath.Dir(order.Ready), python, "-c", libtorrentScript, string(text))
}

// announce tells the tracker of a seed in its place, from its address.
func (a *arena) announce(t *testing.T, addr string, i int, hash metainfo.Hash) {
	t.Helper()
	var conn net.Conn
	err := a.theirs.do(func() (err error) {
		from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 0))
		conn, err = (&net.Dialer{LocalAddr: from}).Dial("tcp", net.JoinHostPort(a.peerAddr, trackerPort))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := url.Values{"info_hash": {string(hash[:])}, "peer_id": {fmt.Sprintf("-XX0001-seed%08d", i)},
		"port": {strconv.Itoa(seedPort)}, "uploaded": {"0"}, "downloaded": {"0"}, "left": {"0"}, "event": {"started"}, "compact": {"1"}}
	fmt.Fprintf(conn, "GET /announce?%s HTTP/1.0\r\n\r\n", query.Encode())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || strings.Contains(string(b), "failure") {
		t.Fatalf("announce of a seed: %s %q", resp.Status, b)
	}
}

// sent is the payload bytes that the seeds have sent, by their own count.
func (a *arena) sent(t *testing.T, ctx context.Context) (bytes int64) {
	t.Helper()
	if a.lorrent != nil {
		list, err := a.lorrent.client.TorrentList(ctx, rpc.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		for _, torrent := range list.Torrents {
			bytes += torrent.UploadedBytes
		}
	}
	for _, path := range a.sentFiles {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0
		}
		n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		bytes += n
	}
	return bytes
}

// seedCPU is the seconds that the seeds have used.
func (a *arena) seedCPU() (seconds float64) {
	for _, p := range a.seeds {
		seconds += p.cpuSoFar()
	}
	return seconds
}
