package interop

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"
)

// download is a way to download.
type download struct {
	samples []sample
	link    *link // nil for the cable
	seeds   int
	rate    int64 // of each seed, bytes per second; 0 is no limit
	kill    bool  // at 60 %, then start again
	left    *leftover
}

// killShare is how far a download is when it is killed.
const killShare = 0.6

func (b *benchmark) download(t *testing.T) {
	d := download{samples: []sample{b.sampleOf(t, "download", b.size)}, seeds: 1}
	b.compete(t, fmt.Sprintf("download: %d MiB, one %s seed", b.size/mib, b.seed), d, append(bounds(), minimalLeecher(), syncedLeecher()), downloadColumns)
}

func (b *benchmark) bound(t *testing.T) {
	d := download{samples: []sample{b.sampleOf(t, "bound", b.size)}}
	table(fmt.Sprintf("bound: %d MiB", b.size/mib), b.alternate(t, bounds(), b.measure(d)), wallColumn, downloadColumns)
}

func (b *benchmark) manySeeds(t *testing.T) {
	if b.seed == "lorrent" {
		t.Fatal("eight daemons cannot each have an address of their own: use another seed")
	}
	d := download{samples: []sample{b.sampleOf(t, "manyseeds", b.size/2)}, seeds: 8, rate: 10e6}
	b.compete(t, fmt.Sprintf("manyseeds: %d MiB from 8 seeds of 10 MB/s (%.1f s possible)", b.size/2/mib, float64(b.size/2)/80e6), d, nil, downloadColumns)
}

func (b *benchmark) smallFiles(t *testing.T) {
	const length = 20 << 10
	p := payload{name: "smallfiles", pieceLength: 256 << 10, files: make(map[string]int64)}
	for i := range min(5000, b.size/length) {
		p.files[fmt.Sprintf("%02d/%04d", i/100, i)] = length
	}
	b.compete(t, fmt.Sprintf("smallfiles: %d files of 20 KiB", len(p.files)), download{samples: []sample{newSample(t, p)}, seeds: 1}, nil, downloadColumns)
}

// eight compares eight torrents with one, each of an eighth of the size.
func (b *benchmark) eight(t *testing.T) {
	var samples []sample
	for i := range 8 {
		samples = append(samples, b.sampleOf(t, fmt.Sprintf("eight-%d", i), b.size/8))
	}
	for _, n := range []int{1, 8} {
		b.compete(t, fmt.Sprintf("eight: %d of %d MiB at once", n, b.size/8/mib), download{samples: samples[:n], seeds: 1}, []contender{minimalLeecher()}, downloadColumns)
	}
}

func (b *benchmark) kill(t *testing.T) {
	d := download{samples: []sample{b.sampleOf(t, "kill", b.size/2)}, seeds: 1, rate: 64e6, kill: true}
	b.compete(t, fmt.Sprintf("kill: %d MiB at 64 MB/s, killed at 60 %%", b.size/2/mib), d, nil, killColumns)
}

// delay measures one peer at the other end of a long line.
func (b *benchmark) delay(t *testing.T) {
	for _, rtt := range b.rtt {
		for _, mbit := range b.mbit {
			for _, loss := range b.loss {
				l := link{rtt: time.Duration(rtt) * time.Millisecond, rate: float64(mbit) * 1e6 / 8, loss: loss}
				size := b.delaySize(l)
				d := download{samples: []sample{b.sampleOf(t, "delay", size)}, link: &l, seeds: 1}
				b.compete(t, l.title(size), d, []contender{bounds()[0], minimalLeecher()}, downloadColumns)
			}
		}
	}
}

// delaySize is what plain TCP carries in ten or twenty seconds.
func (b *benchmark) delaySize(l link) int64 {
	size := int64(512 << 20)
	if l.rate > 0 {
		size = 1 << max(20, int(math.Log2(l.rate*12)))
	}
	if l.loss > 0 && b.congestion != "bbr" {
		// What one connection gets after Mathis et al. (1997).
		rate := 1448 / l.rtt.Seconds() * math.Sqrt(1.5/l.loss)
		size = min(size, max(1<<20, int64(rate*20)>>20<<20))
	}
	return min(size, b.size)
}

