// Package choker decides which peers of a torrent we upload to.
//
// Leeching, it is tit for tat: the regular slots go to the interested peers that
// send us most, and one that stopped sending (snubbed) loses its slot. Seeding,
// the slots go round: a peer keeps its slot for a turn, then whoever has waited
// longest is next. On top of that a few optimistic slots go to interested peers
// at random and change hands every 30 s, so that newcomers, likelier to be
// chosen, get something to trade and better partners are found.
//
// A Choker belongs to one goroutine and has no clock: call Choose every 10 s,
// and in between when an unchoked peer left or lost interest. Ties go to the
// peer that is unchoked already, so that slots do not flutter.
//
// It also holds the allowed fast set of BEP 6: what a choked peer may request.
//
// Spec: BEP 3 (choking), BEP 6.
package choker

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	defaultSlots           = 8
	defaultOptimisticEvery = 30 * time.Second
	defaultSeedQuota       = 20 << 20
	defaultSeedTurn        = time.Minute

	peersPerOptimistic = 5 // regular slots for one optimistic slot
	newcomerWeight     = 3
	longestTurn        = 5 // times SeedTurn, quota or not: a trickle must not hold a slot for ever
)

// Config holds the choker's settings; zero fields get their defaults.
type Config struct {
	Slots           int           // regular upload slots, default 8
	OptimisticEvery time.Duration // how long an optimistic slot is held, default 30 s

	// A turn of a peer while seeding ends when it has had both, bytes and time.
	SeedQuota int64         // default 20 MiB
	SeedTurn  time.Duration // default 60 s
}

// Peer is what Choose needs to know of a connected peer.
type Peer struct {
	ID         int32
	Interested bool // in us
	Unchoked   bool // by us
	Snubbed    bool // it owes us blocks and stopped sending

	DownloadRate, UploadRate int64         // bytes per second to us, from us
	UnchokedFor              time.Duration // how long it has been unchoked
	SentSinceUnchoke         int64         // bytes from us in that time

	New        bool // connected less than a minute ago: likelier to get an optimistic slot
	Optimistic bool // set by Choose: holds an optimistic slot
}

// Choker remembers who holds which kind of slot and who is waiting.
type Choker struct {
	// immutable after New
	cfg  Config
	rand *rand.Rand

	regular    map[int32]bool
	optimistic []int32
	rotatedAt  time.Time
	waiting    map[int32]time.Time // interested and choked, since when
}

