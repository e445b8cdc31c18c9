package rpc

import "time"

// States of a torrent.
const (
	StateQueued      = "queued"   // about to begin: its files are being looked at
	StateMetadata    = "metadata" // of a magnet link: what it contains is not known yet
	StateChecking    = "checking" // pieces are hashed
	StateDownloading = "downloading"
	StateSeeding     = "seeding"
	StateStopped     = "stopped"
	StateError       = "error"
)

// Torrent is one torrent, as every reply shows it.
type Torrent struct {
	InfoHash      string `json:"infoHash"`   // 40 lower-case hex digits, the id: v1, or those that v2 begins with
	InfoHashV1    string `json:"infoHashV1"` // "" in a torrent that is v2 only
	InfoHashV2    string `json:"infoHashV2"` // 64 lower-case hex digits, "" in a torrent that is v1 only
	Name          string `json:"name"`
	State         string `json:"state"`
	TotalBytes    int64  `json:"totalBytes"`
	VerifiedBytes int64  `json:"verifiedBytes"` // hashed right and written

	WantedBytes         int64 `json:"wantedBytes"`         // in the pieces that hold a part of a wanted file
	WantedVerifiedBytes int64 `json:"wantedVerifiedBytes"` // of them: progress is this of WantedBytes

	CheckedBytes    int64      `json:"checkedBytes"` // progress when State is "checking", -1 otherwise
	DownloadRate    int64      `json:"downloadRate"`
	UploadRate      int64      `json:"uploadRate"`
	DownloadedBytes int64      `json:"downloadedBytes"` // payload received, ever
	UploadedBytes   int64      `json:"uploadedBytes"`
	WastedBytes     int64      `json:"wastedBytes"` // received twice or with a wrong hash
	Peers           int        `json:"peers"`
	Seeds           int        `json:"seeds"` // of Peers
	ETASeconds      int64      `json:"etaSeconds"`
	Error           string     `json:"error"` // why State is "error", or what is in the way
	Dir             string     `json:"dir"`
	Private         bool       `json:"private"`
	SuperSeeding    bool       `json:"superSeeding"`  // it gives every piece away once, until there is another seed
	DownloadLimit   int64      `json:"downloadLimit"` // of this torrent alone, 0 is none
	UploadLimit     int64      `json:"uploadLimit"`
	PieceLength     int64      `json:"pieceLength"`
	NumPieces       int        `json:"numPieces"`
	NumFiles        int        `json:"numFiles"`
	AddedAt         time.Time  `json:"addedAt"`
	CompletedAt     *time.Time `json:"completedAt"` // null until complete
}

// TorrentAddArgs names a torrent in one of three ways.
type TorrentAddArgs struct {
	Metainfo []byte `json:"metainfo,omitempty"` // the .torrent itself, base64
	Path     string `json:"path,omitempty"`     // a file the daemon can read
	URL      string `json:"url,omitempty"`      // http or https, fetched by the daemon; or a magnet link
	Dir      string `json:"dir,omitempty"`      // absolute; the daemon's download directory when empty
	Paused   bool   `json:"paused,omitempty"`

	DownloadLimit int64 `json:"downloadLimit,omitempty"` // of this torrent alone, 0 is none
	UploadLimit   int64 `json:"uploadLimit,omitempty"`

	SuperSeed bool `json:"superSeed,omitempty"` // as its first seed, give every piece away once if possible

	Files string `json:"files,omitempty"` // to download, by their positions from 0: "0,2,4-8"; "all"; when empty what a magnet link says (so), or all
}

// TorrentAddReply is the torrent, new or already known.
type TorrentAddReply struct {
	Torrent   Torrent `json:"torrent"`
	Duplicate bool    `json:"duplicate"` // it was there before; if it is not private, it learnt new trackers, peers and web seeds
}

// TorrentListReply is every torrent, oldest first.
type TorrentListReply struct {
	Torrents []Torrent `json:"torrents"`
}

// TorrentArgs names one torrent. ID is its info hash or a unique prefix.
type TorrentArgs struct {
	ID string `json:"id"`
}

// TorrentRemoveArgs says whether the payload goes too.
type TorrentRemoveArgs struct {
	ID         string `json:"id"`
	DeleteData bool   `json:"deleteData,omitempty"`
}

// TorrentGetArgs says which of the long lists are wanted.
type TorrentGetArgs struct {
	ID       string `json:"id"`
	Files    bool   `json:"files,omitempty"`
	Peers    bool   `json:"peers,omitempty"`
	Trackers bool   `json:"trackers,omitempty"`
	WebSeeds bool   `json:"webSeeds,omitempty"`
	Pieces   bool   `json:"pieces,omitempty"`
}

