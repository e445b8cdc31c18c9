package interop

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"
)

const (
	leechers = 4
	// settledCPU is the share of a core below which a process has nothing left
	// to do.
	settledCPU = 0.05
)

// seeding measures the contender as the one seed of four libtorrent leechers,
// which know only it and check nothing; their files are compared afterwards.
func (b *benchmark) seeding(t *testing.T) {
	s := b.sampleOf(t, "seeding", b.size/4)
	standings := b.alternate(t, b.contenders, func(t *testing.T, c contender) run { return b.seedTo(t, c, s) })
	table(fmt.Sprintf("seeding: %d MiB to %d libtorrent leechers", s.size/mib, leechers), standings, wallColumn, seedingColumns)
}

func (b *benchmark) seedTo(t *testing.T, c contender, s sample) run {
	ctx := beginFor(t, runLimit)
	a := b.newArena(t, nil, []sample{s})
	j := newJob(t, a.ours, s.dir, s.torrent)
	j.measured = true
	seed := c.launch(t, ctx, a, j)
	awaitReady(t, ctx, a, seed)
	var orders []seedOrder
	for i := range leechers {
		o := a.order(t, a.address(t, i))
		o.Peer = []any{a.ourAddr, c.port}
		o.Torrents = [][2]string{{writeTorrent(t, s), scratch(t)}}
		p := startOther(t, a.theirs, "libtorrent", o)
		await(t, ctx, "a leecher", func() (bool, error) { return exists(o.Ready), p.alive() })
		orders, a.seeds = append(orders, o), append(a.seeds, p)
	}
	r := run{bytes: leechers * s.size, busy: quiet()}
	before, others := seed.cpuSoFar(), a.seedCPU()
	m := startMeter(t, a.ours)
	m.follow(seed.process)
	for _, o := range orders {
		if err := touch(o.Go); err != nil {
			t.Fatal(err)
		}
	}
	awaitEvery(t, ctx, 2*time.Millisecond, "the leechers", func() (bool, error) {
		for _, o := range orders {
			if !exists(o.Done) {
				return false, seed.alive()
			}
		}
		return true, nil
	})
	m.read(&r)
	r.cpu, r.seedCPU = seed.cpuSoFar()-before, a.seedCPU()-others
	seed.stop(t)
	for _, o := range orders {
		s.compare(t, s.dir, o.Torrents[0][1])
	}
	return r
}

// awaitReady waits until a seed has told the tracker of itself and has nothing
// left to check.
func awaitReady(t *testing.T, ctx context.Context, a *arena, p running) {
	t.Helper()
	await(t, ctx, "announce of the seed", func() (bool, error) { return a.announces() > 0, p.alive() })
	awaitIdle(t, ctx, p.process)
}

// awaitIdle waits until a process hardly uses the processor.
func awaitIdle(t *testing.T, ctx context.Context, p *process) {
	t.Helper()
	last := math.Inf(-1)
	awaitEvery(t, ctx, time.Second, "end of the check", func() (bool, error) {
		before := last
		last = p.cpuSoFar()
		return last-before < settledCPU, p.alive()
	})
}
