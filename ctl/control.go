package main

import (
	"context"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// verb is a command that tells torrents to do something.
type verb struct {
	name  string
	short string
	done  string // what it prints in front of a torrent
	call  func(c *rpc.Client, ctx context.Context, args rpc.TorrentArgs) (rpc.Empty, error)
}

func (a *app) controlCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, v := range []verb{
		{"start", "Let torrents run", "started", (*rpc.Client).TorrentStart},
		{"stop", "Stop torrents until they are started again", "stopped", (*rpc.Client).TorrentStop},
		{"recheck", "Hash what is on disk", "rechecking", (*rpc.Client).TorrentRecheck},
		{"reannounce", "Ask the trackers for peers now", "announcing", (*rpc.Client).TorrentReannounce},
	} {
		commands = append(commands, a.controlCommand(v))
	}
	return commands
}

func (a *app) controlCommand(v verb) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   v.name + " ID ...",
		Short: v.short,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage("%s: want torrent ids, or --all and none", v.name)
			}
			return nil
		},
		ValidArgsFunction: a.completeTorrents(-1),
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, ids []string) error {
			if all {
				list, err := c.TorrentList(ctx, rpc.Empty{})
				if err != nil {
					return err
				}
				for _, t := range list.Torrents {
					ids = append(ids, t.InfoHash)
				}
			}
			return a.each(ids, all, func(id string) (any, error) { return a.control(ctx, c, v, id) })
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "every torrent")
	return cmd
}

// control does v to one torrent and says to which.
func (a *app) control(ctx context.Context, c *rpc.Client, v verb, id string) (any, error) {
	if a.json {
		return v.call(c, ctx, rpc.TorrentArgs{ID: id})
	}
	t, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
	if err != nil {
		return nil, err
	}
	if _, err := v.call(c, ctx, rpc.TorrentArgs{ID: t.InfoHash}); err != nil {
		return nil, err
	}
	return nil, a.out.line(text("%s", v.done), a.out.id(t.InfoHash), text("%s", t.Name))
}
