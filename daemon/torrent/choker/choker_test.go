package choker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Unix(1_000_000, 0)

func newChoker(slots int) *Choker {
	return New(Config{Slots: slots}, rand.New(rand.NewPCG(1, 2)))
}

// regular returns the chosen peers without the optimistic ones, sorted.
func regular(peers []Peer, chosen []int32) []int32 {
	var ids []int32
	for _, id := range chosen {
		if i := slices.IndexFunc(peers, func(p Peer) bool { return p.ID == id }); !peers[i].Optimistic {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestRegularSlots(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name    string
		seeding bool
		peers   []Peer
		want    []int32 // with two slots
	}{
		{"leeching: the best senders", false, []Peer{
			{ID: 1, Interested: true, DownloadRate: 10},
			{ID: 2, Interested: true, DownloadRate: 30},
			{ID: 3, Interested: true, DownloadRate: 20},
		}, []int32{2, 3}},
		{"leeching: not those without interest", false, []Peer{
			{ID: 1, Interested: true, DownloadRate: 10},
			{ID: 2, DownloadRate: 30},
			{ID: 3, Interested: true, DownloadRate: 20},
			{ID: 4, Interested: true},
		}, []int32{1, 3}},
		{"leeching: not the snubbed, even in an empty slot", false, []Peer{
			{ID: 1, Interested: true, DownloadRate: 10, Snubbed: true, Unchoked: true},
			{ID: 2, Interested: true, DownloadRate: 5},
			{ID: 3, Interested: true, Snubbed: true},
		}, []int32{2}},
		{"leeching: the unchoked win ties", false, []Peer{
			{ID: 1, Interested: true, DownloadRate: 10},
			{ID: 2, Interested: true, DownloadRate: 10},
			{ID: 3, Interested: true, DownloadRate: 10, Unchoked: true},
			{ID: 4, Interested: true, DownloadRate: 10, Unchoked: true},
		}, []int32{3, 4}},
		{"leeching: upload rate does not count", false, []Peer{
			{ID: 1, Interested: true, DownloadRate: 1},
			{ID: 2, Interested: true, DownloadRate: 2},
			{ID: 3, Interested: true, UploadRate: 100},
		}, []int32{1, 2}},
		{"seeding: everyone fits", true, []Peer{
			{ID: 1, Interested: true, Snubbed: true},
			{ID: 2},
			{ID: 3, Interested: true, Unchoked: true, UnchokedFor: time.Hour, SentSinceUnchoke: 99 * mib},
		}, []int32{1, 3}},
		{"nobody", true, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chosen := newChoker(2).Choose(start, tt.seeding, tt.peers)
			if got := regular(tt.peers, chosen); !slices.Equal(got, tt.want) {
				t.Errorf("regular slots for %v, want %v (all chosen: %v)", got, tt.want, chosen)
			}
		})
	}
}

// A seed with two slots and peers 1 and 2 in them, 3 and 4 waiting (3 longer)
// and 5 and 6 without a chance but for the optimistic slot.
func TestSeedingTurns(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name string
		held [2]Peer // UnchokedFor and SentSinceUnchoke of peers 1 and 2
		want []int32
	}{
		{"turns go on", [2]Peer{{UnchokedFor: 50 * time.Second, SentSinceUnchoke: 30 * mib}, {UnchokedFor: 2 * time.Minute, SentSinceUnchoke: 19 * mib}}, []int32{1, 2}},
		{"one had both bytes and time", [2]Peer{{UnchokedFor: time.Minute, SentSinceUnchoke: 20 * mib}, {UnchokedFor: 50 * time.Second}}, []int32{2, 3}},
		{"a trickle ends too", [2]Peer{{UnchokedFor: 5 * time.Minute, SentSinceUnchoke: 1}, {UnchokedFor: 50 * time.Second}}, []int32{2, 3}},
		{"both had their turn", [2]Peer{{UnchokedFor: time.Minute, SentSinceUnchoke: 20 * mib}, {UnchokedFor: time.Minute, SentSinceUnchoke: 20 * mib}}, []int32{3, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChoker(2)
			c.rotatedAt = start // no optimistic slot changes hands in between
			c.Choose(start, true, []Peer{{ID: 9, Interested: true}, {ID: 1, Interested: true}, {ID: 2, Interested: true}})
			c.regular = map[int32]bool{1: true, 2: true}
			c.optimistic = []int32{9}
			c.waiting = map[int32]time.Time{4: start.Add(-time.Second), 3: start.Add(-time.Minute)}
			peers := []Peer{
				{ID: 4, Interested: true}, {ID: 3, Interested: true}, {ID: 5, Interested: true}, {ID: 9, Interested: true, Unchoked: true},
				{ID: 1, Interested: true, Unchoked: true, UnchokedFor: tt.held[0].UnchokedFor, SentSinceUnchoke: tt.held[0].SentSinceUnchoke},
				{ID: 2, Interested: true, Unchoked: true, UnchokedFor: tt.held[1].UnchokedFor, SentSinceUnchoke: tt.held[1].SentSinceUnchoke},
			}
			chosen := c.Choose(start.Add(10*time.Second), true, peers)
			if got := regular(peers, chosen); !slices.Equal(got, tt.want) {
				t.Errorf("regular slots for %v, want %v", got, tt.want)
			}
			if !slices.Contains(chosen, 9) {
				t.Errorf("the optimistic slot moved before its time: %v", chosen)
			}
		})
	}
}