// Priorities of a file.
const (
	PrioritySkip   = "skip" // it is not wanted
	PriorityLow    = "low"
	PriorityNormal = "normal"
	PriorityHigh   = "high"
)

// AllFiles names every file of a torrent.
const AllFiles = "all"

// TorrentSetFilesArgs changes which files of a torrent are wanted. Each member
// names some by their positions, as "0,2,4-8", or is "all".
type TorrentSetFilesArgs struct {
	ID     string `json:"id"`
	Only   string `json:"only,omitempty"` // and no others; those that were not wanted get the priority normal
	Skip   string `json:"skip,omitempty"` // what is there of them stays
	Low    string `json:"low,omitempty"`
	Normal string `json:"normal,omitempty"`
	High   string `json:"high,omitempty"`
}

// TorrentDetail is a torrent with the lists that were asked for; the others
// are null.
type TorrentDetail struct {
	Torrent
	Finding      []Finding `json:"finding"` // always there: how each way of finding peers goes
	Files        []File    `json:"files"`
	PeerList     []Peer    `json:"peerList"`
	Trackers     []Tracker `json:"trackers"`
	WebSeeds     []WebSeed `json:"webSeeds"`
	Pieces       []byte    `json:"pieces"`       // base64, one bit a verified piece, first piece in the highest bit (BEP 3)
	Availability []int     `json:"availability"` // copies of each piece among the peers
}

// Finding is how one way of finding peers goes. Together they say why a torrent
// has none.
type Finding struct {
	Source string `json:"source"` // "tracker" (one entry for each), "dht", "pex", "lsd", "magnet", or "port": how others reach us
	Text   string `json:"text"`   // such as "HTTP 502" or "412 nodes, 3 peers found"
}

// File is one file of a torrent. Path is relative to Dir, "/" between names.
type File struct {
	Index         int    `json:"index"` // its position in the torrent, from 0; padding, which is left out, counts
	Path          string `json:"path"`
	Length        int64  `json:"length"`
	VerifiedBytes int64  `json:"verifiedBytes"`
	Priority      string `json:"priority"` // "skip", "low", "normal" or "high"
}

// Peer is one connection.
type Peer struct {
	Address         string  `json:"address"`
	Client          string  `json:"client"`     // what it calls itself
	Direction       string  `json:"direction"`  // "in" or "out"
	Source          string  `json:"source"`     // "tracker", "dht", "pex", "lsd", "incoming" or "magnet"
	Transport       string  `json:"transport"`  // "tcp" or "utp"
	Encryption      string  `json:"encryption"` // "plaintext", "handshake" (plaintext after an encrypted one) or "rc4"
	Progress        float64 `json:"progress"`   // 0 to 1
	DownloadRate    int64   `json:"downloadRate"`
	UploadRate      int64   `json:"uploadRate"`
	DownloadedBytes int64   `json:"downloadedBytes"`
	UploadedBytes   int64   `json:"uploadedBytes"`
	Choking         bool    `json:"choking"` // we choke it
	Interested      bool    `json:"interested"`
	PeerChoking     bool    `json:"peerChoking"` // it chokes us
	PeerInterested  bool    `json:"peerInterested"`
	Snubbed         bool    `json:"snubbed"`
	Requests        int     `json:"requests"` // blocks we wait for
	QueuedUploads   int     `json:"queuedUploads"`
}

// Tracker is one announce URL and what it last said.
type Tracker struct {
	URL           string     `json:"url"`
	Tier          int        `json:"tier"`
	State         string     `json:"state"` // "idle" "announcing" "ok" "error"
	Error         string     `json:"error"`
	Warning       string     `json:"warning"`
	Seeders       int        `json:"seeders"`
	Leechers      int        `json:"leechers"`
	Downloaded    int        `json:"downloaded"`
	PeersReceived int        `json:"peersReceived"`
	LastAnnounce  *time.Time `json:"lastAnnounce"`
	NextAnnounce  *time.Time `json:"nextAnnounce"`
}

// WebSeed is a web server that has the torrent's files (BEP 19).
type WebSeed struct {
	URL             string     `json:"url"`          // without user, password and query
	State           string     `json:"state"`        // "idle" "active" "error" "banned"
	Error           string     `json:"error"`        // of the last try, or why it is banned
	MissingFiles    int        `json:"missingFiles"` // that the server turned out not to have
	DownloadRate    int64      `json:"downloadRate"`
	DownloadedBytes int64      `json:"downloadedBytes"`
	RetryAt         *time.Time `json:"retryAt"` // when State is "error"
}
