package interop

import (
	"context"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

// first says who of the two is there before the other. The one that comes
// second learns of the first from the tracker and dials it.
type first int

const (
	seedFirst first = iota
	leecherFirst
)

type exchange struct {
	client  client
	payload payload
	udp     bool // how the tracker is announced to
	family  family
	first   first

	theyRequire, weRequire bool // encryption
	theyUTP, weUTP         bool // and no TCP

	uploadLimit string // of ours, so that the client sees the torrent unfinished first
}

func (e exchange) name() string {
	name := e.client.name + ", " + e.payload.name
	if e.udp {
		name += ", UDP"
	}
	if e.family == onlyIPv6 {
		name += ", IPv6"
	}
	if e.first == leecherFirst {
		name += ", leecher first"
	}
	if e.theyRequire {
		name += ", it requires encryption"
	}
	if e.weRequire {
		name += ", we require encryption"
	}
	if e.theyUTP {
		name += ", it has only uTP"
	}
	if e.weUTP {
		name += ", we have only uTP"
	}
	return name
}

// stage is what an exchange plays on.
type stage struct {
	network
	announces func() int // answered by the tracker
	torrent   []byte
	source    string // folder with the payload
	copied    string // folder to download it to
}

func (e exchange) stage(t *testing.T) stage {
	t.Helper()
	need(t, e.client.program, e.client.debian)
	s := stage{network: newNetwork(t, e.family), source: scratch(t), copied: scratch(t)}
	tr := startTracker(t, s.ours, s.ourAddr)
	s.announces = tr.Announces
	url := tr.URL()
	if e.udp {
		url = tr.UDPURL()
	}
	s.torrent = e.payload.make(t, s.source, url)
	return s
}

// awaitAnnounce waits until the first of the two has been heard by the tracker.
func (s stage) awaitAnnounce(t *testing.T, ctx context.Context, who *process) {
	t.Helper()
	await(t, ctx, "first announce of "+who.name, func() (bool, error) { return s.announces() > 0, who.alive() })
}

func TestLeechFrom(t *testing.T) {
	for _, e := range []exchange{
		{client: transmission, payload: manyFiles},
		{client: qbittorrent, payload: singleFile},
		{client: aria2, payload: largePiece},
		{client: rtorrent, payload: foreign, udp: true},
		{client: qbittorrent, payload: manyFiles, family: onlyIPv6},
		{client: qbittorrent, payload: foreign, first: leecherFirst},
	} {
		t.Run(e.name(), func(t *testing.T) { t.Parallel(); e.leech(t) })
	}
}

// leech downloads from the foreign client.
func (e exchange) leech(t *testing.T) {
	s := e.stage(t)
	ctx := begin(t)
	var ours *lorrent
	if e.first == leecherFirst {
		ours = startLorrent(t, ctx, s.ours, s.copied, e.flags()...)
		ours.add(t, ctx, s.torrent)
		s.awaitAnnounce(t, ctx, ours.process)
	}
	j := newJob(t, s.theirs, s.source, s.torrent)
	j.encrypted, j.utp = e.theyRequire, e.theyUTP || e.weUTP
	theirs := e.client.start(t, j)
	if e.first == seedFirst {
		s.awaitAnnounce(t, ctx, theirs)
		ours = startLorrent(t, ctx, s.ours, s.copied, e.flags()...)
	}
	id := ours.add(t, ctx, s.torrent)
	d := ours.awaitTorrent(t, ctx, id, "download", func(d rpc.TorrentDetail) bool {
		if err := theirs.alive(); err != nil {
			t.Fatal(err)
		}
		return seeding(d)
	})
	checkCounters(t, d, d.DownloadedBytes)
	if d.WastedBytes > d.TotalBytes/20 {
		t.Errorf("%d bytes of %d came in vain", d.WastedBytes, d.TotalBytes)
	}
	ours.stop(t, ctx)
	theirs.stop(t)
	e.checkConnections(t, ours)
	e.payload.compare(t, s.source, s.copied)
}

func TestSeedTo(t *testing.T) {
	for _, e := range []exchange{
		{client: transmission, payload: foreign}, // it does not create empty files
		{client: qbittorrent, payload: largePiece, udp: true, uploadLimit: "12MB"},
		{client: aria2, payload: foreign},
		{client: rtorrent, payload: singleFile},
		{client: aria2, payload: manyFiles, family: onlyIPv6},
		{client: rtorrent, payload: manyFiles, first: leecherFirst},
	} {
		t.Run(e.name(), func(t *testing.T) { t.Parallel(); e.seed(t) })
	}
}

// seed uploads to the foreign client.
func (e exchange) seed(t *testing.T) {
	s := e.stage(t)
	ctx := begin(t)
	j := newJob(t, s.theirs, s.copied, s.torrent)
	j.encrypted, j.utp = e.theyRequire, e.theyUTP || e.weUTP
	var theirs *process
	if e.first == leecherFirst {
		theirs = e.client.start(t, j)
		s.awaitAnnounce(t, ctx, theirs)
	}
	ours := startLorrent(t, ctx, s.ours, s.source, e.flags()...)
	id := ours.add(t, ctx, s.torrent)
	if e.first == seedFirst {
		d := ours.awaitTorrent(t, ctx, id, "check of what is there", func(d rpc.TorrentDetail) bool { return seeding(d) && announced(d) })
		if d.DownloadedBytes != 0 {
			t.Errorf("our seed downloaded %d bytes", d.DownloadedBytes)
		}
		theirs = e.client.start(t, j)
	}
	await(t, ctx, "download by "+e.client.name, func() (bool, error) {
		if j.isDone() {
			return true, nil
		}
		if err := ours.process.alive(); err != nil {
			return false, err
		}
		return false, theirs.alive()
	})
	// The last bytes are counted within a second of being sent.
	d := ours.awaitTorrent(t, ctx, id, "count of what was sent", func(d rpc.TorrentDetail) bool { return d.UploadedBytes >= d.TotalBytes })
	checkCounters(t, d, d.UploadedBytes)
	theirs.stop(t)
	ours.stop(t, ctx)
	e.checkConnections(t, ours)
	e.payload.compare(t, s.source, s.copied)
}

// checkCounters checks that the payload went over the wire once and hardly
// more.
func checkCounters(t *testing.T, d rpc.TorrentDetail, moved int64) {
	t.Helper()
	if d.State != rpc.StateSeeding || d.VerifiedBytes != d.TotalBytes {
		t.Errorf("torrent is %s with %d of %d bytes verified", d.State, d.VerifiedBytes, d.TotalBytes)
	}
	if moved < d.TotalBytes || moved > d.TotalBytes+d.TotalBytes/20 {
		t.Errorf("%d bytes moved for %d", moved, d.TotalBytes)
	}
}

// Two of our daemons find each other through opentracker.
func TestOpentracker(t *testing.T) {
	for _, scheme := range []string{"http", "udp"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			need(t, "opentracker", "opentracker")
			n := newNetwork(t, onlyIPv4)
			ctx := begin(t)
			source, copied := scratch(t), scratch(t)
			torrent := singleFile.make(t, source, scheme+"://"+n.ourAddr+":"+trackerPort+"/announce")
			m, err := metainfo.Parse(torrent)
			if err != nil {
				t.Fatal(err)
			}
			id := m.Info.Hash.String()
			startOpentracker(t, n.ours, n.ourAddr, id)

			seed := startLorrent(t, ctx, n.ours, source)
			seed.add(t, ctx, torrent)
			seed.awaitTorrent(t, ctx, id, "announce of the seed", func(d rpc.TorrentDetail) bool { return seeding(d) && announced(d) })
			leecher := startLorrent(t, ctx, n.theirs, copied)
			leecher.add(t, ctx, torrent)
			d := leecher.awaitTorrent(t, ctx, id, "download", func(d rpc.TorrentDetail) bool { return seeding(d) && announced(d) })
			checkCounters(t, d, d.DownloadedBytes)
			if tr := d.Trackers[0]; tr.Seeders < 1 || tr.PeersReceived < 1 {
				t.Errorf("opentracker said: %+v", tr)
			}
			leecher.stop(t, ctx)
			seed.stop(t, ctx)
			singleFile.compare(t, source, copied)
		})
	}
}