// When one has waited and two had their turn, the longer held slot is given up.
func TestSeedingLongestTurnEndsFirst(t *testing.T) {
	for _, longest := range []int32{1, 2} {
		c := newChoker(2)
		c.rotatedAt = start
		peers := []Peer{{ID: 1, Interested: true}, {ID: 2, Interested: true}, {ID: 3, Interested: true}}
		c.Choose(start, true, peers)
		for i := range peers[:2] {
			peers[i].Unchoked, peers[i].UnchokedFor, peers[i].SentSinceUnchoke = true, 2*time.Minute, 1<<30
		}
		peers[longest-1].UnchokedFor = 3 * time.Minute
		c.optimistic = nil
		c.Choose(start.Add(10*time.Second), true, peers)
		if !c.regular[3] || c.regular[longest] {
			t.Errorf("peer %d has had its slot longest, but the slots went to %v", longest, c.regular)
		}
	}
}

func TestOutdonePeerMayBecomeOptimistic(t *testing.T) {
	c := newChoker(1)
	peers := []Peer{{ID: 1, Interested: true, DownloadRate: 2}, {ID: 2, Interested: true, DownloadRate: 1}}
	c.Choose(start, false, peers)
	peers[1].DownloadRate = 3
	if got := c.Choose(start.Add(10*time.Second), false, peers); !slices.Equal(got, []int32{2, 1}) || !peers[0].Optimistic {
		t.Errorf("chosen %v, want 2 and, as the optimistic one, 1", got)
	}
}

// Over an hour every one of 30 leechers gets about the same from a seed.
func TestSeedingGoesRound(t *testing.T) {
	swarm := newSwarm(30)
	for i := range swarm.peers {
		swarm.peers[i].Interested = true
	}
	c := newChoker(8)
	total := make(map[int32]time.Duration)
	for range 360 {
		for _, id := range swarm.round(c, true) {
			total[id] += 10 * time.Second
		}
	}
	for _, p := range swarm.peers {
		if share := total[p.ID]; share < 12*time.Minute || share > 27*time.Minute {
			t.Errorf("peer %d was unchoked for %v of an hour, a fair share is about 18m", p.ID, share)
		}
	}
}

