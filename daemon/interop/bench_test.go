package interop

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	humanize "github.com/dustin/go-humanize"
)

// What the benchmark is told, after -args.
var (
	benchOn         = flag.Bool("bench", false, "measure: needs root, time, and a quiet machine")
	benchScenarios  = flag.String("scenarios", "download,delay,manyseeds,smallfiles,eight,seeding,kill,idle,bound,utp", "what to measure")
	benchRounds     = flag.Int("rounds", 5, "runs of each contender, in alternation")
	benchPeers      = flag.String("peers", "lorrent,qbittorrent,aria2,transmission,rtorrent", "contenders; NAME=PATH is another build of our daemon")
	benchSize       = flag.String("size", "2GiB", "payload of download; other scenarios take their share of it")
	benchPiece      = flag.String("piece", "0", "piece length; 0 gives about a thousand pieces")
	benchSeed       = flag.String("seed", "libtorrent", "who has the payload: libtorrent, lorrent or minimal")
	benchRTT        = flag.String("rtt", "25,50,100,200", "delay: round trips in milliseconds")
	benchMbit       = flag.String("mbit", "100,1000,0", "delay: rates in Mbit/s, 0 is no limit")
	benchLoss       = flag.String("loss", "0,1", "delay: packets lost each way, in percent")
	benchTorrents   = flag.String("torrents", "500,5000", "idle: numbers of torrents")
	benchCongestion = flag.String("congestion", "cubic", "TCP's congestion control")
)

const (
	runLimit  = 5 * time.Minute // for one run
	quietTime = 500 * time.Millisecond
)

// benchmark is a checked set of options.
type benchmark struct {
	rounds      int
	size, piece int64
	seed        string
	congestion  string
	contenders  []contender
	rtt, mbit   []int
	loss        []float64
	torrents    []int
	interval    time.Duration // of announces
	until       time.Time     // when go test ends the measurement; zero when never
	left        leftover
}

// scenarios are what can be measured, by name.
var scenarios = map[string]func(*benchmark, *testing.T){
	"download":   (*benchmark).download,
	"delay":      (*benchmark).delay,
	"manyseeds":  (*benchmark).manySeeds,
	"smallfiles": (*benchmark).smallFiles,
	"eight":      (*benchmark).eight,
	"seeding":    (*benchmark).seeding,
	"kill":       (*benchmark).kill,
	"idle":       (*benchmark).idle,
	"bound":      (*benchmark).bound,
	"utp":        (*benchmark).utp,
	"churn":      (*benchmark).churn,
}

// TestBench is a measurement and no test:
//
//	go test -v -timeout 0 -run TestBench ./daemon/interop -args -bench -rounds 5
func TestBench(t *testing.T) {
	if !*benchOn {
		t.Skip("a measurement: see the package documentation")
	}
	b := newBenchmark(t)
	names := strings.Split(*benchScenarios, ",")
	for _, name := range names {
		if scenarios[name] == nil {
			t.Fatalf("no scenario %q", name)
		}
	}
	b.describe()
	for _, name := range names {
		t.Run(name, func(t *testing.T) { scenarios[name](b, t) })
	}
}

// The benchmark's own code stays alive: one short download by two contenders.
func TestBenchWorks(t *testing.T) {
	need(t, "aria2c", "aria2")
	b := &benchmark{rounds: 1, size: 32 << 20, seed: "minimal", congestion: "cubic", interval: time.Minute, contenders: contendersOf(t, "lorrent,aria2")}
	b.download(t)
}

func newBenchmark(t *testing.T) *benchmark {
	t.Helper()
	b := &benchmark{
		rounds: *benchRounds, size: bytesOf(t, *benchSize), piece: bytesOf(t, *benchPiece),
		seed: *benchSeed, congestion: *benchCongestion, contenders: contendersOf(t, *benchPeers),
		rtt: numbersOf(t, *benchRTT), mbit: numbersOf(t, *benchMbit), torrents: numbersOf(t, *benchTorrents),
		interval: time.Minute,
	}
	for _, text := range strings.Split(*benchLoss, ",") {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		b.loss = append(b.loss, percent/100)
	}
	if !slices.Contains([]string{"libtorrent", "lorrent", "minimal"}, b.seed) {
		t.Fatalf("no seed %q", b.seed)
	}
	if deadline, ok := t.Deadline(); ok {
		b.until = deadline.Add(-time.Minute)
	}
	return b
}

func bytesOf(t *testing.T, text string) int64 {
	t.Helper()
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<40 {
		t.Fatalf("%q is no size", text)
	}
	return int64(n)
}

func numbersOf(t *testing.T, text string) (numbers []int) {
	t.Helper()
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// describe prints what has to be known to read the tables.
func (b *benchmark) describe() {
	kernel, _ := exec.Command("uname", "-sr").Output()
	cpu, _ := exec.Command("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2; nproc").Output()
	fmt.Printf("\n%s · %s · %s cores · seed %s · %s · %s\n", time.Now().Format(time.DateOnly), strings.TrimSpace(string(kernel)),
		strings.ReplaceAll(strings.TrimSpace(string(cpu)), "\n", " ×"), b.seed, b.congestion, strings.Join(os.Args[1:], " "))
}

// standing is the runs of one contender.
type standing struct {
	name  string
	bound bool // no contender: what nobody can beat
	tried int
	runs  []run // those that succeeded
}

// alternate lets each contender run once, then again, so that what changes on
// the machine meets all of them; in another order each round, since a run is dearer
// or cheaper by what the one before it did to the machine's memory. A run that fails
// is shown, and the others go on.
func (b *benchmark) alternate(t *testing.T, contenders []contender, measure func(*testing.T, contender) run) []standing {
	defer b.left.clear(t)
	standings := make([]standing, len(contenders))
	for round := range b.rounds {
		for _, i := range rand.New(rand.NewPCG(0, uint64(round))).Perm(len(contenders)) {
			c, s := contenders[i], &standings[i]
			s.name, s.bound = c.name, c.bound
			if !b.until.IsZero() && time.Now().After(b.until) {
				t.Error("out of time: use -timeout 0")
				return standings
			}
			s.tried++
			var r run
			if t.Run(fmt.Sprintf("%s %d", c.name, round+1), func(t *testing.T) { r = measure(t, c) }) && r.wall > 0 {
				s.runs = append(s.runs, r)
			}
			if *benchOn {
				fmt.Printf("  %s, round %d of %d: %s: %s\n", t.Name(), round+1, b.rounds, c.name, r.brief())
			}
		}
	}
	return standings
}
