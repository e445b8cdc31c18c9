package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

type lsOptions struct {
	states   []string
	quiet    bool
	noHeader bool
	sort     string
	reverse  bool
}

// states are the values of --state: those of a torrent, and "active".
func states() []string {
	return []string{
		rpc.StateQueued, rpc.StateMetadata, rpc.StateChecking, rpc.StateDownloading,
		rpc.StateSeeding, rpc.StateStopped, rpc.StateError, "active",
	}
}

// order is a value of --sort.
type order struct {
	name    string
	compare func(x, y rpc.Torrent) int
}

// orders are the values of --sort. Numbers sort the largest first.
func orders() []order {
	return []order{
		{"added", func(x, y rpc.Torrent) int { return x.AddedAt.Compare(y.AddedAt) }},
		{"name", func(x, y rpc.Torrent) int { return cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)) }},
		{"state", func(x, y rpc.Torrent) int { return cmp.Compare(x.State, y.State) }},
		{"size", func(x, y rpc.Torrent) int { return cmp.Compare(y.TotalBytes, x.TotalBytes) }},
		{"done", func(x, y rpc.Torrent) int { return cmp.Compare(fraction(y), fraction(x)) }},
		{"down", func(x, y rpc.Torrent) int { return cmp.Compare(y.DownloadRate, x.DownloadRate) }},
		{"up", func(x, y rpc.Torrent) int { return cmp.Compare(y.UploadRate, x.UploadRate) }},
		{"peers", func(x, y rpc.Torrent) int { return cmp.Compare(y.Peers, x.Peers) }},
		{"ratio", func(x, y rpc.Torrent) int { return cmp.Compare(ratio(y), ratio(x)) }},
		// As unsigned, unknown (-1) is later than everything.
		{"eta", func(x, y rpc.Torrent) int { return cmp.Compare(uint64(x.ETASeconds), uint64(y.ETASeconds)) }},
	}
}

func orderNames() []string {
	var names []string
	for _, o := range orders() {
		names = append(names, o.name)
	}
	return names
}

func fraction(t rpc.Torrent) float64 {
	done, total := wantedOf(t)
	if total <= 0 {
		return 0
	}
	return float64(done) / float64(total)
}

func (a *app) lsCommand() *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:               "ls",
		Aliases:           []string{"list"},
		Short:             "List torrents",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			return a.ls(ctx, c, o)
		}),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.states, "state", nil, "only torrents in these `states`: "+strings.Join(states(), ", "))
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print info hashes only")
	flags.BoolVar(&o.noHeader, "no-header", false, "leave out the header")
	flags.StringVar(&o.sort, "sort", "added", "sort by `column`: "+strings.Join(orderNames(), ", "))
	flags.BoolVarP(&o.reverse, "reverse", "r", false, "reverse the order")
	a.completeFlag(cmd, "state", states()...)
	a.completeFlag(cmd, "sort", orderNames()...)
	return cmd
}

func (a *app) ls(ctx context.Context, c *rpc.Client, o lsOptions) error {
	for _, state := range o.states {
		if !slices.Contains(states(), state) {
			return usage("--state %s: want %s", state, strings.Join(states(), ", "))
		}
	}
	by := slices.IndexFunc(orders(), func(x order) bool { return x.name == o.sort })
	if by < 0 {
		return usage("--sort %s: want %s", o.sort, strings.Join(orderNames(), ", "))
	}
	reply, err := c.TorrentList(ctx, rpc.Empty{})
	if err != nil {
		return err
	}
	torrents := filterStates(reply.Torrents, o.states)
	slices.SortStableFunc(torrents, orders()[by].compare)
	if o.reverse {
		slices.Reverse(torrents)
	}
	switch {
	case a.json:
		return a.out.printJSON(torrents)
	case o.quiet:
		var b strings.Builder
		for _, t := range torrents {
			b.WriteString(sanitise(t.InfoHash) + "\n")
		}
		return a.out.print(b.String())
	}
	return a.out.printTable(a.out.torrentTable(torrents), !o.noHeader)
}

// filterStates keeps the torrents in one of the states, all when there is
// none. It never returns nil: an empty list is [] in JSON.
func filterStates(torrents []rpc.Torrent, states []string) []rpc.Torrent {
	kept := []rpc.Torrent{}
	for _, t := range torrents {
		active := t.DownloadRate > 0 || t.UploadRate > 0 || t.State == rpc.StateChecking
		if len(states) == 0 || slices.Contains(states, t.State) || active && slices.Contains(states, "active") {
			kept = append(kept, t)
		}
	}
	return kept
}

func (o *output) torrentTable(torrents []rpc.Torrent) *table {
	t := &table{columns: []column{
		{title: "ID"}, {title: "STATE"}, {"DONE", true}, {"SIZE", true}, {"DOWN", true},
		{"UP", true}, {"PEERS", true}, {"ETA", true}, {title: "NAME"},
	}}
	for _, r := range torrents {
		done := wantedPercent(r)
		if r.State == rpc.StateChecking && r.CheckedBytes >= 0 {
			done = percentText(r.CheckedBytes, r.TotalBytes)
		}
		name := r.Name
		if r.Error != "" && o.tty {
			name += " (" + r.Error + ")"
		}
		t.add(o.id(r.InfoHash), cell{r.State, stateStyle(r.State)}, text("%s", done), text("%s", bytesText(r.TotalBytes)),
			text("%s", rateText(r.DownloadRate)), text("%s", rateText(r.UploadRate)), text("%d", r.Peers),
			text("%s", etaText(r.ETASeconds)), text("%s", name))
	}
	return t
}
