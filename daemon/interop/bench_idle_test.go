package interop

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"lorrent/rpc"
)

const (
	idlePieces, idlePieceLength = 1000, 1 << 10
	idleFiles                   = 10
	idleTime                    = 70 * time.Second // with what clients do each minute in it
	idleInterval                = 30 * time.Minute // between announces, as trackers ask for
	// idleLot is how many torrents are added before their check is waited for:
	// each keeps its files open, and a process may not have any number of them.
	idleLot = 100
	// addLimit is how long each torrent may take to be added and checked.
	addLimit = 60 * time.Millisecond
	// foreignTorrents is how many the other clients are given: some take a
	// second for each.
	foreignTorrents = 500
)

// lister counts the torrents that a client shows as seeding, from a whole list.
type lister func(context.Context, *http.Client, *lorrent) (seeding int, err error)

var listers = map[string]lister{"transmission": listTransmission, "qbittorrent": listQBittorrent}

// idle measures a start with many torrents that are complete and that nobody
// wants. aria2 remembers none, and rTorrent has no list over HTTP.
func (b *benchmark) idle(t *testing.T) {
	idle := *b
	idle.interval = idleInterval
	b = &idle
	for _, n := range b.torrents {
		data := scratch(t)
		torrents := makeIdle(t, data, n)
		var contenders []contender
		for _, c := range b.contenders {
			if c.port != seedPort || listers[c.name] != nil && n <= foreignTorrents {
				contenders = append(contenders, c)
			}
		}
		standings := b.alternate(t, contenders, func(t *testing.T, c contender) run { return b.idleRun(t, c, data, torrents) })
		first := wallColumn
		first.title = "first list s"
		table(fmt.Sprintf("idle: %d torrents of %d pieces and %d files", n, idlePieces, idleFiles), standings, first, idleColumns)
	}
}

// makeIdle makes torrents whose payload is holes.
func makeIdle(t *testing.T, dir string, n int) (torrents [][]byte) {
	t.Helper()
	const size = idlePieces * idlePieceLength / idleFiles
	sum := sha1.Sum(make([]byte, idlePieceLength))
	pieces := string(bytes.Repeat(sum[:], idlePieces))
	for i := range n {
		name := fmt.Sprintf("idle-%05d", i)
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		var files []any
		for f := range idleFiles {
			path := fmt.Sprintf("file-%d", f)
			files = append(files, map[string]any{"length": size, "path": []string{path}})
			if err := touch(filepath.Join(dir, name, path)); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, name, path), size); err != nil {
				t.Fatal(err)
			}
		}
		torrent, err := bencode.Marshal(map[string]any{"announce": announceURL, "info": map[string]any{
			"files": files, "name": name, "piece length": idlePieceLength, "pieces": pieces}})
		if err != nil {
			t.Fatal(err)
		}
		torrents = append(torrents, torrent)
	}
	return torrents
}

// idleRun starts the contender without torrents, gives it all and lets it check
// them, stops it, and measures what comes after the next start.
func (b *benchmark) idleRun(t *testing.T, c contender, data string, torrents [][]byte) run {
	ctx := beginFor(t, 2*runLimit+time.Duration(len(torrents))*addLimit)
	a := b.newArena(t, nil, nil)
	j := newJob(t, a.ours, data)
	j.measured = true
	r := run{bytes: int64(len(torrents))}

	s := b.startIdle(t, ctx, c, a, j)
	s.await(t, ctx, 0)
	awaitIdle(t, ctx, s.process)
	r.residentZero = memory(s.cmd.Process.Pid, "VmRSS")
	s.add(t, ctx, torrents)
	s.await(t, ctx, len(torrents))
	s.stop(t)

	r.busy = quiet()
	began := time.Now()
	s = b.startIdle(t, ctx, c, a, j)
	s.await(t, ctx, len(torrents))
	r.wall = time.Since(began).Seconds()
	t.Logf("the first list of %d after %.2f s", len(torrents), r.wall)
	start := s.cpuSoFar()
	if s.ours != nil {
		await(t, ctx, "announces", func() (bool, error) { return a.announces() >= 2*len(torrents), s.alive() })
	}
	awaitIdle(t, ctx, s.process)
	// Announcing them all again costs less than that, with a look at their files.
	announcing := s.cpuSoFar() - start
	again := time.Now()
	if n, err := s.list(ctx, s.http, s.ours); n != len(torrents) || err != nil {
		t.Fatalf("%d torrents, %v", n, err)
	}
	r.relist = time.Since(again).Seconds()
	before := s.cpuSoFar()
	time.Sleep(idleTime)
	r.idleCPU = (s.cpuSoFar()-before)/idleTime.Seconds() + announcing/idleInterval.Seconds()
	r.resident = memory(s.cmd.Process.Pid, "VmRSS")
	s.stop(t)
	return r
}

// idler is a contender that holds torrents.
type idler struct {
	*process
	list   lister
	http   *http.Client
	ours   *lorrent // nil when it is another client
	folder string   // for .torrent files
}

func (b *benchmark) startIdle(t *testing.T, ctx context.Context, c contender, a *arena, j job) *idler {
	t.Helper()
	// Dials from inside the namespace, where the clients listen.
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = j.namespace.do(func() error {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	s := &idler{list: listers[c.name], http: &http.Client{Transport: transport}, folder: j.folder}
	p := c.launch(t, ctx, a, j)
	s.process = p.process
	if s.list == nil {
		s.list, s.ours = listLorrent, p.ours
	}
	return s
}

// await waits until so many torrents are listed as complete.
func (s *idler) await(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	awaitEvery(t, ctx, 2*time.Millisecond, "list of all torrents", func() (bool, error) {
		listed, err := s.list(ctx, s.http, s.ours)
		return err == nil && listed == n, s.alive()
	})
}

// add gives the torrents to the running client.
func (s *idler) add(t *testing.T, ctx context.Context, torrents [][]byte) {
	t.Helper()
	for i, torrent := range torrents {
		switch {
		case s.ours != nil:
			s.ours.add(t, ctx, torrent)
			if (i+1)%idleLot == 0 {
				s.await(t, ctx, i+1)
			}
		case s.name == qbittorrent.program:
			if err := addQBittorrent(ctx, s.http, torrent); err != nil {
				t.Fatal(err)
			}
		default:
			if err := os.WriteFile(filepath.Join(s.folder, fmt.Sprintf("idle%d.torrent", i)), torrent, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func listLorrent(ctx context.Context, _ *http.Client, l *lorrent) (seeding int, err error) {
	reply, err := l.client.TorrentList(ctx, rpc.Empty{})
	for _, torrent := range reply.Torrents {
		if torrent.State == rpc.StateSeeding {
			seeding++
		}
	}
	return seeding, err
}