func TestOptimistic(t *testing.T) {
	swarm := newSwarm(20)
	for i := range swarm.peers {
		swarm.peers[i].Interested = true
		swarm.peers[i].Snubbed = true // nobody earns a regular slot
	}
	c := newChoker(10)
	var last []int32
	seen := map[int32]bool{}
	for round := range 300 {
		chosen := swarm.round(c, false)
		if len(chosen) != 2 {
			t.Fatalf("round %d: %d optimistic slots of 10 regular ones, want 2", round, len(chosen))
		}
		if turn := round%3 == 0; round > 0 {
			for _, id := range chosen {
				if slices.Contains(last, id) == turn {
					t.Fatalf("round %d: slots of %v after %v", round, chosen, last)
				}
			}
		}
		for _, id := range chosen {
			seen[id] = true
		}
		last = chosen
	}
	if len(seen) != len(swarm.peers) {
		t.Errorf("%d of %d peers had an optimistic slot in 50 minutes", len(seen), len(swarm.peers))
	}
}

func TestOptimisticIsReplacedWhenPromotedOrGone(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(*Peer)
	}{
		{"earns a regular slot", func(p *Peer) { p.DownloadRate = 1000 }},
		{"loses interest", func(p *Peer) { p.Interested = false }},
	} {
		t.Run(change.name, func(t *testing.T) {
			c := newChoker(1)
			peers := []Peer{{ID: 1, Interested: true, DownloadRate: 9}, {ID: 2, Interested: true}, {ID: 3, Interested: true}, {ID: 4, Interested: true}}
			c.Choose(start, false, peers)
			i := slices.IndexFunc(peers, func(p Peer) bool { return p.Optimistic })
			change.do(&peers[i])
			chosen := c.Choose(start.Add(10*time.Second), false, peers)
			if peers[i].Optimistic || len(chosen) != 2 {
				t.Errorf("peer %d keeps its optimistic slot: %v", peers[i].ID, chosen)
			}
		})
	}
}

func TestNewcomersAreThreeTimesAsLikely(t *testing.T) {
	newcomers := 0
	const draws = 8000
	c := newChoker(1)
	for range draws {
		peers := []Peer{{ID: 1, Interested: true, DownloadRate: 9}, {ID: 2, Interested: true}, {ID: 3, Interested: true, New: true}}
		c.optimistic, c.rotatedAt = nil, time.Time{}
		c.Choose(start, false, peers)
		if peers[2].Optimistic {
			newcomers++
		}
	}
	if share := float64(newcomers) / draws; share < 0.72 || share > 0.78 {
		t.Errorf("the newcomer was chosen in %.2f of the draws, want 0.75", share)
	}
}

// With rates that do not change, nobody with a regular slot is choked.
func TestNoFlutter(t *testing.T) {
	swarm := newSwarm(20)
	for i := range swarm.peers {
		swarm.peers[i].Interested = true
		swarm.peers[i].DownloadRate = int64(i)
	}
	c := newChoker(4)
	first := regular(swarm.peers, swarm.round(c, false))
	for i := range swarm.peers {
		swarm.peers[i].DownloadRate = 100
	}
	for round := range 100 {
		if now := regular(swarm.peers, swarm.round(c, false)); !slices.Equal(now, first) {
			t.Fatalf("round %d: regular slots moved from %v to %v", round, first, now)
		}
	}
}

// swarm plays what the engine does between two calls of Choose.
type swarm struct {
	now   time.Time
	peers []Peer
}

func newSwarm(n int) *swarm {
	s := &swarm{now: start}
	for i := range n {
		s.peers = append(s.peers, Peer{ID: int32(i)})
	}
	return s
}

func (s *swarm) round(c *Choker, seeding bool) []int32 {
	chosen := c.Choose(s.now, seeding, s.peers)
	s.now = s.now.Add(10 * time.Second)
	for i := range s.peers {
		p := &s.peers[i]
		was := p.Unchoked
		p.Unchoked = slices.Contains(chosen, p.ID)
		if !was || !p.Unchoked {
			p.UnchokedFor, p.SentSinceUnchoke = 0, 0
		}
		if p.Unchoked {
			p.UnchokedFor += 10 * time.Second
			p.SentSinceUnchoke += 10 << 20
		}
	}
	return chosen
}