// New returns a choker with no slot taken. A nil rnd is seeded at random.
func New(cfg Config, rnd *rand.Rand) *Choker {
	cfg.Slots = cmp.Or(cfg.Slots, defaultSlots)
	cfg.OptimisticEvery = cmp.Or(cfg.OptimisticEvery, defaultOptimisticEvery)
	cfg.SeedQuota = cmp.Or(cfg.SeedQuota, defaultSeedQuota)
	cfg.SeedTurn = cmp.Or(cfg.SeedTurn, defaultSeedTurn)
	if rnd == nil {
		rnd = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return &Choker{cfg: cfg, rand: rnd, regular: map[int32]bool{}, waiting: map[int32]time.Time{}}
}

// Choose returns the peers to unchoke or leave unchoked, those with regular
// slots first and best first; everyone else is to be choked. It needs all
// connected peers and sets Optimistic in them.
func (c *Choker) Choose(now time.Time, seeding bool, peers []Peer) []int32 {
	interested := make([]*Peer, 0, len(peers))
	for i := range peers {
		peers[i].Optimistic = false
		if peers[i].Interested {
			interested = append(interested, &peers[i])
		}
	}
	c.note(now, interested)

	var chosen []*Peer
	if seeding {
		chosen = c.rankSeeding(now, interested)
	} else {
		chosen = c.rankLeeching(interested)
	}
	chosen = chosen[:min(len(chosen), c.cfg.Slots)]
	clear(c.regular)
	for _, p := range chosen {
		c.regular[p.ID] = true
	}
	chosen = append(chosen, c.chooseOptimistic(now, interested)...)

	unchoke := make([]int32, len(chosen))
	for i, p := range chosen {
		unchoke[i] = p.ID
		delete(c.waiting, p.ID)
	}
	return unchoke
}

// note keeps track of who has been waiting since when.
func (c *Choker) note(now time.Time, interested []*Peer) {
	before := c.waiting
	c.waiting = make(map[int32]time.Time, len(interested))
	for _, p := range interested {
		since, was := before[p.ID]
		if !was {
			since = now
		}
		c.waiting[p.ID] = since
	}
}

// rankLeeching orders the peers that deserve a slot by what they send us.
func (c *Choker) rankLeeching(interested []*Peer) []*Peer {
	ranked := make([]*Peer, 0, len(interested))
	for _, p := range interested {
		if !p.Snubbed {
			ranked = append(ranked, p)
		}
	}
	slices.SortFunc(ranked, func(a, b *Peer) int {
		return cmp.Or(cmp.Compare(b.DownloadRate, a.DownloadRate),
			first(c.regular[a.ID], c.regular[b.ID]), first(a.Unchoked, b.Unchoked), cmp.Compare(a.ID, b.ID))
	})
	return ranked
}

// rankSeeding puts those whose turn goes on first, then those who waited, the
// longest wait first, then those who had their turn, who go on if there is room.
func (c *Choker) rankSeeding(now time.Time, interested []*Peer) []*Peer {
	ranked := slices.Clone(interested)
	stage := func(p *Peer) int {
		switch {
		case !c.regular[p.ID] || !p.Unchoked:
			return 1
		case c.turnOver(p):
			return 2
		}
		return 0
	}
	slices.SortFunc(ranked, func(a, b *Peer) int {
		// Of those with a slot, who has had it longest leaves last in its turn
		// and first after it.
		held := cmp.Compare(b.UnchokedFor, a.UnchokedFor)
		switch stage(a) {
		case 1:
			held = cmp.Compare(now.Sub(c.waiting[b.ID]), now.Sub(c.waiting[a.ID]))
		case 2:
			held = -held
		}
		return cmp.Or(cmp.Compare(stage(a), stage(b)), held, first(a.Unchoked, b.Unchoked), cmp.Compare(a.ID, b.ID))
	})
	return ranked
}

func (c *Choker) turnOver(p *Peer) bool {
	return p.UnchokedFor >= c.cfg.SeedTurn && p.SentSinceUnchoke >= c.cfg.SeedQuota ||
		p.UnchokedFor >= longestTurn*c.cfg.SeedTurn
}

// chooseOptimistic returns the peers with optimistic slots. Whoever earned a
// regular slot gives up the optimistic one, which is filled at once.
func (c *Choker) chooseOptimistic(now time.Time, interested []*Peer) []*Peer {
	rotate := now.Sub(c.rotatedAt) >= c.cfg.OptimisticEvery
	if rotate {
		c.rotatedAt = now
	}
	var kept, fresh, had []*Peer
	for _, p := range interested {
		switch held := slices.Contains(c.optimistic, p.ID); {
		case c.regular[p.ID]:
		case held && !rotate:
			kept = append(kept, p)
		case held:
			had = append(had, p) // once more only if nobody else wants it
		default:
			fresh = append(fresh, p)
		}
	}
	slots := max(1, c.cfg.Slots/peersPerOptimistic)
	for _, from := range [][]*Peer{fresh, had} {
		for len(kept) < slots && len(from) > 0 {
			i := c.draw(from)
			kept = append(kept, from[i])
			from = slices.Delete(from, i, i+1)
		}
	}
	c.optimistic = c.optimistic[:0]
	for _, p := range kept {
		p.Optimistic = true
		c.optimistic = append(c.optimistic, p.ID)
	}
	return kept
}

// draw returns the index of one of the peers, at random, newcomers likelier.
func (c *Choker) draw(peers []*Peer) int {
	total := 0
	for _, p := range peers {
		total += weight(p)
	}
	n := c.rand.IntN(total)
	for i, p := range peers {
		if n -= weight(p); n < 0 {
			return i
		}
	}
	return len(peers) - 1
}

func weight(p *Peer) int {
	if p.New {
		return newcomerWeight
	}
	return 1
}

// first compares so that true comes before false.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
