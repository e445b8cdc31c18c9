package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net"
	"net/http"
	"testing"

	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

// way is one of those to find peers without a tracker.
type way int

const (
	byTracker way = iota
	byDHT
	byLSD
	byPEX
)

func (w way) String() string { return [...]string{"tracker", "DHT", "LSD", "PEX"}[w] }

const qbittorrentPort = "6881"

// With no tracker, a magnet link and one way of finding peers are enough:
// from a client of others, and from a daemon of ours, over IPv4 and over IPv6.
func TestDiscover(t *testing.T) {
	for _, w := range []way{byDHT, byLSD, byPEX} {
		for _, f := range []family{onlyIPv4, onlyIPv6} {
			for _, foreign := range []bool{true, false} {
				d := discovery{way: w, family: f, foreign: foreign}
				t.Run(d.name(), func(t *testing.T) { t.Parallel(); d.run(t) })
			}
		}
	}
}

type discovery struct {
	way     way
	family  family
	foreign bool // the seed is qBittorrent
}

func (d discovery) name() string {
	name := d.way.String()
	if d.family == onlyIPv6 {
		name += ", IPv6"
	}
	if d.foreign {
		return name + ", from qbittorrent"
	}
	return name + ", from our own"
}

func (d discovery) run(t *testing.T) {
	if d.foreign {
		need(t, qbittorrent.program, qbittorrent.debian)
	}
	n := newNetwork(t, d.family)
	ctx := begin(t)
	source, copied := scratch(t), scratch(t)
	torrent := singleFile.make(t, source, "")
	m, err := metainfo.Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	hash := m.Info.Hash.String()
	link := "magnet:?xt=urn:btih:" + hash

	port, flags := qbittorrentPort, d.flags()
	var theirs *qb
	if d.foreign {
		theirs = startEmptyQBittorrent(t, ctx, n.theirs, source, d.way)
	} else {
		port = lorrentPort
	}
	seedAt := net.JoinHostPort(n.peerAddr, port)
	if d.way == byDHT {
		flags = append(flags, "--dht-bootstrap", seedAt)
	}
	leecher := startLorrent(t, ctx, n.ours, copied, flags...)
	var seed, middle *lorrent
	if !d.foreign {
		seed = startLorrent(t, ctx, n.theirs, source, d.flags()...)
		seed.add(t, ctx, torrent)
	} else {
		if d.way == byDHT {
			theirs.awaitNode(t, ctx)
		}
		theirs.add(t, ctx, torrent, source)
	}
	if d.way == byPEX { // somebody in between, who is too slow to be the source
		middle = startLorrent(t, ctx, n.ours, scratch(t), "--listen", ":51768", "--download-limit", "100KB", "--upload-limit", "100KB")
		middle.addLink(t, ctx, link+"&x.pe="+seedAt)
		link += "&x.pe=" + net.JoinHostPort(n.ourAddr, "51768")
	}
	leecher.addLink(t, ctx, link)
	named := false
	got := leecher.awaitTorrent(t, ctx, hash, "download", func(d rpc.TorrentDetail) bool {
		for _, p := range d.PeerList {
			host, _, _ := net.SplitHostPort(p.Address)
			named = named || host == n.peerAddr && (p.Source == "pex" || p.Source == "incoming") // it may have heard first, and called
		}
		return seeding(d)
	})
	checkCounters(t, got, got.DownloadedBytes)
	if d.way == byPEX && !named {
		t.Error("the seed and the leecher have not met by the peer in between")
	}
	leecher.stop(t, ctx)
	for _, l := range []*lorrent{seed, middle} {
		if l != nil {
			l.stop(t, ctx)
		}
	}
	if theirs != nil {
		theirs.stop(t)
	}
	singleFile.compare(t, source, copied)
}

// flags let a daemon of ours find peers in the one way.
func (d discovery) flags() []string {
	switch d.way {
	case byDHT:
		return []string{"--dht", "on", "--dht-bootstrap", ""}
	case byLSD:
		return []string{"--lsd", "on"}
	}
	return nil
}

// addLink adds a torrent by its magnet link.
func (l *lorrent) addLink(t *testing.T, ctx context.Context, link string) {
	t.Helper()
	if _, err := l.client.TorrentAdd(ctx, rpc.TorrentAddArgs{URL: link}); err != nil {
		t.Fatalf("add %s: %v", link, err)
	}
}

// qb is a qBittorrent that is driven over its web interface.
type qb struct {
	*process
	client *http.Client
}

func startEmptyQBittorrent(t *testing.T, ctx context.Context, n *namespace, data string, finds way) *qb {
	t.Helper()
	j := newJob(t, n, data)
	j.finds = finds
	q := &qb{process: startQBittorrent(t, j)}
	q.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, address string) (conn net.Conn, err error) {
			err = n.do(func() error { conn, err = net.Dial(network, address); return err })
			return conn, err
		},
	}}
	await(t, ctx, "web interface of qbittorrent", func() (bool, error) {
		_, err := q.nodes(ctx)
		return err == nil, q.alive()
	})
	return q
}

// nodes is how many nodes of the DHT it knows.
func (q *qb) nodes(ctx context.Context) (int, error) {
	var info struct {
		Nodes int `json:"dht_nodes"`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:8080/api/v2/transfer/info", nil)
	if err != nil {
		return 0, err
	}
	r, err := q.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	err = json.NewDecoder(r.Body).Decode(&info)
	return info.Nodes, err
}

func (q *qb) awaitNode(t *testing.T, ctx context.Context) {
	t.Helper()
	await(t, ctx, "our node known to qbittorrent", func() (bool, error) {
		n, err := q.nodes(ctx)
		if err != nil {
			return false, err
		}
		return n > 0, q.alive()
	})
}

// add lets it seed what is in data.
func (q *qb) add(t *testing.T, ctx context.Context, torrent []byte, data string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("savepath", data)
	file, _ := form.CreateFormFile("torrents", "added.torrent")
	file.Write(torrent) // to memory
	form.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, qbittorrentAPI+"add", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	r, err := q.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("add to qbittorrent: %s", r.Status)
	}
}
