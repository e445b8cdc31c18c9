package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// loraCommand is the radio network: who is in it, and how it stands.
func (a *app) loraCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lora COMMAND",
		Short: "The radio and its network: contacts, channels, neighbours, routes, boards",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("lora: name a command, see lorrentctl help lora")
		},
	}
	cmd.AddCommand(a.loraStatusCommand(), a.contactsCommand(), a.channelsCommand(), a.pingCommand(), a.traceCommand(),
		a.boardsCommand(), a.flashInfoCommand())
	return cmd
}

func (a *app) loraStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the radio, its airtime, neighbours and routes",
		Long: `Show the radio, what is left of its airtime this hour, how busy the channel is,
the nodes heard directly, with how they arrive here and we arrive there, and the
ways to others. Who a neighbour is, is what it says: it is not proven.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			status, err := c.LoRaStatus(ctx, rpc.Empty{})
			if err != nil {
				return err
			}
			network, err := c.LoRaNetwork(ctx, rpc.Empty{})
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(struct {
					rpc.LoRaStatus
					rpc.NetworkReply
				}{status, network})
			}
			return a.printNetwork(status, network)
		}),
	}
}

func (a *app) printNetwork(s rpc.LoRaStatus, n rpc.NetworkReply) error {
	p := &pairs{}
	state := cell{s.Radio + ", up", green}
	if !s.Up {
		state = cell{s.Radio + ", down", red}
	}
	p.add("radio", state)
	if s.Error != "" {
		p.add("error", cell{s.Error, red})
	}
	p.add("node", text("%s", strings.TrimSpace(s.NodeID+" "+s.Name)))
	p.add("key", text("%s", s.Key))
	p.add("fingerprint", text("%s", s.Fingerprint))
	if s.FrequencyHz > 0 {
		p.add("channel", text("%.3f MHz, SF%d/%d, %d dBm (%s)", float64(s.FrequencyHz)/1e6, s.SpreadingFactor, s.BandwidthHz/1000, s.TxPowerDBm, s.Band))
	}
	left := max(s.AirtimeLimitSeconds-s.AirtimeUsedSeconds, 0)
	p.add("airtime left", text("%.1f of %.0f s this hour", left, s.AirtimeLimitSeconds))
	p.add("busy", text("%.0f %%", 100*s.BusyShare))
	p.add("queued", text("%d", s.Queued))
	p.add("packets", text("%d sent, %d received, %d again, %d bad, %d forged", s.PacketsSent, s.PacketsReceived, s.PacketsDuplicate, s.PacketsBad, s.PacketsForged))
	if err := a.out.printPairs(p); err != nil {
		return err
	}
	near := &table{columns: []column{{"RSSI", true}, {"SNR", true}, {"HERE", true}, {"THERE", true}, {"PASSES", true}, {"HEARD", true}, {title: "NEIGHBOUR"}}}
	for _, n := range n.Neighbours {
		rssi, snr, there := "-", "-", "-"
		if n.RSSIdBm != 0 {
			rssi, snr = fmt.Sprintf("%.0f dBm", n.RSSIdBm), fmt.Sprintf("%.1f dB", n.SNRdB)
		}
		if n.HearsUs {
			there = fmt.Sprintf("+%d dB", n.TheirMarginDB)
		}
		near.add(text("%s", rssi), text("%s", snr), text("+%d dB", n.MarginDB), text("%s", there),
			text("%.0f %%", 100*n.Passes), text("%s", agoText(n.LastHeard)), text("%s", stationText(n.Station)))
	}
	routes := &table{columns: []column{{"HOPS", true}, {title: "NEXT"}, {title: "TO"}}}
	for _, r := range n.Routes {
		routes.add(text("%d", r.Hops), text("%s", stationText(r.Next)), text("%s", stationText(r.To)))
	}
	for _, t := range []*table{near, routes} {
		if len(t.rows) == 0 {
			continue
		}
		if err := a.out.print("\n"); err != nil {
			return err
		}
		if err := a.out.printTable(t, true); err != nil {
			return err
		}
	}
	return nil
}

// stationText is a hop: its nick, its node id, or what of that the air tells.
func stationText(s rpc.Station) string {
	switch {
	case s.Nick != "":
		return s.Nick
	case s.Node != "":
		return s.Node
	}
	return "…" + s.Short
}

func (a *app) pingCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ping NODE",
		Short: "Have a node answer over the air",
		Long: `Send a node something that it acknowledges and shows to nobody, and tell how long
that took. NODE is a contact, a node id or a key.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOnePeer,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			reply, err := c.LoRaPing(ctx, rpc.ContactArgs{Who: args[0]})
			if err != nil || a.json {
				return a.orJSON(reply, err)
			}
			took := time.Duration(reply.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
			return a.out.line(text("%s", reply.Node), text("answered after %s", took), text("%d times on air", reply.Attempts))
		}),
	}
}

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trace NODE",
		Short: "Show the way to a node, and have it answer",
		Long: `Ping a node, and show the hops that lead to it by what beacons have told this
node. The packets may have taken another way: relays decide for themselves.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOnePeer,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			reply, err := c.LoRaPing(ctx, rpc.ContactArgs{Who: args[0]})
			if err != nil || a.json {
				return a.orJSON(reply, err)
			}
			for i, hop := range reply.Path {
				if err := a.out.line(text("%d", i+1), text("%s", stationText(hop))); err != nil {
					return err
				}
			}
			if len(reply.Path) == 0 {
				if err := a.out.line(cell{"no way is known: it was flooded", dim}); err != nil {
					return err
				}
			}
			took := time.Duration(reply.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
			return a.out.line(text("%s", reply.Node), text("answered after %s", took), text("%d times on air", reply.Attempts))
		}),
	}
}

// orJSON prints the result of a call, unless it failed.
func (a *app) orJSON(reply any, err error) error {
	if err != nil {
		return err
	}
	return a.out.printJSON(reply)
}

func (a *app) completeOnePeer(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeNodes(cmd)
}
