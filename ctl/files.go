package main

import (
	"context"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

func (a *app) filesCommand() *cobra.Command {
	var change rpc.TorrentSetFilesArgs
	var noHeader bool
	cmd := &cobra.Command{
		Use:   "files ID",
		Short: "Show or choose the files of a torrent",
		Long: `Show or choose the files of a torrent.

FILES are the numbers of the table, such as 1, 1,3 or 0,2,4-8, or all. --only
downloads these and no others; the other flags change these and leave the rest
as it is. What is there of a file that is not wanted any more stays. A piece
holds parts of several files at times: then a little of a skipped file comes
along with its neighbour and is written in its place.`,
		Example: "  lorrentctl files 3f2a\n" +
			"  lorrentctl files 3f2a --only 1,3-5 --high 3\n" +
			"  lorrentctl files 3f2a --skip 2\n" +
			"  lorrentctl files 3f2a --only all",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeTorrents(1),
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			return a.files(ctx, c, args[0], change, !noHeader)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&change.Only, "only", "", "download these `FILES` and no others")
	flags.StringVar(&change.Skip, "skip", "", "do not download these `FILES`")
	flags.StringVar(&change.Low, "low", "", "download these `FILES` last")
	flags.StringVar(&change.Normal, "normal", "", "download these `FILES`")
	flags.StringVar(&change.High, "high", "", "download these `FILES` first")
	flags.BoolVar(&noHeader, "no-header", false, "leave out the header of the table")
	for _, name := range []string{"only", "skip", "low", "normal", "high"} {
		a.completeFlag(cmd, name, rpc.AllFiles)
	}
	return cmd
}

func (a *app) files(ctx context.Context, c *rpc.Client, id string, change rpc.TorrentSetFilesArgs, header bool) error {
	if change != (rpc.TorrentSetFilesArgs{}) {
		change.ID = id
		t, err := c.TorrentSetFiles(ctx, change)
		if err != nil {
			return err
		}
		id = t.InfoHash
	}
	d, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id, Files: true})
	if err != nil {
		return err
	}
	if a.json {
		return a.out.printJSON(d)
	}
	return a.out.printTable(fileTable(d.Files), header)
}

func fileTable(files []rpc.File) *table {
	t := &table{columns: []column{{"#", true}, {"DONE", true}, {"SIZE", true}, {title: "PRIORITY"}, {title: "FILE"}}}
	for _, f := range files {
		done := percentText(f.VerifiedBytes, f.Length)
		if f.Length == 0 {
			done = "100.0%"
		}
		t.add(text("%d", f.Index), text("%s", done), text("%s", bytesText(f.Length)), cell{f.Priority, priorityStyle(f.Priority)}, text("%s", f.Path))
	}
	return t
}

func priorityStyle(priority string) string {
	switch priority {
	case rpc.PrioritySkip, rpc.PriorityLow:
		return dim
	case rpc.PriorityHigh:
		return cyan
	}
	return plain
}

// wantedOf is how much of what is wanted of a torrent is there.
func wantedOf(t rpc.Torrent) (done, total int64) {
	if t.WantedBytes == 0 { // nothing but empty files, or an older daemon
		return t.VerifiedBytes, t.TotalBytes
	}
	return t.WantedVerifiedBytes, t.WantedBytes
}

func wantedPercent(t rpc.Torrent) string { return percentText(wantedOf(t)) }
