package torrent

import (
	"net"
	"path/filepath"
	"slices"
	"testing"

	"lorrent/daemon/torrent/metainfo"
)

// A torrent that is added again learns trackers and peers, for good; a private
// one does not.
func TestAddedAgain(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{false, true} {
		seedDir, dir := t.TempDir(), t.TempDir()
		makePayload(t, filepath.Join(seedDir, "data"), "payload", 1<<15, nil, 200_000)
		torrent, err := metainfo.Build(filepath.Join(seedDir, "data", "payload"), metainfo.BuildOptions{Private: private, Trackers: [][]string{{"http://127.0.0.1:1/announce"}}})
		if err != nil {
			t.Fatal(err)
		}
		seed := startNode(t, seedDir, nil)
		h := add(t, seed, torrent)
		seed.waitFor(t, h, "seed finds its data", seeding)
		n := startNode(t, dir, nil)
		add(t, n, torrent)
		link := linkTo(h, [][]string{{"http://127.0.0.1:1/announce", "http://127.0.0.1:2/announce"}, {"udp://127.0.0.1:3"}}, seed.address())
		if _, again, err := n.AddMagnet(ctx, link, AddOptions{}); err != nil || !again {
			t.Fatalf("added again: %v, %v", again, err)
		}
		want := []string{"http://127.0.0.1:1/announce"}
		if !private {
			want = append(want, "http://127.0.0.1:2/announce", "udp://127.0.0.1:3")
			n.waitFor(t, h, "download from the link's peer", seeding)
		}
		n.stop(t)
		n = startNode(t, dir, nil)
		d, err := n.Get(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tr := range d.Trackers {
			got = append(got, tr.URL)
		}
		if !slices.Equal(got, want) {
			t.Errorf("private %v: trackers %q, want %q", private, got, want)
		}
		if private && d.VerifiedBytes != 0 {
			t.Error("a private torrent took a peer from a link")
		}
	}
}

// A link's peer may be given by its name.
func TestLinkedHost(t *testing.T) {
	t.Parallel()
	seedDir := t.TempDir()
	torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 1<<15, nil, 200_000)
	seed := startNode(t, seedDir, nil)
	h := add(t, seed, torrent)
	seed.waitFor(t, h, "seed finds its data", seeding)
	n := startNode(t, t.TempDir(), nil)
	_, port, _ := net.SplitHostPort(seed.Stats().ListenAddress)
	addMagnet(t, n, linkTo(h, nil)+"&x.pe=localhost:"+port, AddOptions{})
	n.waitFor(t, h, "download", seeding)
}

// It learns web seeds, too, from a link and from a .torrent, and keeps them.
func TestAddedAgainWithWebSeeds(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	torrent := makePayload(t, source, "payload", 64<<10, nil, 300_000, 5_000)
	s := webServer(t, source, nil)
	n := startNode(t, t.TempDir(), nil)
	h := add(t, n, torrent)
	for range 2 {
		if _, again, err := n.AddMagnet(ctx, linkTo(h, nil)+"&ws="+s.URL, AddOptions{}); err != nil || !again {
			t.Fatalf("added again: %v, %v", again, err)
		}
	}
	n.waitFor(t, h, "download from the link's web seed", seeding)
	sameFiles(t, source, n.dir, torrent)
	if _, again, err := n.Add(ctx, withWebSeeds(torrent, urlList("http://127.0.0.1:1/", s.URL)), AddOptions{}); err != nil || !again {
		t.Fatalf("added again: %v, %v", again, err)
	}
	n = n.restart(t)
	d, err := n.Get(ctx, h)
	if err != nil || len(d.WebSeeds) != 2 || d.WebSeeds[0].URL != s.URL {
		t.Errorf("%+v, %v", d.WebSeeds, err)
	}
}
