package interop

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
	"lorrent/daemon/torrent/torrenttest"
	"lorrent/rpc"
)

const (
	churnAddress = "127.0.0.1:" + lorrentPort
	roundLimit   = 10 * time.Minute // for one download among liars
	joinEvery    = 2 * time.Second  // another honest seed and another liar
	stayLimit    = 10 * time.Second
)

// crowd is peers that come to one daemon and leave it again: honest ones,
// liars, and those who only knock. All are on the loopback device of a network
// of their own, where a ban is of one port.
type crowd struct {
	net    *namespace
	seeded crowdTorrent   // by the daemon
	wanted []crowdTorrent // that it downloads again and again

	visits, served, downloads, magnets atomic.Int64
}

// crowdTorrent is a torrent that every member of the crowd knows.
type crowdTorrent struct {
	sample
	info *metainfo.Info
	data []byte
}

func newCrowdTorrent(t *testing.T, name string, size int64) crowdTorrent {
	t.Helper()
	p := payload{name: name, pieceLength: 64 << 10, size: size}
	dir := scratch(t)
	torrent := p.make(t, dir, "")
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return crowdTorrent{sample{payload: p, dir: dir, torrent: torrent, hash: m.Info.Hash}, m.Info, data}
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{net: newNamespace(t), seeded: newCrowdTorrent(t, "seeded", 2<<20+12_345)}
	c.net.ip(t, "link", "set", "lo", "up")
	for i := range 2 {
		c.wanted = append(c.wanted, newCrowdTorrent(t, fmt.Sprintf("wanted %d", i), 2<<20-777))
	}
	return c
}

// visit is a short stay: what it opened is closed at its end, not at the test's.
type visit struct {
	testing.TB
	ends []func()
}

func (v *visit) Cleanup(f func()) { v.ends = append(v.ends, f) }

func (v *visit) end() {
	for _, f := range slices.Backward(v.ends) {
		f()
	}
	v.ends = nil
}

// churn lets the crowd come and go until ctx ends, and returns when all of it
// has left. Everybody has been there once by then.
func (c *crowd) churn(t *testing.T, ctx context.Context, l *lorrent) {
	var members sync.WaitGroup
	member := func(pause time.Duration, stay func() error) {
		members.Go(func() {
			for first := true; first || ctx.Err() == nil; first = false {
				if err := stay(); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				c.visits.Add(1)
				select {
				case <-ctx.Done():
				case <-time.After(pause/2 + rand.N(pause)):
				}
			}
		})
	}
	for range 4 {
		member(200*time.Millisecond, c.leech)
	}
	for range 2 {
		member(50*time.Millisecond, c.knock)
		member(100*time.Millisecond, c.abuse)
	}
	for i, w := range c.wanted {
		member(200*time.Millisecond, func() error { return c.download(t, ctx, l, w, i == 1) })
	}
	members.Wait()
}

// connect calls the daemon. A refusal is none of the crowd's business: the
// daemon may have enough of it.
func (c *crowd) connect() (conn net.Conn, err error) {
	err = c.net.do(func() (err error) {
		conn, err = net.DialTimeout("tcp", churnAddress, stayLimit)
		return err
	})
	return conn, err
}

// leech is an honest leecher that fetches some blocks and leaves, now and then
// in the middle of one.
func (c *crowd) leech() error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	p, err := torrenttest.Introduce(conn, c.options(c.seeded))
	if err != nil {
		return nil // so many others call that it may take too long
	}
	conn.SetDeadline(time.Now().Add(stayLimit))
	p.Say(peerwire.AppendMessage(nil, peerwire.HaveNone), peerwire.AppendMessage(nil, peerwire.Interested))
	left := 1 + rand.IntN(30)
	for {
		m, err := p.Next()
		switch {
		case err != nil:
			return nil // it had no room for us in time
		case m.ID == peerwire.Unchoke:
			for range left {
				p.Say(c.request())
			}
			if left%5 == 0 {
				return nil
			}
		case m.ID == peerwire.Piece:
			if from := int64(m.Index)*c.seeded.info.PieceLength + int64(m.Begin); !bytes.Equal(m.Block, c.seeded.data[from:][:m.Length]) {
				return fmt.Errorf("block at %d of piece %d is not the torrent's", m.Begin, m.Index)
			}
			c.served.Add(1)
			if left--; left == 0 {
				return nil
			}
		}
	}
}

