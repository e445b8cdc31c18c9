package rpc

import "context"

// The calls below are Client.Call with their types filled in, one for each
// method of the daemon. What they do is told in the OpenRPC document that
// rpc.discover returns.

// TorrentAdd adds a torrent; adding a known one changes nothing.
func (c *Client) TorrentAdd(ctx context.Context, args TorrentAddArgs) (TorrentAddReply, error) {
	return call[TorrentAddReply](ctx, c, "Torrent.Add", args)
}

// TorrentList returns every torrent, oldest first.
func (c *Client) TorrentList(ctx context.Context, args Empty) (TorrentListReply, error) {
	return call[TorrentListReply](ctx, c, "Torrent.List", args)
}

// TorrentGet returns one torrent with the long lists that args asks for.
func (c *Client) TorrentGet(ctx context.Context, args TorrentGetArgs) (TorrentDetail, error) {
	return call[TorrentDetail](ctx, c, "Torrent.Get", args)
}

// TorrentStart lets a stopped or failed torrent run.
func (c *Client) TorrentStart(ctx context.Context, args TorrentArgs) (Empty, error) {
	return call[Empty](ctx, c, "Torrent.Start", args)
}

// TorrentStop stops a torrent until it is started again.
func (c *Client) TorrentStop(ctx context.Context, args TorrentArgs) (Empty, error) {
	return call[Empty](ctx, c, "Torrent.Stop", args)
}

// TorrentRemove forgets a torrent and, when asked, deletes its files.
func (c *Client) TorrentRemove(ctx context.Context, args TorrentRemoveArgs) (Empty, error) {
	return call[Empty](ctx, c, "Torrent.Remove", args)
}

// TorrentRecheck starts hashing what is on disk.
func (c *Client) TorrentRecheck(ctx context.Context, args TorrentArgs) (Empty, error) {
	return call[Empty](ctx, c, "Torrent.Recheck", args)
}

// TorrentReannounce asks the trackers for peers now.
func (c *Client) TorrentReannounce(ctx context.Context, args TorrentArgs) (Empty, error) {
	return call[Empty](ctx, c, "Torrent.Reannounce", args)
}

// TorrentSetLimits changes the limits of one torrent.
func (c *Client) TorrentSetLimits(ctx context.Context, args TorrentSetLimitsArgs) (Torrent, error) {
	return call[Torrent](ctx, c, "Torrent.SetLimits", args)
}

// TorrentSetFiles changes which files of a torrent are wanted.
func (c *Client) TorrentSetFiles(ctx context.Context, args TorrentSetFilesArgs) (Torrent, error) {
	return call[Torrent](ctx, c, "Torrent.SetFiles", args)
}

// MessageSend stores a message and queues it for the radio.
func (c *Client) MessageSend(ctx context.Context, args MessageSendArgs) (MessageReply, error) {
	return call[MessageReply](ctx, c, "Message.Send", args)
}

// MessageList pages through the stored messages.
func (c *Client) MessageList(ctx context.Context, args MessageListArgs) (MessageListReply, error) {
	return call[MessageListReply](ctx, c, "Message.List", args)
}

// MessageGet returns one message.
func (c *Client) MessageGet(ctx context.Context, args MessageArgs) (MessageReply, error) {
	return call[MessageReply](ctx, c, "Message.Get", args)
}

// LoRaStatus describes the radio.
func (c *Client) LoRaStatus(ctx context.Context, args Empty) (LoRaStatus, error) {
	return call[LoRaStatus](ctx, c, "LoRa.Status", args)
}

// LoRaNodes returns the stations heard, latest first.
func (c *Client) LoRaNodes(ctx context.Context, args Empty) (NodesReply, error) {
	return call[NodesReply](ctx, c, "LoRa.Nodes", args)
}

// LoRaBoards returns the serial ports on USB of the daemon's machine.
func (c *Client) LoRaBoards(ctx context.Context, args Empty) (BoardsReply, error) {
	return call[BoardsReply](ctx, c, "LoRa.Boards", args)
}

// MessageMarkRead notes that a conversation was read.
func (c *Client) MessageMarkRead(ctx context.Context, args MarkReadArgs) (Empty, error) {
	return call[Empty](ctx, c, "Message.MarkRead", args)
}

