package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lorrent/rpc"
)

// webServer is an nginx in a namespace that serves a folder.
type webServer struct {
	url string
	*process
}

func startNginx(t *testing.T, ctx context.Context, n *namespace, host string, port int, folder string) webServer {
	t.Helper()
	program := need(t, "nginx", "nginx-light")
	dir := scratch(t)
	address := net.JoinHostPort(host, fmt.Sprint(port))
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log %[1]s/access.log;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server { listen %[2]s; root "%[3]s"; }
}
`, dir, address, folder)
	if os.Geteuid() == 0 {
		conf = "user root;\n" + conf // the payload is root's
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	s := webServer{url: "http://" + address + "/", process: start(t, n, dir, program, "-e", dir+"/error.log", "-p", dir, "-c", path)}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = n.do(func() (err error) { conn, err = new(net.Dialer).DialContext(ctx, network, address); return err })
			return conn, err
		},
	}}
	await(t, ctx, "start of nginx", func() (bool, error) {
		resp, err := client.Get(s.url)
		if err != nil {
			return false, s.alive()
		}
		resp.Body.Close()
		return true, nil
	})
	return s
}

// withWebSeeds puts a url-list into a .torrent, as it stands in bencode.
func withWebSeeds(torrent []byte, servers ...webServer) []byte {
	list := "8:url-listl"
	for _, s := range servers {
		list += fmt.Sprintf("%d:%s", len(s.url), s.url)
	}
	return append(bytes.TrimSuffix(bytes.Clone(torrent), []byte("e")), list+"ee"...)
}

// webSeeds asks our daemon for them.
func (l *lorrent) webSeeds(t *testing.T, ctx context.Context, id string) []rpc.WebSeed {
	t.Helper()
	d, err := l.client.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id, WebSeeds: true})
	if err != nil {
		t.Fatal(err)
	}
	return d.WebSeeds
}

// A web server alone, as Debian ships it, completes a torrent of many files,
// over IPv4 and IPv6.
func TestWebSeedAlone(t *testing.T) {
	for _, f := range []family{onlyIPv4, onlyIPv6} {
		t.Run([]string{"IPv4", "IPv6"}[f], func(t *testing.T) {
			t.Parallel()
			need(t, "nginx", "nginx-light")
			n := newNetwork(t, f)
			source, copied := scratch(t), scratch(t)
			ctx := begin(t)
			torrent := manyFiles.make(t, source, "")
			server := startNginx(t, ctx, n.theirs, n.peerAddr, 80, source)
			ours := startLorrent(t, ctx, n.ours, copied)
			id := ours.add(t, ctx, withWebSeeds(torrent, server))
			d := ours.awaitTorrent(t, ctx, id, "download", seeding)
			checkCounters(t, d, d.DownloadedBytes)
			if w := ours.webSeeds(t, ctx, id); len(w) != 1 || w[0].DownloadedBytes < d.TotalBytes || w[0].Error != "" {
				t.Errorf("%+v", w)
			}
			ours.stop(t, ctx)
			manyFiles.compare(t, source, copied)
		})
	}
}

// One of three servers has a file with wrong bytes: the torrent completes, and
// the event and the list of web seeds name that server.
func TestCorruptWebSeed(t *testing.T) {
	t.Parallel()
	need(t, "nginx", "nginx-light")
	n := newNetwork(t, onlyIPv4)
	source, spoilt, copied := scratch(t), scratch(t), scratch(t)
	ctx := begin(t)
	torrent := manyFiles.make(t, source, "")
	if err := os.CopyFS(spoilt, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/large.bin", "b/c/d/deep.bin"} {
		path := filepath.Join(spoilt, manyFiles.name, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(b); i += 10_000 {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	servers := []webServer{
		startNginx(t, ctx, n.theirs, n.peerAddr, 8001, source),
		startNginx(t, ctx, n.theirs, n.peerAddr, 8002, spoilt),
		startNginx(t, ctx, n.theirs, n.peerAddr, 8003, source),
	}
	// Slowly enough for all three to take part.
	ours := startLorrent(t, ctx, n.ours, copied, "--download-limit", "8MB")
	id := ours.add(t, ctx, withWebSeeds(torrent, servers...))
	ours.awaitTorrent(t, ctx, id, "download", seeding)
	for i, w := range ours.webSeeds(t, ctx, id) {
		if banned := w.State == "banned"; banned != (i == 1) || banned && !strings.Contains(w.Error, "sent") {
			t.Errorf("web seed %d: %+v", i, w)
		}
	}
	cursor := uint64(0)
	events, err := ours.client.EventPoll(ctx, rpc.EventPollArgs{Cursor: &cursor, Types: []string{"torrent.peerBanned"}})
	if err != nil || len(events.Events) != 1 || !strings.Contains(string(events.Events[0].Data), servers[1].url) {
		t.Errorf("events %+v, %v", events.Events, err)
	}
	if _, err := ours.client.DaemonShutdown(ctx, rpc.Empty{}); err != nil {
		t.Fatal(err)
	}
	if err := ours.process.wait(ctx); err != nil {
		t.Error(err)
	}
	manyFiles.compare(t, source, copied)
}
