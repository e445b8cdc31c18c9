package interop

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// pairing is a seed, a leecher, and what is between them.
type pairing struct {
	seed, leecher string
	utp           bool
}

func (p pairing) name() string {
	over := "TCP"
	if p.utp {
		over = "uTP"
	}
	return fmt.Sprintf("%s to %s, %s", p.seed, p.leecher, over)
}

var (
	transferColumn = column{"transfer s", "%.2f", func(r run) float64 { return r.transfer }}
	pairColumns    = []column{
		{"MiB/s in it", "%.2f", func(r run) float64 { return float64(r.bytes) / mib / r.transfer }},
		{"wall s", "%.2f", func(r run) float64 { return r.wall }},
		{"leecher CPU-s/GiB", "%.2f", func(r run) float64 { return r.cpu * gib / float64(r.bytes) }},
		{"seed CPU-s/GiB", "%.2f", func(r run) float64 { return r.seedCPU * gib / float64(r.bytes) }},
		{"busy before %", "%.0f", func(r run) float64 { return 100 * r.busy }},
	}
)

// utp compares ours with libtorrent over the cable, and with TCP over a long
// line that loses packets.
func (b *benchmark) utp(t *testing.T) {
	d := download{samples: []sample{b.sampleOf(t, "utp", b.size/8)}}
	b.pair(t, fmt.Sprintf("uTP: %d MiB over the cable", d.samples[0].size/mib), d, []pairing{
		{"libtorrent", "libtorrent", true}, {"lorrent", "lorrent", true},
		{"libtorrent", "lorrent", true}, {"lorrent", "libtorrent", true},
	})
	l := link{rtt: 50 * time.Millisecond, rate: 100e6 / 8, loss: 0.01}
	size := b.delaySize(l)
	d = download{samples: []sample{b.sampleOf(t, "utp", size)}, link: &l}
	b.pair(t, "uTP, "+l.title(size), d, []pairing{
		{"lorrent", "lorrent", false}, {"lorrent", "lorrent", true}, {"libtorrent", "lorrent", true},
		{"lorrent", "libtorrent", true}, {"libtorrent", "libtorrent", true},
	})
}

// pair lets the pairings take turns, and prints.
func (b *benchmark) pair(t *testing.T, title string, d download, pairings []pairing) {
	byName := make(map[string]pairing)
	var contenders []contender
	for _, p := range pairings {
		byName[p.name()] = p
		contenders = append(contenders, contender{name: p.name(), launch: p.launch})
	}
	standings := b.alternate(t, contenders, func(t *testing.T, c contender) run {
		p := byName[c.name]
		ctx := beginFor(t, runLimit)
		a := b.newArena(t, d.link, d.samples)
		a.utp = p.utp
		a.startSeeds(t, ctx, p.seed, 1, 0)
		j := newJob(t, a.ours, scratch(t), d.samples[0].torrent)
		return d.run(t, ctx, c, a, j)
	})
	table(title, standings, transferColumn, pairColumns)
}

// launch starts the leecher.
func (p pairing) launch(t *testing.T, ctx context.Context, a *arena, j job) running {
	t.Helper()
	if p.leecher == "lorrent" {
		program, err := buildDaemon()
		if err != nil {
			t.Fatal(err)
		}
		return launchBuild(program, a.flags()...)(t, ctx, a, j)
	}
	o := a.order(t, a.ourAddr)
	o.Torrents = [][2]string{{j.torrents[0], j.data}}
	o.Peer = []any{fmt.Sprintf("10.77.0.%d", firstSeed), seedPort}
	if p.seed == "lorrent" {
		o.Peer = []any{a.peerAddr, lorrentPortNumber}
	}
	leecher := startOther(t, a.ours, "libtorrent", o)
	if err := touch(o.Go); err != nil {
		t.Fatal(err)
	}
	return running{process: leecher, isDone: func() bool { return exists(o.Done) }}
}

// flags are what tells our daemon what to use in the arena.
func (a *arena) flags() []string {
	if a.utp {
		return []string{"--utp", "only"}
	}
	return []string{"--utp", "off"}
}
