package torrent

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"lorrent/daemon/torrent/outbound"
)

// socksProxy is a SOCKS5 proxy that needs no login and remembers where it was
// asked to connect. Names lead to hosts.
type socksProxy struct {
	addr  string
	mu    sync.Mutex
	asked []string
}

func startSOCKS(t testing.TB, hosts map[string]string) *socksProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &socksProxy{addr: l.Addr().String()}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); p.serve(c, hosts) })
		}
	})
	return p
}

func (p *socksProxy) serve(c net.Conn, hosts map[string]string) {
	r := bufio.NewReader(c)
	read := func(n int) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
	read(int(read(2)[1]))
	c.Write([]byte{5, 0})
	target := ""
	switch head := read(4); head[3] {
	case 1:
		b := read(6)
		target = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[4:])).String()
	case 3:
		name := string(read(int(read(1)[0])))
		read(2)
		target = name
	}
	p.mu.Lock()
	p.asked = append(p.asked, target)
	p.mu.Unlock()
	if to, ok := hosts[target]; ok {
		target = to
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer out.Close()
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { io.Copy(out, r); out.Close() }()
	io.Copy(c, out)
}

// Trackers, peers and web seeds are reached through the proxy, names are
// resolved there, and nobody can call past it.
func TestEverythingGoesThroughTheProxy(t *testing.T) {
	t.Parallel()
	http, _ := startTracker(t)
	seedDir := t.TempDir()
	torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 64<<10, http, 2_000_000)
	seed := startNode(t, seedDir, nil)
	h := add(t, seed, torrent)
	seed.waitFor(t, h, "seed finds its data", seeding)
	seed.eventually(t, "announce", func() bool {
		d, err := seed.Get(ctx, h)
		return err == nil && d.Trackers[0].State == "ok"
	})
	server := webServer(t, filepath.Join(seedDir, "data"), nil)
	proxy := startSOCKS(t, map[string]string{"mirror.example": server.Listener.Addr().String()})
	out, err := outbound.New(outbound.Config{Proxy: "socks5://" + proxy.addr})
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, t.TempDir(), func(c *Config) { c.Out = out; c.Speed.Download = 1 << 20 })
	add(t, n, withWebSeeds(torrent, urlList("http://mirror.example/")))
	n.waitFor(t, h, "download", seeding)
	sameFiles(t, filepath.Join(seedDir, "data"), n.dir, torrent)
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	tracker, _, _ := strings.Cut(strings.TrimPrefix(http[0][0], "http://"), "/")
	for what, want := range map[string]string{"tracker": tracker, "peer": seed.address().String(), "web seed": "mirror.example"} {
		if !slices.Contains(proxy.asked, want) {
			t.Errorf("the %s at %s was not called through the proxy: %q", what, want, proxy.asked)
		}
	}
	if n.cfg.Transport != OnlyTCP || !n.address().Addr().IsLoopback() {
		t.Errorf("transport %v, listening at %s", n.cfg.Transport, n.address())
	}
}
