package torrent

import (
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"lorrent/daemon/event"
	"lorrent/daemon/torrent/outbound"
	"lorrent/storage"
	"lorrent/storage/disk"
)

// Config is what an engine needs. Zero numbers mean the defaults below.
type Config struct {
	Listen         string // HOST:PORT for peers; an empty host is IPv4 and IPv6
	DownloadDir    string // for torrents that name no other
	Store          *storage.DB
	Events         *event.Ring
	Log            zerolog.Logger
	Version        string    // of this program, told to peers and trackers
	Allocate       disk.Mode // how space is set aside
	Encryption     Encryption
	Transport      Transport
	Blocklist      string        // file or URL of addresses to stay away from
	BlocklistCache string        // file that keeps what came from a URL
	Out            *outbound.Way // which way traffic leaves; nil is whatever way there is
	PortMapping    bool          // ask the router to let peers in

	DHT          DHTMode
	DHTBootstrap []string // HOST:PORT of nodes to begin with
	LSD          bool     // local service discovery

	MaxPeers           int           // connections in all
	MaxPeersPerTorrent int           //
	UploadSlots        int           // per torrent
	Speed              Speed         // of all torrents; what SetSpeed stored goes before it
	BufferBytes        int64         // of pieces that arrive or wait for the disk
	CheckpointInterval time.Duration // at most this much knowledge is lost in a crash,
	CheckpointBytes    int64         // and about this much payload fetched again
	StopGrace          time.Duration // for the goodbyes to trackers

	// shorter in tests
	dialTimeout      time.Duration // for a connection to a peer over TCP
	utpTimeout       time.Duration // for one over uTP, mostly after TCP has failed
	handshakeTimeout time.Duration // for a peer's handshake
	blockTimeout     time.Duration // for a block, once begun
	parkAfter        time.Duration // a session with nothing to do ends
	writeRetry       time.Duration // the first time the disk is full
	blocklistLook    time.Duration // between two looks at a blocklist that is a file
	pexInterval      time.Duration // between two peer exchanges with one peer

	denyUTP func(netip.AddrPort) bool // whom to ignore over uTP, as a home router would
}

const (
	defaultMaxPeers           = 500
	defaultMaxPeersPerTorrent = 80
	defaultUploadSlots        = 8
	defaultBufferBytes        = 64 << 20
	defaultCheckpointInterval = time.Second
	defaultCheckpointBytes    = 64 << 20
	defaultStopGrace          = 3 * time.Second
	defaultDialTimeout        = 10 * time.Second
	defaultUTPTimeout         = 5 * time.Second
	defaultHandshakeTimeout   = 10 * time.Second
	defaultParkAfter          = 10 * time.Second
	defaultWriteRetry         = 10 * time.Second
	defaultPEXInterval        = time.Minute

	maxHalfOpen  = 64 // dials under way, and as many fallbacks to uTP
	maxAnnounces = 64 // announces under way
)

func (c *Config) setDefaults() {
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&c.MaxPeers, defaultMaxPeers)
	orInt(&c.MaxPeersPerTorrent, defaultMaxPeersPerTorrent)
	orInt(&c.UploadSlots, defaultUploadSlots)
	if c.BufferBytes <= 0 {
		c.BufferBytes = defaultBufferBytes
	}
	if c.CheckpointBytes <= 0 {
		c.CheckpointBytes = defaultCheckpointBytes
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orTime(&c.CheckpointInterval, defaultCheckpointInterval)
	orTime(&c.StopGrace, defaultStopGrace)
	orTime(&c.dialTimeout, defaultDialTimeout)
	orTime(&c.utpTimeout, defaultUTPTimeout)
	orTime(&c.handshakeTimeout, defaultHandshakeTimeout)
	orTime(&c.parkAfter, defaultParkAfter)
	orTime(&c.writeRetry, defaultWriteRetry)
	orTime(&c.pexInterval, defaultPEXInterval)
	if c.Speed.Mode == "" {
		c.Speed.Mode = AltOff
	}
}
