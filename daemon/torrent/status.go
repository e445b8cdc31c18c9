package torrent

import (
	"time"

	"lorrent/daemon/torrent/metainfo"
)

// State is what a torrent is doing.
type State string

// The states a torrent can be in. Metadata is that of a magnet link whose info
// dictionary is still to be found. Checking is for hashing alone: a torrent
// whose files are only looked at is Queued, or Seeding if nothing was missing.
const (
	Queued      State = "queued"
	Metadata    State = "metadata"
	Checking    State = "checking"
	Downloading State = "downloading"
	Seeding     State = "seeding"
	Stopped     State = "stopped"
	Failed      State = "error"
)

// Status is a torrent at one moment. Sizes are bytes, rates bytes per second,
// unknown numbers -1.
type Status struct {
	InfoHash      metainfo.Hash   // by which it is known here
	HashV1        metainfo.Hash   // zero in a torrent that is v2 only
	HashV2        metainfo.HashV2 // zero in a torrent that is v1 only
	Name          string
	State         State
	Error         string // why State is Failed, or what is in the way
	Dir           string
	TotalBytes    int64
	VerifiedBytes int64 // hashed right and written

	WantedBytes         int64 // in the pieces that files which are wanted have a part in
	WantedVerifiedBytes int64 // of them

	CheckedBytes    int64 // progress in State Checking, -1 otherwise
	DownloadedBytes int64 // payload received, ever
	UploadedBytes   int64
	WastedBytes     int64 // received twice or with a wrong hash
	DownloadRate    int64
	UploadRate      int64
	Peers           int
	Seeds           int // of Peers
	ETASeconds      int64
	Private         bool
	SuperSeeding    bool   // gives every piece away once, or will when somebody comes (BEP 16)
	Limits          Limits // of this torrent alone
	PieceLength     int64
	NumPieces       int
	NumFiles        int
	AddedAt         time.Time
	CompletedAt     time.Time // zero until complete
}

// Detail is a Status with everything behind it.
type Detail struct {
	Status
	Files        []FileStatus
	Peers        []PeerStatus
	Trackers     []TrackerStatus
	WebSeeds     []WebSeedStatus
	Finding      []FindingStatus // how each way of finding peers goes
	Pieces       []byte          // verified pieces in wire order (BEP 3)
	Availability []int           // copies of each piece among the peers; nil when there are none
}

// FileStatus is one file. Path is relative to the torrent's directory, with
// "/" between names.
type FileStatus struct {
	Index         int // its position in the torrent, from 0; pad files, which are left out, count
	Path          string
	Length        int64
	VerifiedBytes int64
	Priority      string // "skip", "low", "normal" or "high"
}

// PeerStatus is one connection.
type PeerStatus struct {
	Address        string
	Client         string
	Direction      string // "in" or "out"
	Source         string // "tracker", "dht", "pex", "lsd", "incoming" or "magnet"
	Transport      string // "tcp" or "utp"
	Encryption     string // "plaintext", "handshake" (and plaintext after it) or "rc4"
	Progress       float64
	DownloadRate   int64
	UploadRate     int64
	Downloaded     int64
	Uploaded       int64
	Choking        bool // we choke it
	Interested     bool
	PeerChoking    bool
	PeerInterested bool
	Snubbed        bool
	Requests       int
	QueuedUploads  int
}

// TrackerStatus is one announce URL and what it last said.
type TrackerStatus struct {
	URL           string
	Tier          int
	State         string // "idle" "announcing" "ok" "error"
	Error         string
	Warning       string
	Seeders       int
	Leechers      int
	Downloaded    int
	LastAnnounce  time.Time
	NextAnnounce  time.Time
	PeersReceived int
}

// Stats sums up the engine.
type Stats struct {
	Torrents       int
	ByState        map[State]int
	Peers          int
	DownloadRate   int64
	UploadRate     int64
	ListenAddress  string
	PortMapping    string // of the router, for people
	BufferBytes    int64  // of pieces that are being filled or written
	DiskQueueBytes int64  // of pieces that wait for the disk
}
