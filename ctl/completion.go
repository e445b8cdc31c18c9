package main

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// completionTimeout is how long a shell waits for the daemon on Tab.
const completionTimeout = 2 * time.Second

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print the completion script of a shell",
		Long: `Print the completion script of a shell. It completes commands, flags and, by
asking the daemon, torrents and nodes.

  bash        source <(lorrentctl completion bash)
  zsh         lorrentctl completion zsh > "${fpath[1]}/_lorrentctl"
  fish        lorrentctl completion fish > ~/.config/fish/completions/lorrentctl.fish
  powershell  lorrentctl completion powershell | Out-String | Invoke-Expression`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			var b bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				err = root.GenBashCompletionV2(&b, true)
			case "zsh":
				err = root.GenZshCompletion(&b)
			case "fish":
				err = root.GenFishCompletion(&b, true)
			case "powershell":
				err = root.GenPowerShellCompletionWithDesc(&b)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(map[string]string{"shell": args[0], "script": b.String()})
			}
			return a.out.print(b.String())
		},
	}
}

// completeFlag offers fixed values for a flag.
func (a *app) completeFlag(cmd *cobra.Command, flag string, values ...string) {
	// The error says that the flag does not exist; tests complete each.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeTorrents offers the ids of torrents, with their names, for at most
// limit arguments (any number when negative).
func (a *app) completeTorrents(limit int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		if limit >= 0 && len(args) >= limit {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, c, cancel := a.completionClient(cmd)
		defer cancel()
		if c == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		reply, err := c.TorrentList(ctx, rpc.Empty{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, t := range reply.Torrents {
			if !strings.HasPrefix(t.InfoHash, begin) || namedAlready(t.InfoHash, args) {
				continue
			}
			id := t.InfoHash
			if len(begin) <= shortID && len(id) > shortID {
				id = id[:shortID]
			}
			found = append(found, sanitise(id)+"\t"+sanitise(t.Name))
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// namedAlready says that one of the arguments means this torrent.
func namedAlready(infoHash string, args []string) bool {
	for _, arg := range args {
		if arg != "" && strings.HasPrefix(infoHash, arg) {
			return true
		}
	}
	return false
}

// completeNodes offers the nodes heard. They come without the "!", which
// shells like to expand.
func (a *app) completeNodes(cmd *cobra.Command) ([]string, cobra.ShellCompDirective) {
	found := []string{everyone + "\teveryone in reach"}
	ctx, c, cancel := a.completionClient(cmd)
	defer cancel()
	if c == nil {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	reply, err := c.LoRaNodes(ctx, rpc.Empty{})
	if err != nil {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	for _, n := range reply.Nodes {
		found = append(found, sanitise(strings.TrimPrefix(n.ID, "!"))+"\theard "+agoText(n.LastHeard))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completionClient connects with the flags typed so far; nil when they make
// no sense yet. Errors are no news to somebody who pressed Tab.
func (a *app) completionClient(cmd *cobra.Command) (context.Context, *rpc.Client, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	c, err := a.connect()
	if err != nil {
		return ctx, nil, cancel
	}
	return ctx, c, cancel
}
