package interop

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

// captureTime is how long it is listened once everything is there: longer than
// the first searches take.
const captureTime = 5 * time.Second

// What goes over the cable of a private torrent has no part of DHT, LSD or PEX;
// that of the same torrent, were it public, has all three.
func TestPrivateUnderCapture(t *testing.T) {
	for _, private := range []bool{true, false} {
		name := "public"
		if private {
			name = "private"
		}
		t.Run(name, func(t *testing.T) { t.Parallel(); underCapture(t, private) })
	}
}

func underCapture(t *testing.T, private bool) {
	n := newNetwork(t, onlyIPv4)
	ctx := begin(t)
	source, copied := scratch(t), scratch(t)
	p := singleFile
	p.private = private
	torrent := p.make(t, source, startTracker(t, n.ours, n.ourAddr).URL())
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	hash := m.Info.Hash
	c := startCapture(t, n.ours)

	flags := []string{"--lsd", "on", "--dht", "on", "--encryption", "disable", "--dht-bootstrap"}
	seed := startLorrent(t, ctx, n.theirs, source, append(flags, net.JoinHostPort(n.ourAddr, lorrentPort))...)
	leecher := startLorrent(t, ctx, n.ours, copied, append(flags, net.JoinHostPort(n.peerAddr, lorrentPort))...)
	await(t, ctx, "life of the DHT", func() (bool, error) { return c.has([]byte("1:y1:r")), seed.process.alive() })
	seed.add(t, ctx, torrent)
	leecher.add(t, ctx, torrent)
	leecher.awaitTorrent(t, ctx, hash.String(), "download", seeding)
	seen := func() map[string]bool {
		return map[string]bool{
			"search in the DHT":  c.has([]byte("9:get_peers")) && c.has(hash[:], []byte("9:info_hash")),
			"local announce":     c.has([]byte("BT-SEARCH"), []byte(hex.EncodeToString(hash[:]))),
			"offer of exchange":  c.has([]byte("6:ut_pex")),
			"port of a DHT node": c.has([]byte{0, 0, 0, 3, 9}),
		}
	}
	if private {
		select {
		case <-time.After(captureTime):
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
		for what, there := range seen() {
			if there && what != "port of a DHT node" { // five bytes come up in the payload, too
				t.Errorf("%s of a private torrent", what)
			}
		}
	} else {
		await(t, ctx, "all that a public torrent does", func() (bool, error) {
			for _, there := range seen() {
				if !there {
					return false, nil
				}
			}
			return true, nil
		})
	}
	d, err := leecher.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: hash.String()})
	if err != nil || d.Private != private {
		t.Errorf("private is %v, want %v (%v)", d.Private, private, err)
	}
	leecher.stop(t, ctx)
	seed.stop(t, ctx)
	p.compare(t, source, copied)
}

// capture keeps what is small of the packets that a namespace's cable carries:
// all that is no payload.
type capture struct {
	mu      sync.Mutex
	packets [][]byte
}

const (
	maxCaptured = 1000 // bytes of a packet
	maxPackets  = 100_000
)

func startCapture(t *testing.T, n *namespace) *capture {
	t.Helper()
	var fd int
	err := n.do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
		if err != nil {
			return err
		}
		i, err := net.InterfaceByName("cable")
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: i.Index}); err != nil {
			return err
		}
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	})
	if err != nil {
		t.Fatalf("capture packets: %v", err)
	}
	c := &capture{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read(ctx, fd)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		unix.Close(fd)
	})
	return c
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (c *capture) read(ctx context.Context, fd int) {
	b := make([]byte, 1<<16)
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || n > maxCaptured {
			continue
		}
		if err != nil {
			return
		}
		c.mu.Lock()
		if len(c.packets) < maxPackets {
			c.packets = append(c.packets, bytes.Clone(b[:n]))
		}
		c.mu.Unlock()
	}
}

// has reports whether a packet has all the parts.
func (c *capture) has(parts ...[]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.packets {
		all := true
		for _, part := range parts {
			all = all && bytes.Contains(p, part)
		}
		if all {
			return true
		}
	}
	return false
}
