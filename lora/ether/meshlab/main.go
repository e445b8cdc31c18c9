// Command meshlab runs mesh networks in the laboratory of package lab and
// prints how they fared, one row for each topology file and seed, with mean
// and standard deviation.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"lorrent/lora/ether/lab"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "meshlab:", err)
		os.Exit(1)
	}
}

func run(args []string, out, messages io.Writer) error {
	flags := flag.NewFlagSet("meshlab", flag.ContinueOnError)
	flags.SetOutput(messages)
	var (
		policy   = flags.String("policy", "ours", "who runs on the nodes: fw28, ours, or an oracle that knows all (see package lab)")
		mode     = flags.String("mode", "broadcast", "broadcast or direct")
		preset   = flags.String("preset", "SF11/250", "SF11/250 or SF9/250")
		period   = flags.Float64("period", 300, "mean seconds between two messages of a node")
		duration = flags.Float64("duration", 1800, "seconds")
		tail     = flags.Float64("tail", 0, "seconds at the end in which nobody writes")
		warmup   = flags.Float64("warmup", 1800, "seconds before the first message, for ours, and for all where nodes move")
		moving   = flags.Float64("moving", 0, "percent of nodes that move")
		reboot   = flags.Float64("reboot", 0, "percent of nodes that reboot once")
		duty     = flags.Float64("duty", 10, "percent of any hour that a node may transmit, for ours")
		loss     = flags.Float64("loss", 0, "percent of packets lost at each receiver, besides those that collide")
		text     = flags.Int("text", 0, "bytes of a message, for ours; from 229 on in fragments (default: 40)")
		flooder  = flags.Bool("flooder", false, "one node talks without end")
		seeds    = flags.String("seeds", "", "redraw traffic by these seeds, such as 1,2,3 (default: the traffic of the file, where it fits)")
		norepair = flags.Bool("norepair", false, "no gap repair")
		asJSON   = flags.Bool("json", false, "print JSON, one object a row")
	)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("name at least one topology file")
	}
	if *mode != "broadcast" && *mode != "direct" {
		return fmt.Errorf("mode %q: want broadcast or direct", *mode)
	}
	cfg := lab.Config{
		Policy: *policy, Direct: *mode == "direct", Period: seconds(*period), Duration: seconds(*duration), Tail: seconds(*tail),
		Moving: *moving / 100, Reboot: *reboot / 100, Flooder: *flooder, Duty: *duty / 100, Seed: 1,
		Loss: *loss / 100, Text: *text,
	}
	if *policy == "ours" || *moving > 0 { // all policies find the movers at the same places
		cfg.Warmup = seconds(*warmup)
	}
	cfg.Tuning.NoRepair = *norepair
	var err error
	if cfg.Preset, err = lab.ParsePreset(*preset); err != nil {
		return err
	}
	draws, err := parseSeeds(*seeds)
	if err != nil {
		return err
	}
	rows, err := runAll(cfg, flags.Args(), draws)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(out, rows)
	}
	return lab.Print(out, rows)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func parseSeeds(list string) ([]uint64, error) {
	var seeds []uint64
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("seed %q: want a number", s)
		}
		seeds = append(seeds, seed)
	}
	return seeds, nil
}

// runAll runs every topology, once for each seed.
func runAll(cfg lab.Config, files []string, seeds []uint64) ([]lab.Row, error) {
	var rows []lab.Row
	cfg.Redraw = len(seeds) > 0
	if !cfg.Redraw {
		seeds = []uint64{cfg.Seed}
	}
	for _, file := range files {
		topology, err := lab.Load(file)
		if err != nil {
			return nil, err
		}
		cfg.Topology = topology
		for _, cfg.Seed = range seeds {
			row, err := lab.Run(cfg)
			if err != nil {
				return nil, err
			}
			if cfg.Redraw {
				row.Name += fmt.Sprintf("/%d", cfg.Seed)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// printJSON leaves out what is no number.
func printJSON(out io.Writer, rows []lab.Row) error {
	encoder := json.NewEncoder(out)
	for _, row := range rows {
		if err := encoder.Encode(row); err != nil {
			return err
		}
	}
	return nil
}
