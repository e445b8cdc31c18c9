package interop

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// column is one figure of a run.
type column struct {
	title  string
	format string
	value  func(run) float64
}

var (
	wallColumn = column{"wall s", "%.2f", func(r run) float64 { return r.wall }}

	// downloadColumns come after the wall time.
	downloadColumns = []column{
		{"MiB/s", "%.1f", func(r run) float64 { return float64(r.bytes) / mib / r.wall }},
		{"first payload s", "%.2f", func(r run) float64 { return r.first }},
		{"transfer s", "%.2f", func(r run) float64 { return r.transfer }},
		{"MiB/s in it", "%.1f", func(r run) float64 { return float64(r.bytes) / mib / r.transfer }},
		{"CPU-s/GiB", "%.2f", func(r run) float64 { return r.cpu * gib / float64(r.bytes) }},
		{"peak RSS MiB", "%.0f", func(r run) float64 { return float64(r.peak) / mib }},
		{"private MiB", "%.0f", func(r run) float64 { return float64(r.private) / mib }},
		{"seed CPU-s/GiB", "%.2f", func(r run) float64 { return r.seedCPU * gib / float64(r.bytes) }},
		{"seed cores", "%.2f", func(r run) float64 { return r.seedCPU / r.transfer }},
		{"busy before %", "%.0f", func(r run) float64 { return 100 * r.busy }},
	}

	seedingColumns = []column{
		{"transfer s", "%.2f", func(r run) float64 { return r.transfer }},
		{"MiB/s to all in it", "%.0f", func(r run) float64 { return float64(r.bytes) / mib / r.transfer }},
		{"CPU-s/GiB sent", "%.2f", func(r run) float64 { return r.cpu * gib / float64(r.bytes) }},
		{"peak RSS MiB", "%.0f", func(r run) float64 { return float64(r.peak) / mib }},
		{"private MiB", "%.0f", func(r run) float64 { return float64(r.private) / mib }},
		{"leechers CPU-s/GiB", "%.2f", func(r run) float64 { return r.seedCPU * gib / float64(r.bytes) }},
		{"busy before %", "%.0f", func(r run) float64 { return 100 * r.busy }},
	}

	killColumns = []column{
		{"sent before MiB", "%.0f", func(r run) float64 { return float64(r.sentBefore) / mib }},
		{"again MiB", "%.1f", func(r run) float64 { return float64(r.again) / mib }},
		{"start to payload s", "%.2f", func(r run) float64 { return r.back }},
		{"start to complete s", "%.2f", func(r run) float64 { return r.done }},
		{"busy before %", "%.0f", func(r run) float64 { return 100 * r.busy }},
	}

	idleColumns = []column{
		{"list again s", "%.3f", func(r run) float64 { return r.relist }},
		{"RSS MiB", "%.1f", func(r run) float64 { return float64(r.resident) / mib }},
		{"RSS without MiB", "%.1f", func(r run) float64 { return float64(r.residentZero) / mib }},
		{"kB each", "%.1f", func(r run) float64 { return float64(r.resident-r.residentZero) / 1000 / float64(r.bytes) }},
		{"idle CPU %", "%.2f", func(r run) float64 { return 100 * r.idleCPU }},
		{"busy before %", "%.0f", func(r run) float64 { return 100 * r.busy }},
	}
)

// table prints the medians of each contender, as Markdown. The first column
// comes with its range and its ratio to the best.
func table(title string, standings []standing, first column, rest []column) {
	var out io.Writer = os.Stdout
	if !*benchOn {
		out = io.Discard
	}
	fmt.Fprintf(out, "\n### %s\n\n| | ok | %s | × best | range |", title, first.title)
	for _, c := range rest {
		fmt.Fprintf(out, " %s |", c.title)
	}
	fmt.Fprintf(out, "\n|---|---|---:|---:|---|%s\n", strings.Repeat("---:|", len(rest)))
	best := math.Inf(1) // of the contenders
	for _, s := range standings {
		if len(s.runs) > 0 && !s.bound {
			best = min(best, median(s.runs, first.value))
		}
	}
	for _, s := range standings {
		fmt.Fprintf(out, "| %s | %d/%d |", s.name, len(s.runs), s.tried)
		if len(s.runs) == 0 {
			fmt.Fprintln(out, strings.Repeat(" – |", 3+len(rest)))
			continue
		}
		middle, values := median(s.runs, first.value), valuesOf(s.runs, first.value)
		ratio := "–"
		if !math.IsInf(best, 0) {
			ratio = fmt.Sprintf("%.2f", middle/best)
		}
		fmt.Fprintf(out, " "+first.format+" | %s | "+first.format+"–"+first.format+" |", middle, ratio, values[0], values[len(values)-1])
		for _, c := range rest {
			fmt.Fprintf(out, " "+c.format+" |", median(s.runs, c.value))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
}

// valuesOf is one figure of all runs, in ascending order.
func valuesOf(runs []run, value func(run) float64) (values []float64) {
	for _, r := range runs {
		values = append(values, value(r))
	}
	slices.Sort(values)
	return values
}

func median(runs []run, value func(run) float64) float64 {
	values := valuesOf(runs, value)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
