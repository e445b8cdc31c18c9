package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// maxMessages is the most that one Message.List returns.
const maxMessages = 1000

type inboxOptions struct {
	follow   bool
	limit    int
	peer     string
	search   string
	sent     bool
	all      bool
	noHeader bool
}

func (a *app) inboxCommand() *cobra.Command {
	var o inboxOptions
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "Show LoRa messages",
		Long: `Show the messages received over LoRa, newest last. A sender with "?" behind it is
not proven: anyone in the channel can write in that name.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			return a.inbox(ctx, c, o)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with those that come, until Ctrl-C")
	flags.IntVarP(&o.limit, "limit", "n", 100, "the newest `n` of those there are")
	flags.StringVar(&o.peer, "peer", "", "only with this `contact`, node or #channel")
	flags.StringVar(&o.search, "search", "", "only what contains this `text`")
	flags.BoolVar(&o.sent, "sent", false, "ours instead")
	flags.BoolVar(&o.all, "all", false, "ours too")
	flags.BoolVar(&o.noHeader, "no-header", false, "leave out the header")
	_ = cmd.RegisterFlagCompletionFunc("peer", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.completeNodes(cmd)
	})
	return cmd
}

func (a *app) inbox(ctx context.Context, c *rpc.Client, o inboxOptions) error {
	if o.limit < 1 || o.limit > maxMessages {
		return usage("--limit %d: want 1 to %d", o.limit, maxMessages)
	}
	if o.sent && o.all {
		return usage("--sent and --all: --all has those sent already")
	}
	query := rpc.MessageListArgs{Limit: o.limit, Peer: o.peer, Text: o.search, Direction: "in"}
	switch {
	case o.all:
		query.Direction = ""
	case o.sent:
		query.Direction = "out"
	}
	var from uint64
	var err error
	if o.follow {
		var stop context.CancelFunc
		ctx, stop = interruptible(ctx)
		defer stop()
		// Taken before listing, so that nothing falls between the two.
		if from, err = cursor(ctx, c); err != nil {
			return untilInterrupted(err)
		}
	}
	list, err := c.MessageList(ctx, query)
	if err != nil {
		return err
	}
	if err := a.printMessages(list.Messages, !o.noHeader, o.follow); err != nil || !o.follow {
		return err
	}
	query.Limit = maxMessages
	query.AfterSeq = lastSeq(list.Messages, 0) // 0 when there was none: then all are new
	return untilInterrupted(follow(ctx, c, from, []string{"message"}, func(rpc.EventPollReply) error {
		list, err := c.MessageList(ctx, query)
		if err != nil {
			return err
		}
		query.AfterSeq = lastSeq(list.Messages, query.AfterSeq)
		return a.printMessages(list.Messages, false, true)
	}))
}

func lastSeq(messages []rpc.Message, seq uint64) uint64 {
	for _, m := range messages {
		seq = max(seq, m.Seq)
	}
	return seq
}

// printMessages shows messages: a table, an array, or, when more will follow,
// an object on each line.
func (a *app) printMessages(messages []rpc.Message, header, stream bool) error {
	if a.json && !stream {
		return a.out.printJSON(append([]rpc.Message{}, messages...))
	}
	if a.json {
		lines := *a.out
		lines.tty = false
		for _, m := range messages {
			if err := lines.printJSON(m); err != nil {
				return err
			}
		}
		return nil
	}
	t := &table{columns: []column{{title: "TIME"}, {title: "FROM"}, {title: "TO"}, {title: "STATE"}, {title: "TEXT"}}}
	node, state := "%s", "%s"
	if a.out.tty { // the same widths in every batch
		node, state = "%-9s", "%-9s"
	}
	for _, m := range messages {
		from, to := author(m), m.To
		if m.Outgoing {
			from = m.From
			if m.Nick != "" {
				to = m.Nick
			}
		}
		t.add(cell{timeText(m.CreatedAt), dim}, text(node, from), text(node, to),
			cell{fmt.Sprintf(state, m.State), stateStyle(m.State)}, text("%s", m.Text))
	}
	// Texts are not cut: they are what one came for.
	lines := a.out.tableLines(t, header, math.MaxInt)
	for _, line := range lines {
		if err := a.out.print(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) nodesCommand() *cobra.Command {
	var noHeader bool
	cmd := &cobra.Command{
		Use:               "nodes",
		Short:             "List the LoRa nodes heard",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			reply, err := c.LoRaNodes(ctx, rpc.Empty{})
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(append([]rpc.Node{}, reply.Nodes...))
			}
			t := &table{columns: []column{{"RSSI", true}, {"SNR", true}, {"PACKETS", true}, {"HEARD", true}, {title: "NODE"}}}
			for _, n := range reply.Nodes {
				t.add(text("%.0f dBm", n.RSSIdBm), text("%.1f dB", n.SNRdB), text("%d", n.Packets),
					text("%s", agoText(n.LastHeard)), text("%s", n.ID))
			}
			return a.out.printTable(t, !noHeader)
		}),
	}
	cmd.Flags().BoolVar(&noHeader, "no-header", false, "leave out the header")
	return cmd
}
