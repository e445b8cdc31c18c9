package interop

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

// A daemon that is bound to an interface uses no other: when the tunnel is
// down, not a packet for trackers, peers, web seeds or names leaves by the
// cable, which would lead there. When it is up, the download goes through it.
func TestBindLeaksNothing(t *testing.T) {
	for _, bound := range []bool{true, false} {
		t.Run(fmt.Sprintf("bound %v", bound), func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, onlyIPv4)
			need(t, "nginx", "nginx-light")
			ctx := begin(t)
			for _, s := range []*namespace{n.ours, n.theirs} {
				s.sysctl(t, "ipv6/conf/all/disable_ipv6", "1")
			}
			// A second cable is the tunnel.
			n.ours.ip(t, "link", "add", "tun", "type", "veth", "peer", "name", "tun", "netns", strconv.Itoa(n.theirs.thread))
			n.ours.ip(t, "addr", "add", "10.99.0.1/24", "dev", "tun")
			n.theirs.ip(t, "addr", "add", "10.99.0.2/24", "dev", "tun")
			n.theirs.ip(t, "link", "set", "tun", "up")
			n.ours.ip(t, "route", "add", "default", "via", n.peerAddr)

			source, copied := scratch(t), scratch(t)
			server := startNginx(t, ctx, n.theirs, n.peerAddr, 80, source)
			tunnelled := webServer{url: "http://10.99.0.2:81/", process: startNginx(t, ctx, n.theirs, "10.99.0.2", 81, source).process}
			torrent := withWebSeeds(manyFiles.make(t, source, "http://"+n.peerAddr+":6969/announce"), server, webServer{url: "http://name.example/"}, tunnelled)
			m, err := metainfo.Parse(torrent)
			if err != nil {
				t.Fatal(err)
			}
			var flags []string
			if bound {
				flags = []string{"--bind", "tun"}
			}
			before := n.ours.sent()
			ours := startLorrent(t, ctx, n.ours, copied, flags...)
			link := "magnet:?xt=urn:btih:" + strings.Repeat("ab", 20) + "&x.pe=" + n.peerAddr + ":6881&tr=udp://" + n.peerAddr + ":6969/announce&tr=http://" + n.peerAddr + ":6970/announce"
			if _, err := ours.client.TorrentAdd(ctx, rpc.TorrentAddArgs{URL: link}); err != nil {
				t.Fatal(err)
			}
			id := ours.add(t, ctx, torrent)
			if id != m.Info.Hash.String() {
				t.Fatal(id)
			}
			if _, err := ours.client.TorrentAdd(ctx, rpc.TorrentAddArgs{URL: server.url + "x.torrent"}); err == nil {
				t.Error("a torrent was fetched from where there is none")
			}
			if !bound {
				ours.awaitTorrent(t, ctx, id, "download over the cable", seeding)
				if n.ours.sent() == before {
					t.Error("the counter does not count")
				}
				return
			}
			ours.awaitFailures(t, ctx, id)
			if sent := n.ours.sent() - before; sent != 0 {
				t.Errorf("%d bytes went past the tunnel", sent)
			}
			n.ours.ip(t, "link", "set", "tun", "up")
			ours.awaitTorrent(t, ctx, id, "download through the tunnel", seeding)
			if sent := n.ours.sent() - before; sent != 0 {
				t.Errorf("%d bytes went past the tunnel", sent)
			}
			manyFiles.compare(t, source, copied)
		})
	}
}

// awaitFailures waits until the tracker and all web seeds have been tried.
func (l *lorrent) awaitFailures(t *testing.T, ctx context.Context, id string) {
	t.Helper()
	await(t, ctx, "failures", func() (bool, error) {
		d, err := l.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id, Trackers: true, WebSeeds: true})
		if err != nil {
			return false, err
		}
		failed := d.Trackers[0].State == "error"
		for _, w := range d.WebSeeds {
			failed = failed && w.Error != ""
		}
		return failed, l.process.alive()
	})
}