func (l link) title(size int64) string {
	rate, least := "unlimited", 0.0
	if l.rate > 0 {
		rate = fmt.Sprintf("%.0f Mbit/s", l.rate*8/1e6)
		least = float64(size) * linkMTU / 1448 / l.rate
	}
	title := fmt.Sprintf("delay: %s RTT, %s, %.3g %% loss, %.0f MiB", l.rtt, rate, 100*l.loss, float64(size)/mib)
	if least > 0 {
		title += fmt.Sprintf(" (%.1f s possible)", least)
	}
	return title
}

// compete measures all contenders, with limits beside them, and prints.
func (b *benchmark) compete(t *testing.T, title string, d download, limits []contender, columns []column) {
	standings := b.alternate(t, slices.Concat(b.contenders, limits), b.measure(d))
	table(title, standings, wallColumn, columns)
}

func (b *benchmark) measure(d download) func(*testing.T, contender) run {
	d.left = &b.left
	return func(t *testing.T, c contender) run {
		ctx := beginFor(t, runLimit)
		a := b.newArena(t, d.link, d.samples)
		var torrents [][]byte
		for _, s := range d.samples {
			torrents = append(torrents, s.torrent)
		}
		j := newJob(t, a.ours, b.left.scratch(t), torrents...)
		j.measured = true
		if c.bound && !c.seeded {
			a.seeds = append(a.seeds, a.startSender(t, ctx))
		} else {
			a.startSeeds(t, ctx, b.seed, d.seeds, d.rate)
		}
		return d.run(t, ctx, c, a, j)
	}
}

// run is the measured time, and the check of what it brought.
func (d download) run(t *testing.T, ctx context.Context, c contender, a *arena, j job) run {
	r := run{bytes: total(d.samples), busy: quiet()}
	d.left.clear(t)
	seedCPU := a.seedCPU()
	m := startMeter(t, a.theirs)
	p := c.launch(t, ctx, a, j)
	m.follow(p.process)
	if d.kill {
		p = d.killAndRestart(t, ctx, c, a, j, m, p, &r)
	}
	awaitDone(t, ctx, c.name, p)
	m.read(&r)
	r.seedCPU = a.seedCPU() - seedCPU
	if d.kill {
		r.done = r.wall - r.done
		settle(t, ctx, a)
		r.again = a.sent(t, ctx) - r.bytes
	}
	p.stop(t)
	r.cpu = p.cpu()
	d.check(t, c, j)
	return r
}

func awaitDone(t *testing.T, ctx context.Context, name string, p running) {
	t.Helper()
	awaitEvery(t, ctx, 2*time.Millisecond, "download by "+name, func() (bool, error) {
		if p.isDone() {
			return true, nil
		}
		if err := p.alive(); err != nil && !p.isDone() { // it may have ended in between
			return false, err
		}
		return false, nil
	})
}

// killAndRestart kills the contender on its way and starts it as before.
func (d download) killAndRestart(t *testing.T, ctx context.Context, c contender, a *arena, j job, m *meter, p running, r *run) running {
	t.Helper()
	limit := int64(killShare * float64(r.bytes))
	awaitEvery(t, ctx, 5*time.Millisecond, "download until the kill", func() (bool, error) {
		return a.sent(t, ctx) >= limit, p.alive()
	})
	p.kill()
	settle(t, ctx, a)
	r.sentBefore = a.sent(t, ctx)
	m.forget()
	again := time.Now()
	r.done = again.Sub(m.began).Seconds()
	p = c.launch(t, ctx, a, j)
	m.follow(p.process)
	awaitEvery(t, ctx, 2*time.Millisecond, "payload after the kill", func() (bool, error) {
		return !m.firstPayload().IsZero(), nil
	})
	r.back = m.firstPayload().Sub(again).Seconds()
	return p
}

// settle waits until the seeds' counts stand still.
func settle(t *testing.T, ctx context.Context, a *arena) {
	t.Helper()
	last := int64(-1)
	awaitEvery(t, ctx, 300*time.Millisecond, "end of the transfer", func() (bool, error) {
		before := last
		last = a.sent(t, ctx)
		return last == before, nil
	})
}

// check compares what came with what was sent. A limit that keeps nothing has
// nothing to compare.
func (d download) check(t *testing.T, c contender, j job) {
	t.Helper()
	for _, s := range d.samples {
		if entries, err := os.ReadDir(j.data); c.bound && err == nil && len(entries) == 0 {
			return
		}
		s.compare(t, s.dir, j.data)
	}
}
