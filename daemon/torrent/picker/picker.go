// Package picker decides which blocks of a torrent to request from which peer.
//
// The first pieces are picked at random, so that there is something to trade;
// after that the rarest go first, at random inside a class of equal rarity.
// Pieces of a higher priority are begun before those of a lower one, however
// rare, and unwanted ones not at all.
// Pieces begun are finished before new ones are begun, and what is begun is
// bounded in bytes. A peer stays on its piece and takes runs of consecutive
// blocks of it; peers fast enough take whole pieces of their own, slow ones
// share. Snubbed peers go for the most common pieces and help out with those
// of others. Peers on parole, suspected of bad data, work alone on their pieces.
// Once every block that is wanted has been requested, an idle peer may ask for
// one that another peer owes (endgame).
//
// The rules of use: a Picker belongs to one goroutine, has no clock and does no
// I/O. Every block it hands out counts as requested until Received, Release,
// ReleaseAll, RemovePeer, PieceVerified or PieceFailed ends it. A Pick that came
// back empty may succeed after any of those, after the peer gains a piece and
// after another peer leaves, so ask again then for peers with nothing to do.
//
// What it costs, with N pieces and P peers: a block costs O(1); starting a
// piece O(P) steps of a few nanoseconds plus, for a peer that is no seed, a
// bounded number of probes and at most N/64 words; a HAVE O(1); a seed joins
// and leaves in O(1). A leecher's bitfield costs O(N) once, when it arrives and
// when it leaves; new priorities cost O(N) once. A piece takes 12 bytes, 9 more
// for each priority in use beside the first, and block state only while started.
//
// Spec: BEP 3 (rarest first, endgame), BEP 6 (allowed fast).
package picker

import (
	"math/rand/v2"

	"lorrent/daemon/torrent/bitfield"
)

// BlockSize is the size in bytes of every block but the last one of a piece.
const BlockSize = 16 * 1024

const (
	defaultMaxPartialBytes = 32 << 20
	randomFirst            = 4 // pieces to have before rarity counts
)

// PeerID is a small handle chosen by the caller, unique among the peers that
// were added and not removed. It may be used again afterwards.
type PeerID int32

// Priority says how urgently a piece is wanted. Higher ones go first.
type Priority = uint8

// The priorities. Normal is that of all pieces when nothing is said.
const (
	Unwanted Priority = iota
	Low
	Normal
	High

	priorities = int(High) + 1
)

// Block is what one request asks for. Begin and Length are in bytes; Begin is a
// multiple of BlockSize and Length at most BlockSize.
type Block struct {
	Piece         int32
	Begin, Length int32
}

// Config says what there is to download.
type Config struct {
	NumPieces                int
	PieceLength, TotalLength int64                 // bytes
	PieceSize                func(piece int) int64 // bytes to ask for; nil for PieceLength, less for the last
	Have                     *bitfield.Bitfield    // verified already; copied; nil for none

	Priority func(piece int) Priority // nil for Normal

	// MaxPartialBytes bounds the bytes in pieces begun and not complete, whole
	// pieces counted; 0 means 32 MiB, and one piece is always allowed. Twice as
	// much is the hard limit, reached only for peers that have nothing the
	// pieces begun still need.
	MaxPartialBytes int64

	// Dropped, unless nil, is called when a started piece is given up and all
	// its blocks are wanted again, so that its buffer can go: when its last
	// request was released before a block came, or to make room for a piece that
	// peers do have. It must not call the Picker.
	Dropped func(piece int)

	Rand *rand.Rand // nil for one seeded at random
}