// LoRaNetwork tells what is known of the network.
func (c *Client) LoRaNetwork(ctx context.Context, args Empty) (NetworkReply, error) {
	return call[NetworkReply](ctx, c, "LoRa.Network", args)
}

// LoRaPing has a node acknowledge something that it shows to nobody.
func (c *Client) LoRaPing(ctx context.Context, args ContactArgs) (PingReply, error) {
	return call[PingReply](ctx, c, "LoRa.Ping", args)
}

// LoRaContacts returns the nodes whose keys are known.
func (c *Client) LoRaContacts(ctx context.Context, args Empty) (ContactsReply, error) {
	return call[ContactsReply](ctx, c, "LoRa.Contacts", args)
}

// LoRaAddContact gives a node a nick.
func (c *Client) LoRaAddContact(ctx context.Context, args ContactAddArgs) (ContactReply, error) {
	return call[ContactReply](ctx, c, "LoRa.AddContact", args)
}

// LoRaRemoveContact forgets a node and its key.
func (c *Client) LoRaRemoveContact(ctx context.Context, args ContactArgs) (Empty, error) {
	return call[Empty](ctx, c, "LoRa.RemoveContact", args)
}

// LoRaVerifyContact notes that its fingerprint was compared.
func (c *Client) LoRaVerifyContact(ctx context.Context, args ContactSetArgs) (ContactReply, error) {
	return call[ContactReply](ctx, c, "LoRa.VerifyContact", args)
}

// LoRaAllowCommands lets a contact command the daemon.
func (c *Client) LoRaAllowCommands(ctx context.Context, args ContactSetArgs) (ContactReply, error) {
	return call[ContactReply](ctx, c, "LoRa.AllowCommands", args)
}

// LoRaChannels returns the channels joined.
func (c *Client) LoRaChannels(ctx context.Context, args Empty) (ChannelsReply, error) {
	return call[ChannelsReply](ctx, c, "LoRa.Channels", args)
}

// LoRaCreateChannel makes a channel and joins it.
func (c *Client) LoRaCreateChannel(ctx context.Context, args ChannelArgs) (ChannelReply, error) {
	return call[ChannelReply](ctx, c, "LoRa.CreateChannel", args)
}

// LoRaJoinChannel joins the channel of a link.
func (c *Client) LoRaJoinChannel(ctx context.Context, args ChannelJoinArgs) (ChannelReply, error) {
	return call[ChannelReply](ctx, c, "LoRa.JoinChannel", args)
}

// LoRaLeaveChannel forgets the secret of a channel.
func (c *Client) LoRaLeaveChannel(ctx context.Context, args ChannelArgs) (Empty, error) {
	return call[Empty](ctx, c, "LoRa.LeaveChannel", args)
}

// EventPoll waits for events after a cursor.
func (c *Client) EventPoll(ctx context.Context, args EventPollArgs) (EventPollReply, error) {
	return call[EventPollReply](ctx, c, "Event.Poll", args)
}

// DaemonLimits returns the limits of all torrents together.
func (c *Client) DaemonLimits(ctx context.Context, args Empty) (Limits, error) {
	return call[Limits](ctx, c, "Daemon.Limits", args)
}

// DaemonSetLimits changes the limits of all torrents together.
func (c *Client) DaemonSetLimits(ctx context.Context, args SetLimitsArgs) (Limits, error) {
	return call[Limits](ctx, c, "Daemon.SetLimits", args)
}

// DaemonStatus describes the daemon.
func (c *Client) DaemonStatus(ctx context.Context, args Empty) (DaemonStatus, error) {
	return call[DaemonStatus](ctx, c, "Daemon.Status", args)
}

// DaemonVersion says what runs.
func (c *Client) DaemonVersion(ctx context.Context, args Empty) (Version, error) {
	return call[Version](ctx, c, "Daemon.Version", args)
}

// DaemonShutdown asks the daemon to end in order. It answers before it does.
func (c *Client) DaemonShutdown(ctx context.Context, args Empty) (Empty, error) {
	return call[Empty](ctx, c, "Daemon.Shutdown", args)
}

func call[R any](ctx context.Context, c *Client, method string, args any) (R, error) {
	var reply R
	err := c.Call(ctx, method, args, &reply)
	return reply, err
}
