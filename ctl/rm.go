package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

type rmOptions struct {
	data bool
	yes  bool
}

func (a *app) rmCommand() *cobra.Command {
	var o rmOptions
	cmd := &cobra.Command{
		Use:     "rm ID ...",
		Aliases: []string{"remove"},
		Short:   "Forget torrents, and delete their files with --data",
		Long: `Forget torrents. Their files stay, unless --data is given: then they are
deleted, after a question on a terminal, and only with --yes without one.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeTorrents(-1),
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, ids []string) error {
			return a.rm(ctx, c, o, ids)
		}),
	}
	cmd.Flags().BoolVar(&o.data, "data", false, "delete the downloaded files too")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) rm(ctx context.Context, c *rpc.Client, o rmOptions, ids []string) error {
	if o.data && !o.yes {
		resolved, sure, err := a.confirmData(ctx, c, ids)
		if err != nil {
			return err
		}
		if !sure {
			fmt.Fprintln(a.stderr, "nothing removed")
			return nil
		}
		ids = resolved // what was asked about is what goes
	}
	done := "removed"
	if o.data {
		done = "deleted"
	}
	return a.each(ids, false, func(id string) (any, error) {
		if a.json {
			return c.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: id, DeleteData: o.data})
		}
		t, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
		if err != nil {
			return nil, err
		}
		if _, err := c.TorrentRemove(ctx, rpc.TorrentRemoveArgs{ID: t.InfoHash, DeleteData: o.data}); err != nil {
			return nil, err
		}
		return nil, a.out.line(text("%s", done), a.out.id(t.InfoHash), text("%s", t.Name))
	})
}

// confirmData shows whose files would be deleted, asks, and returns the whole
// info hashes of what it asked about.
func (a *app) confirmData(ctx context.Context, c *rpc.Client, ids []string) (resolved []string, sure bool, err error) {
	if !isTerminal(a.stdin) || !isTerminal(a.stderr) {
		return nil, false, usage("rm --data deletes files and there is no terminal to ask on: add --yes")
	}
	var size int64
	for _, id := range ids {
		t, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
		if err != nil {
			return nil, false, err
		}
		resolved = append(resolved, t.InfoHash)
		size += t.VerifiedBytes
		fmt.Fprintf(a.stderr, "  %s  %s in %s\n", bytesText(t.TotalBytes), sanitise(t.Name), sanitise(t.Dir))
	}
	fmt.Fprintf(a.stderr, "Delete the files of %s (%s) for good? [y/N] ", plural(len(ids), "torrent"), bytesText(size))
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(a.stderr)
		return nil, false, nil // end of input is no yes
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return resolved, answer == "y" || answer == "yes", nil
}
