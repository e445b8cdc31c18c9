package interop

import (
	"context"
	_ "embed"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

//go:embed libtorrentv2.py
var libtorrentV2 string

const libtorrentPort = 6881

var v2Files = payload{name: "v2 files", pieceLength: 64 << 10, files: manyFiles.files}

// needLibtorrent looks for Debian's binding, which is of libtorrent 2.
func needLibtorrent(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(need(t, python, "python3"), "-I", "-c", "import libtorrent; assert libtorrent.__version__ >= \"2\"").CombinedOutput(); err != nil {
		lacking(t, "libtorrent 2 is not installed (Debian package python3-libtorrent): %s", out)
	}
}

// v2Torrent makes a torrent of the payload in dir, by libtorrent or by us.
func v2Torrent(t *testing.T, p payload, dir string, format metainfo.Format, byLibtorrent bool) []byte {
	t.Helper()
	p.make(t, dir, "") // writes the files; its torrent is a v1 one
	root := filepath.Join(dir, p.name)
	if !byLibtorrent {
		b, err := metainfo.Build(root, metainfo.BuildOptions{Format: format, PieceLength: p.pieceLength})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	out := filepath.Join(scratch(t), "made.torrent")
	text, err := json.Marshal(map[string]any{"make": map[string]any{
		"payload": root, "pieceLength": p.pieceLength, "format": formatNames[format], "out": out,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(python, "-I", "-c", libtorrentV2, string(text)).CombinedOutput(); err != nil {
		t.Fatalf("make torrent: %v: %s", err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var formatNames = map[metainfo.Format]string{metainfo.V1: "v1", metainfo.V2: "v2", metainfo.Hybrid: "hybrid"}

// startLibtorrentV2 runs a libtorrent peer and returns the file it makes when it
// is done.
func startLibtorrentV2(t *testing.T, n network, order map[string]any) (p *process, done func() bool) {
	t.Helper()
	dir := scratch(t)
	file := filepath.Join(dir, "done")
	order["address"], order["port"], order["done"] = n.peerAddr, libtorrentPort, file
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	p = start(t, n.theirs, dir, python, "-I", "-c", libtorrentV2, string(text))
	return p, func() bool { _, err := os.Stat(file); return err == nil }
}

// linkTo is a magnet link by one or both hashes, with a peer to ask.
func linkTo(info *metainfo.Info, v1, v2 bool, peer string) string {
	link := "magnet:?dn=linked"
	if v1 {
		link += "&xt=urn:btih:" + info.Hash.String()
	}
	if v2 {
		link += "&xt=urn:btmh:1220" + info.V2.String()
	}
	if peer != "" {
		link += "&x.pe=" + peer
	}
	return link
}

type v2Case struct {
	name   string
	format metainfo.Format
	link   bool // by a magnet link with
	v1, v2 bool // these hashes
}

var v2Cases = []v2Case{
	{name: "v2", format: metainfo.V2},
	{name: "v2 by a link", format: metainfo.V2, link: true, v2: true},
	{name: "hybrid", format: metainfo.Hybrid},
	{name: "hybrid by a link with both hashes", format: metainfo.Hybrid, link: true, v1: true, v2: true},
	{name: "hybrid by a link with its v2 hash", format: metainfo.Hybrid, link: true, v2: true},
	{name: "hybrid by a link with its v1 hash", format: metainfo.Hybrid, link: true, v1: true},
}

// We download from libtorrent what libtorrent has made.
func TestV2LeechFrom(t *testing.T) {
	needLibtorrent(t)
	for _, c := range v2Cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, source, copied := newNetwork(t, onlyIPv4), scratch(t), scratch(t)
			ctx := begin(t)
			torrent := v2Torrent(t, v2Files, source, c.format, true)
			info := parse(t, torrent)
			ours := startLorrent(t, ctx, n.ours, copied)
			order := map[string]any{"torrent": write(t, torrent), "folder": source}
			if !c.link {
				order["peer"] = []any{n.ourAddr, atoi(t, lorrentPort)}
			}
			theirs, seeds := startLibtorrentV2(t, n, order)
			await(t, ctx, "check by libtorrent", func() (bool, error) { return seeds(), theirs.alive() })
			var id string
			if c.link {
				id = ours.addMagnet(t, ctx, linkTo(info, c.v1, c.v2, net.JoinHostPort(n.peerAddr, strconv.Itoa(libtorrentPort))))
			} else {
				id = ours.add(t, ctx, torrent)
			}
			d := ours.awaitTorrent(t, ctx, id, "download", seeding)
			checkV2(t, d, info)
			checkCounters(t, d, d.DownloadedBytes)
			ours.stop(t, ctx)
			theirs.stop(t)
			v2Files.compare(t, source, copied)
		})
	}
}

// libtorrent downloads from us what we have made.
func TestV2SeedTo(t *testing.T) {
	needLibtorrent(t)
	for _, c := range v2Cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, source, copied := newNetwork(t, onlyIPv4), scratch(t), scratch(t)
			ctx := begin(t)
			torrent := v2Torrent(t, v2Files, source, c.format, false)
			info := parse(t, torrent)
			ours := startLorrent(t, ctx, n.ours, source)
			id := ours.add(t, ctx, torrent)
			checkV2(t, ours.awaitTorrent(t, ctx, id, "check of what is there", seeding), info)
			order := map[string]any{"folder": copied, "peer": []any{n.ourAddr, atoi(t, lorrentPort)}}
			if c.link {
				order["link"] = linkTo(info, c.v1, c.v2, "")
			} else {
				order["torrent"] = write(t, torrent)
			}
			theirs, done := startLibtorrentV2(t, n, order)
			await(t, ctx, "download by libtorrent", func() (bool, error) {
				if err := ours.process.alive(); err != nil {
					return false, err
				}
				return done(), theirs.alive()
			})
			d := ours.awaitTorrent(t, ctx, id, "count of what was sent", func(d rpc.TorrentDetail) bool { return d.UploadedBytes >= d.TotalBytes })
			checkV2(t, d, info)
			theirs.stop(t)
			ours.stop(t, ctx)
			v2Files.compare(t, source, copied)
		})
	}
}

// checkV2 checks that both hashes of a torrent are shown.
func checkV2(t *testing.T, d rpc.TorrentDetail, info *metainfo.Info) {
	t.Helper()
	v1 := ""
	if info.IsHybrid() {
		v1 = info.Hash.String()
	}
	if d.InfoHashV1 != v1 || d.InfoHashV2 != info.V2.String() || d.TotalBytes != info.NumBytes {
		t.Errorf("shown: %q and %q, %d bytes", d.InfoHashV1, d.InfoHashV2, d.TotalBytes)
	}
}

func parse(t *testing.T, torrent []byte) *metainfo.Info {
	t.Helper()
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	return m.Info
}

// write puts a .torrent into a file for another program.
func write(t *testing.T, torrent []byte) string {
	t.Helper()
	path := filepath.Join(scratch(t), "case.torrent")
	if err := os.WriteFile(path, torrent, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// addMagnet adds a magnet link and returns the torrent's ID.
func (l *lorrent) addMagnet(t *testing.T, ctx context.Context, link string) string {
	t.Helper()
	r, err := l.client.TorrentAdd(ctx, rpc.TorrentAddArgs{URL: link})
	if err != nil {
		t.Fatalf("add link: %v", err)
	}
	return r.Torrent.InfoHash
}
