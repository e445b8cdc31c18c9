package server

import (
	"context"
	"math"
	"net/http"
	"os"
	"time"

	"lorrent/daemon/torrent"
	"lorrent/daemon/torrent/magnet"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/rpc"
)

// Engine is what the server wants of the torrent engine.
type Engine interface {
	Add(ctx context.Context, metainfo []byte, o torrent.AddOptions) (s torrent.Status, duplicate bool, err error)
	AddMagnet(ctx context.Context, uri string, o torrent.AddOptions) (s torrent.Status, duplicate bool, err error)
	List() []torrent.Status
	Get(ctx context.Context, h metainfo.Hash) (torrent.Detail, error)
	Resolve(prefix string) (metainfo.Hash, error)
	Start(ctx context.Context, h metainfo.Hash) error
	Stop(ctx context.Context, h metainfo.Hash) error
	Recheck(ctx context.Context, h metainfo.Hash) error
	Reannounce(ctx context.Context, h metainfo.Hash) error
	Remove(ctx context.Context, h metainfo.Hash, deleteData bool) error
	SetFiles(ctx context.Context, h metainfo.Hash, change torrent.FileChange) (torrent.Status, error)
	Stats() torrent.Stats
	SetLimits(ctx context.Context, h metainfo.Hash, download, upload *int64) (torrent.Status, error)
	Speed(ctx context.Context) (torrent.SpeedStatus, error)
	SetSpeed(ctx context.Context, change func(*torrent.Speed)) (torrent.SpeedStatus, error)
	ResetSpeed(ctx context.Context) (torrent.SpeedStatus, error)
}

// TorrentService answers Torrent.*.
type TorrentService struct {
	engine Engine
	out    Way      // by which url is fetched
	roots  []string // clients may put torrents only below these, if any
}

// Add adds a torrent from exactly one of metainfo, path and url. It is stored
// when the answer comes; a known torrent is returned with duplicate true, and
// only learns new trackers, peers and web seeds, if it is not private. The daemon
// reads path and url itself, with its own rights. A url may be a magnet link:
// then the torrent's name and contents are found out later, and its state is
// metadata until they are. The .torrent of such a one ends that.
func (s *TorrentService) Add(r *http.Request, args *rpc.TorrentAddArgs, reply *rpc.TorrentAddReply) error {
	dir, err := checkDir(args.Dir, s.roots)
	if err != nil {
		return err
	}
	add, err := s.source(r.Context(), args)
	if err != nil {
		return err
	}
	made, err := makeDir(dir)
	if err != nil {
		return err
	}
	status, duplicate, err := add(torrent.AddOptions{
		Dir: dir, Paused: args.Paused,
		Limits: torrent.Limits{Download: args.DownloadLimit, Upload: args.UploadLimit},

		SuperSeed: args.SuperSeed,
		Files:     args.Files,
	})
	if made && (err != nil || duplicate) {
		os.Remove(dir) // nobody wants it; if it is no longer empty, it stays
	}
	if err != nil {
		return err
	}
	*reply = rpc.TorrentAddReply{Torrent: toTorrent(status), Duplicate: duplicate}
	return nil
}

// source gets what is to be added, and returns what adds it.
func (s *TorrentService) source(ctx context.Context, args *rpc.TorrentAddArgs) (func(torrent.AddOptions) (torrent.Status, bool, error), error) {
	if magnet.Is(args.URL) && args.Path == "" && len(args.Metainfo) == 0 {
		return func(o torrent.AddOptions) (torrent.Status, bool, error) { return s.engine.AddMagnet(ctx, args.URL, o) }, nil
	}
	data, err := s.readTorrent(ctx, args)
	return func(o torrent.AddOptions) (torrent.Status, bool, error) { return s.engine.Add(ctx, data, o) }, err
}

