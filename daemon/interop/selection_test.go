package interop

import (
	"maps"
	"net"
	"strconv"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

// Each file ends with a piece, so that none needs a part of its neighbour.
var evenFiles = payload{name: "even files", pieceLength: 64 << 10, files: map[string]int64{
	"a.bin": 48 * 64 << 10,
	"b.bin": 33 * 64 << 10,
	"c.bin": 57 * 64 << 10,
}}

// A magnet link that selects a file (BEP 53) brings that file and does not make
// the others; they come when they are wanted after all.
func TestLinkSelectsFile(t *testing.T) {
	t.Parallel()
	needLibtorrent(t)
	n, source, copied := newNetwork(t, onlyIPv4), scratch(t), scratch(t)
	ctx := begin(t)
	torrent := v2Torrent(t, evenFiles, source, metainfo.V1, true)
	theirs, seeds := startLibtorrentV2(t, n, map[string]any{"torrent": write(t, torrent), "folder": source})
	await(t, ctx, "check by libtorrent", func() (bool, error) { return seeds(), theirs.alive() })
	ours := startLorrent(t, ctx, n.ours, copied)
	link := linkTo(parse(t, torrent), true, false, net.JoinHostPort(n.peerAddr, strconv.Itoa(libtorrentPort)))
	id := ours.addMagnet(t, ctx, link+"&so=1")

	d := ours.awaitTorrent(t, ctx, id, "download of the selected file", seeding)
	chosen := evenFiles.files["b.bin"]
	if d.WantedBytes != chosen || d.WantedVerifiedBytes != chosen || d.VerifiedBytes != chosen {
		t.Errorf("wanted %d bytes, %d of them and %d in all verified; the file has %d", d.WantedBytes, d.WantedVerifiedBytes, d.VerifiedBytes, chosen)
	}
	want := evenFiles.sums(t, source)
	if got := evenFiles.sums(t, copied); !maps.Equal(got, map[string]string{"b.bin": want["b.bin"]}) {
		t.Errorf("files there: %v, want b.bin of %v alone", got, want)
	}

	if _, err := ours.client.TorrentSetFiles(ctx, rpc.TorrentSetFilesArgs{ID: id, Only: rpc.AllFiles}); err != nil {
		t.Fatalf("want all files: %v", err)
	}
	d = ours.awaitTorrent(t, ctx, id, "download of the rest", func(d rpc.TorrentDetail) bool {
		return seeding(d) && d.VerifiedBytes == d.TotalBytes
	})
	checkCounters(t, d, d.DownloadedBytes)
	ours.stop(t, ctx)
	theirs.stop(t)
	evenFiles.compare(t, source, copied)
}