// Picker is the state of one torrent's download.
type Picker struct {
	// immutable after New
	pieceLength, totalLength int64
	numPieces                int
	sizeOf                   func(piece int) int64
	maxPartialBytes          int64
	dropped                  func(piece int)
	rand                     *rand.Rand

	// pieces
	have     *bitfield.Bitfield
	wanted   set // not had, and not of the priority Unwanted
	left     int64
	verified int64
	priority []Priority          // by piece; nil when all are Normal
	count    []int32             // by piece: peers that have it, seeds not counted
	rarities [priorities]*rarity // of wanted pieces neither had nor started; nil where there never were any
	returned int                 // how often a piece became startable again

	// peers
	peers map[PeerID]*peer
	seeds int // peers with every piece, which rarity does not count

	// pieces started
	started      map[int32]*partial
	partials     []*partial // not complete
	open         []*partial // with a block that is neither requested nor received
	partialBytes int64      // in partials
	inflight     int        // blocks requested from someone and not received

	scratch []*partial // for picks among allowed fast pieces
}

// New returns a picker without peers.
func New(cfg Config) *Picker {
	p := &Picker{
		pieceLength:     cfg.PieceLength,
		totalLength:     cfg.TotalLength,
		numPieces:       cfg.NumPieces,
		sizeOf:          cfg.PieceSize,
		maxPartialBytes: cfg.MaxPartialBytes,
		dropped:         cfg.Dropped,
		rand:            cfg.Rand,
		have:            bitfield.New(cfg.NumPieces),
		wanted:          newSet(cfg.NumPieces),
		count:           make([]int32, cfg.NumPieces),
		peers:           make(map[PeerID]*peer),
		started:         make(map[int32]*partial),
	}
	if p.maxPartialBytes == 0 {
		p.maxPartialBytes = defaultMaxPartialBytes
	}
	p.maxPartialBytes = max(p.maxPartialBytes, cfg.PieceLength)
	if p.rand == nil {
		p.rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	for i := range cfg.NumPieces {
		if cfg.Have != nil && cfg.Have.Has(i) {
			p.have.Set(i)
			p.verified += p.pieceSize(i)
		}
	}
	p.prioritise(cfg.Priority)
	return p
}

// PieceVerified says that the piece's hash is right and that it is written.
func (p *Picker) PieceVerified(piece int) {
	if piece < 0 || piece >= p.numPieces || p.have.Has(piece) {
		return
	}
	if part := p.started[int32(piece)]; part != nil {
		p.forget(part)
	} else {
		p.leave(piece)
	}
	p.have.Set(piece)
	p.verified += p.pieceSize(piece)
	if p.wanted.has(piece) {
		p.wanted.remove(piece)
		p.left -= p.pieceSize(piece)
	}
}

// PieceFailed says that the piece's hash is wrong or that it could not be
// written: all of its blocks are wanted again.
func (p *Picker) PieceFailed(piece int) {
	if part := p.started[int32(piece)]; part != nil {
		p.forget(part)
		p.enter(piece)
	}
}

// Have returns the pieces that are verified. It is live: read it, never change it.
func (p *Picker) Have() *bitfield.Bitfield { return p.have }

// Left returns the bytes in wanted pieces that are not verified.
func (p *Picker) Left() int64 { return p.left }

// Verified returns the bytes in verified pieces, wanted or not.
func (p *Picker) Verified() int64 { return p.verified }

// Started reports whether blocks of the piece are requested or received,
// complete but unverified pieces included.
func (p *Picker) Started(piece int) bool { return p.started[int32(piece)] != nil }

// Partials returns the number of pieces started and not complete.
func (p *Picker) Partials() int { return len(p.partials) }

// PartialBytes returns the size of the pieces started and not complete, in bytes.
func (p *Picker) PartialBytes() int64 { return p.partialBytes }

// Endgame reports whether every block that is wanted is requested or received,
// and some are still owed.
func (p *Picker) Endgame() bool {
	return p.startable() == 0 && len(p.open) == 0 && len(p.partials) > 0
}

// Availability returns how many peers have each piece, in a new slice.
func (p *Picker) Availability() []int {
	counts := make([]int, p.numPieces)
	for i := range counts {
		counts[i] = int(p.count[i]) + p.seeds
	}
	return counts
}

// pieceSize returns the bytes of a piece that are to be asked for.
func (p *Picker) pieceSize(piece int) int64 {
	if p.sizeOf != nil {
		return p.sizeOf(piece)
	}
	return min(p.pieceLength, p.totalLength-int64(piece)*p.pieceLength)
}