// readTorrent fetches the .torrent from wherever the arguments say.
func (s *TorrentService) readTorrent(ctx context.Context, args *rpc.TorrentAddArgs) ([]byte, error) {
	given := 0
	for _, is := range []bool{len(args.Metainfo) > 0, args.Path != "", args.URL != ""} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, failure(rpc.CodeInvalidParams, "metainfo, path, url: want exactly one of them, not %d", given)
	case args.Path != "":
		return readPath(args.Path)
	case args.URL != "":
		return fetch(ctx, args.URL, s.out)
	}
	return args.Metainfo, nil
}

// List returns every torrent, oldest first.
func (s *TorrentService) List(_ *http.Request, _ *rpc.Empty, reply *rpc.TorrentListReply) error {
	list := s.engine.List()
	reply.Torrents = make([]rpc.Torrent, len(list))
	for i, status := range list {
		reply.Torrents[i] = toTorrent(status)
	}
	return nil
}

// Get returns one torrent, with the long lists that were asked for.
func (s *TorrentService) Get(r *http.Request, args *rpc.TorrentGetArgs, reply *rpc.TorrentDetail) error {
	hash, err := s.resolve(args.ID)
	if err != nil {
		return err
	}
	detail, err := s.engine.Get(r.Context(), hash)
	if err != nil {
		return err
	}
	reply.Torrent = toTorrent(detail.Status)
	reply.Finding = convert(detail.Finding, toFinding)
	if args.Files {
		reply.Files = convert(detail.Files, toFile)
	}
	if args.Peers {
		reply.PeerList = convert(detail.Peers, toPeer)
	}
	if args.Trackers {
		reply.Trackers = convert(detail.Trackers, toTracker)
	}
	if args.WebSeeds {
		reply.WebSeeds = convert(detail.WebSeeds, toWebSeed)
	}
	if args.Pieces {
		reply.Pieces = detail.Pieces
		reply.Availability = detail.Availability
	}
	return nil
}

// Start lets a stopped or failed torrent go on.
func (s *TorrentService) Start(r *http.Request, args *rpc.TorrentArgs, _ *rpc.Empty) error {
	return s.do(r, args.ID, s.engine.Start)
}

// Stop ends a torrent's traffic until it is started again.
func (s *TorrentService) Stop(r *http.Request, args *rpc.TorrentArgs, _ *rpc.Empty) error {
	return s.do(r, args.ID, s.engine.Stop)
}

// Recheck starts hashing a torrent's files; events tell how it ends.
func (s *TorrentService) Recheck(r *http.Request, args *rpc.TorrentArgs, _ *rpc.Empty) error {
	return s.do(r, args.ID, s.engine.Recheck)
}

// Reannounce asks a torrent's trackers for peers now.
func (s *TorrentService) Reannounce(r *http.Request, args *rpc.TorrentArgs, _ *rpc.Empty) error {
	return s.do(r, args.ID, s.engine.Reannounce)
}

// Remove forgets a torrent and, with deleteData, deletes its files.
func (s *TorrentService) Remove(r *http.Request, args *rpc.TorrentRemoveArgs, _ *rpc.Empty) error {
	return s.do(r, args.ID, func(ctx context.Context, h metainfo.Hash) error {
		return s.engine.Remove(ctx, h, args.DeleteData)
	})
}

// SetFiles changes which files of a torrent are wanted, and how urgently. It is
// stored when the answer, the torrent, comes. A piece is downloaded when a file
// that is wanted has a part in it; what it holds of another file is written there,
// too. The magnet link's torrent must be known already.
func (s *TorrentService) SetFiles(r *http.Request, args *rpc.TorrentSetFilesArgs, reply *rpc.Torrent) error {
	change := torrent.FileChange{Only: args.Only, Skip: args.Skip, Low: args.Low, Normal: args.Normal, High: args.High}
	if change == (torrent.FileChange{}) {
		return failure(rpc.CodeInvalidParams, "only, skip, low, normal, high: want one of them at least")
	}
	hash, err := s.resolve(args.ID)
	if err != nil {
		return err
	}
	status, err := s.engine.SetFiles(r.Context(), hash, change)
	*reply = toTorrent(status)
	return err
}

func (s *TorrentService) do(r *http.Request, id string, what func(context.Context, metainfo.Hash) error) error {
	hash, err := s.resolve(id)
	if err != nil {
		return err
	}
	return what(r.Context(), hash)
}

