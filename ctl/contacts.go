package main

import (
	"context"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

func (a *app) contactsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "contacts",
		Short: "List contacts, add one, compare fingerprints",
		Long: `List the nodes whose keys are known: contacts, and those that messages were
exchanged with. A fingerprint that you have compared with its owner, by another
way than this radio, is worth a "verify": until then a contact is whoever has
that key.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			reply, err := c.LoRaContacts(ctx, rpc.Empty{})
			if err != nil || a.json {
				return a.orJSON(reply.Contacts, err)
			}
			t := &table{columns: []column{{title: "NICK"}, {title: "NODE"}, {title: "VERIFIED"}, {title: "COMMANDS"}, {"UNREAD", true}, {title: "FINGERPRINT"}, {title: "CALLS ITSELF"}}}
			for _, k := range reply.Contacts {
				t.add(cell{k.Nick, bold}, text("%s", k.Node), markCell(k.Verified), markCell(k.Commands), text("%d", k.Unread),
					text("%s", k.Fingerprint), cell{k.Name, dim})
			}
			return a.out.printTable(t, true)
		}),
	}
	one := func(use, short string, nargs int, call func(ctx context.Context, c *rpc.Client, args []string) (rpc.Contact, error)) {
		cmd.AddCommand(&cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(nargs), ValidArgsFunction: a.completeOnePeer,
			RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
				k, err := call(ctx, c, args)
				if err != nil || a.json {
					return a.orJSON(k, err)
				}
				return a.printContact(k)
			}),
		})
	}
	one("add NODE NICK", "Give a node a name; NODE is its key, or its id, which is then asked for its key over the air", 2,
		func(ctx context.Context, c *rpc.Client, args []string) (rpc.Contact, error) {
			reply, err := c.LoRaAddContact(ctx, rpc.ContactAddArgs{Who: args[0], Nick: args[1]})
			return reply.Contact, err
		})
	set := func(use, short string, on bool, call func(*rpc.Client, context.Context, rpc.ContactSetArgs) (rpc.ContactReply, error)) {
		one(use, short, 1, func(ctx context.Context, c *rpc.Client, args []string) (rpc.Contact, error) {
			reply, err := call(c, ctx, rpc.ContactSetArgs{Who: args[0], On: on})
			return reply.Contact, err
		})
	}
	set("verify CONTACT", "Note that you have compared the fingerprint with its owner", true, (*rpc.Client).LoRaVerifyContact)
	set("unverify CONTACT", "Take that back", false, (*rpc.Client).LoRaVerifyContact)
	set("allow CONTACT", "Let a contact command this daemon by message", true, (*rpc.Client).LoRaAllowCommands)
	set("deny CONTACT", "Let it no longer", false, (*rpc.Client).LoRaAllowCommands)
	cmd.AddCommand(&cobra.Command{
		Use: "rm CONTACT", Short: "Forget a node and its key", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOnePeer,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			_, err := c.LoRaRemoveContact(ctx, rpc.ContactArgs{Who: args[0]})
			return err
		}),
	})
	return cmd
}

func (a *app) printContact(k rpc.Contact) error {
	p := &pairs{}
	p.add("nick", text("%s", k.Nick))
	p.add("node", text("%s", k.Node))
	p.add("key", text("%s", k.Key))
	p.add("fingerprint", text("%s", k.Fingerprint))
	p.add("verified", markCell(k.Verified))
	p.add("commands", markCell(k.Commands))
	if k.Name != "" {
		p.add("calls itself", text("%s", k.Name))
	}
	return a.out.printPairs(p)
}

func markCell(yes bool) cell {
	if yes {
		return cell{"yes", green}
	}
	return cell{"no", dim}
}

func (a *app) channelsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "channels",
		Short: "List channels, create, join or leave one",
		Long: `List the channels that this daemon has joined. The link of a channel has its
secret: whoever you give it to, as a text or a QR code, can read what is written
there and write in any name. Everyone is in the channel "all".`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			reply, err := c.LoRaChannels(ctx, rpc.Empty{})
			if err != nil || a.json {
				return a.orJSON(reply.Channels, err)
			}
			t := &table{columns: []column{{title: "NAME"}, {title: "ID"}, {"UNREAD", true}, {title: "LINK"}}}
			for _, k := range reply.Channels {
				t.add(cell{"#" + k.Name, bold}, text("%s", k.ID), text("%d", k.Unread), text("%s", k.Link))
			}
			return a.out.printTable(t, true)
		}),
	}
	shown := func(k rpc.Channel, err error) error {
		if err != nil || a.json {
			return a.orJSON(k, err)
		}
		return a.out.line(cell{"#" + k.Name, bold}, text("%s", k.Link))
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "create NAME", Short: "Make a channel and join it", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
			RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
				reply, err := c.LoRaCreateChannel(ctx, rpc.ChannelArgs{Name: args[0]})
				return shown(reply.Channel, err)
			}),
		},
		&cobra.Command{
			Use: "join LINK [NAME]", Short: "Join the channel of a link", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: cobra.NoFileCompletions,
			RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
				join := rpc.ChannelJoinArgs{Link: args[0]}
				if len(args) > 1 {
					join.Name = args[1]
				}
				reply, err := c.LoRaJoinChannel(ctx, join)
				return shown(reply.Channel, err)
			}),
		},
		&cobra.Command{
			Use: "leave NAME", Short: "Forget the secret of a channel", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
			RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
				_, err := c.LoRaLeaveChannel(ctx, rpc.ChannelArgs{Name: args[0]})
				return err
			}),
		},
	)
	return cmd
}