// request is for a random block.
func (c *crowd) request() []byte {
	index := rand.IntN(c.seeded.info.NumPieces())
	begin := rand.Int64N(c.seeded.info.PieceSize(index))
	length := min(c.seeded.info.PieceSize(index)-begin, peerwire.BlockSize)
	return peerwire.AppendBlock(nil, peerwire.Request, uint32(index), uint32(begin), uint32(length))
}

func (c *crowd) options(w crowdTorrent) torrenttest.Options {
	return torrenttest.Options{InfoHash: w.info.Hash, Pieces: w.info.NumPieces()}
}

// seed lets a seed stay until v ends. It calls the daemon, or waits to be called.
func (c *crowd) seed(v *visit, w crowdTorrent, change func(*torrenttest.SeedConfig), call bool) (addr netip.AddrPort) {
	cfg := torrenttest.SeedConfig{Options: c.options(w), Data: w.data, PieceLength: w.info.PieceLength}
	c.truth(w, &cfg)
	change(&cfg)
	_ = c.net.do(func() error { // where its sockets are to be
		s := torrenttest.StartSeed(v, cfg)
		addr = s.Addr()
		if call {
			s.Call(v, churnAddress)
		}
		return nil
	})
	return addr
}

// download lets the daemon have a torrent among honest seeds and liars, looks
// whether it is right, and takes it away again.
func (c *crowd) download(t *testing.T, ctx context.Context, l *lorrent, w crowdTorrent, magnet bool) error {
	v := &visit{TB: t}
	defer v.end()
	honest := func(*torrenttest.SeedConfig) {}
	lie := func() func(*torrenttest.SeedConfig) { return lies[rand.IntN(len(lies))] }
	add := rpc.TorrentAddArgs{Metainfo: w.torrent}
	if magnet {
		add = rpc.TorrentAddArgs{URL: "magnet:?xt=urn:btih:" + w.hash.String()}
		for _, change := range []func(*torrenttest.SeedConfig){honest, lie(), c.gossip(w), c.gossip(w)} {
			add.URL += "&x.pe=" + c.seed(v, w, change, false).String()
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundLimit)
	defer cancel()
	if _, err := l.client.TorrentAdd(ctx, add); err != nil {
		return fmt.Errorf("add %s: %w", w.name, err)
	}
	complete, err := c.company(ctx, l, w, func() {
		c.seed(v, w, lie(), true)
		c.seed(v, w, lie(), true)
		c.seed(v, w, honest, true)
	})
	if err == nil && complete {
		var got []byte
		if got, err = os.ReadFile(filepath.Join(l.dir, w.name)); err == nil && !bytes.Equal(got, w.data) {
			err = fmt.Errorf("%s differs", w.name)
		}
	}
	if _, rerr := l.client.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: w.hash.String(), DeleteData: true}); err == nil && rerr != nil {
		err = fmt.Errorf("remove %s: %w", w.name, rerr)
	}
	if magnet {
		c.magnets.Add(1)
	} else {
		c.downloads.Add(1)
	}
	return err
}

// company lets others join until a torrent is complete.
func (c *crowd) company(ctx context.Context, l *lorrent, w crowdTorrent, join func()) (complete bool, err error) {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	var joined time.Time
	for {
		if time.Since(joined) > joinEvery {
			joined = time.Now()
			join()
		}
		d, err := l.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: w.hash.String()})
		switch {
		case err != nil:
			return false, fmt.Errorf("%s is not complete: %w", w.name, err)
		case d.Error != "":
			return false, fmt.Errorf("%s: %s", w.name, d.Error)
		case seeding(d):
			return true, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false, fmt.Errorf("%s is not complete in %s: %+v", w.name, roundLimit, d)
		}
	}
}