func (s *TorrentService) resolve(id string) (metainfo.Hash, error) {
	switch {
	case id == "":
		return metainfo.Hash{}, failure(rpc.CodeInvalidParams, "id: missing")
	case len(id) > 2*len(metainfo.HashV2{}):
		return metainfo.Hash{}, failure(rpc.CodeNotFound, "id: %q is longer than an info hash", clip(id, 50))
	}
	return s.engine.Resolve(id)
}

func toTorrent(s torrent.Status) rpc.Torrent {
	checked := s.CheckedBytes
	if s.State != torrent.Checking {
		checked = -1
	}
	return rpc.Torrent{
		InfoHash: s.InfoHash.String(), InfoHashV1: orEmpty(s.HashV1), InfoHashV2: orEmpty(s.HashV2), Name: s.Name, State: string(s.State), Error: s.Error, Dir: s.Dir,
		TotalBytes: s.TotalBytes, VerifiedBytes: s.VerifiedBytes, CheckedBytes: checked,
		WantedBytes: s.WantedBytes, WantedVerifiedBytes: s.WantedVerifiedBytes,
		DownloadRate: s.DownloadRate, UploadRate: s.UploadRate,
		DownloadedBytes: s.DownloadedBytes, UploadedBytes: s.UploadedBytes, WastedBytes: s.WastedBytes,
		Peers: s.Peers, Seeds: s.Seeds, ETASeconds: s.ETASeconds, Private: s.Private, SuperSeeding: s.SuperSeeding,
		DownloadLimit: s.Limits.Download, UploadLimit: s.Limits.Upload,
		PieceLength: s.PieceLength, NumPieces: s.NumPieces, NumFiles: s.NumFiles,
		AddedAt: s.AddedAt, CompletedAt: timeOrNil(s.CompletedAt),
	}
}

// orEmpty is a hash that may be missing.
func orEmpty[H interface {
	comparable
	String() string
}](h H) string {
	if zero := *new(H); h == zero {
		return ""
	}
	return h.String()
}

func toFile(f torrent.FileStatus) rpc.File { return rpc.File(f) }

func toFinding(f torrent.FindingStatus) rpc.Finding { return rpc.Finding(f) }

func toPeer(p torrent.PeerStatus) rpc.Peer {
	return rpc.Peer{
		Address: p.Address, Client: p.Client, Direction: p.Direction, Source: p.Source, Transport: p.Transport, Encryption: p.Encryption, Progress: finite(p.Progress),
		DownloadRate: p.DownloadRate, UploadRate: p.UploadRate, DownloadedBytes: p.Downloaded, UploadedBytes: p.Uploaded,
		Choking: p.Choking, Interested: p.Interested, PeerChoking: p.PeerChoking, PeerInterested: p.PeerInterested,
		Snubbed: p.Snubbed, Requests: p.Requests, QueuedUploads: p.QueuedUploads,
	}
}

func toTracker(t torrent.TrackerStatus) rpc.Tracker {
	return rpc.Tracker{
		URL: t.URL, Tier: t.Tier, State: t.State, Error: t.Error, Warning: t.Warning,
		Seeders: t.Seeders, Leechers: t.Leechers, Downloaded: t.Downloaded, PeersReceived: t.PeersReceived,
		LastAnnounce: timeOrNil(t.LastAnnounce), NextAnnounce: timeOrNil(t.NextAnnounce),
	}
}

func toWebSeed(w torrent.WebSeedStatus) rpc.WebSeed {
	return rpc.WebSeed{
		URL: w.URL, State: w.State, Error: w.Error, MissingFiles: w.Missing,
		DownloadRate: w.DownloadRate, DownloadedBytes: w.Downloaded, RetryAt: timeOrNil(w.Retry),
	}
}

// convert never returns nil, so that an empty list is [] in JSON.
func convert[A, B any](list []A, one func(A) B) []B {
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = one(v)
	}
	return out
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// finite replaces what JSON has no word for.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
