package server

import (
	"context"
	"fmt"
	"net/http"

	"lorrent/lora"
	"lorrent/rpc"
)

// Chat is what the server wants of the bridge for contacts, channels and the
// network.
type Chat interface {
	Contacts() ([]lora.Contact, error)
	AddContact(ctx context.Context, who, nick string) (lora.Contact, error)
	RemoveContact(who string) error
	VerifyContact(who string, verified bool) (lora.Contact, error)
	AllowCommands(who string, allowed bool) (lora.Contact, error)

	Channels() ([]lora.Channel, error)
	CreateChannel(name string) (lora.Channel, error)
	JoinChannel(link, name string) (lora.Channel, error)
	LeaveChannel(name string) error

	MarkRead(t lora.Target, seq uint64) error
	Neighbours() []lora.Neighbour
	Routes() []lora.Route
	Ping(ctx context.Context, who string) (lora.Ping, error)
}

// Contacts returns the nodes whose keys are known: contacts by nick, then those
// that messages were exchanged with.
func (s *LoRaService) Contacts(_ *http.Request, _ *rpc.Empty, reply *rpc.ContactsReply) error {
	list, err := s.lora.Contacts()
	reply.Contacts = convert(list, toContact)
	return err
}

// AddContact gives a node a nick. A node that is named by its id and whose key
// is not known is asked for over the air, until the call times out.
func (s *LoRaService) AddContact(r *http.Request, args *rpc.ContactAddArgs, reply *rpc.ContactReply) error {
	c, err := s.lora.AddContact(r.Context(), args.Who, args.Nick)
	reply.Contact = toContact(c)
	return err
}

// RemoveContact forgets a node and its key. Its messages stay.
func (s *LoRaService) RemoveContact(_ *http.Request, args *rpc.ContactArgs, _ *rpc.Empty) error {
	return s.lora.RemoveContact(args.Who)
}

// VerifyContact notes that the user has compared the fingerprint of a contact
// with its owner, or takes that back.
func (s *LoRaService) VerifyContact(_ *http.Request, args *rpc.ContactSetArgs, reply *rpc.ContactReply) error {
	c, err := s.lora.VerifyContact(args.Who, args.On)
	reply.Contact = toContact(c)
	return err
}

// AllowCommands lets a contact command this daemon by message, or no longer.
func (s *LoRaService) AllowCommands(_ *http.Request, args *rpc.ContactSetArgs, reply *rpc.ContactReply) error {
	c, err := s.lora.AllowCommands(args.Who, args.On)
	reply.Contact = toContact(c)
	return err
}

// Channels returns the channels that were joined, by name.
func (s *LoRaService) Channels(_ *http.Request, _ *rpc.Empty, reply *rpc.ChannelsReply) error {
	list, err := s.lora.Channels()
	reply.Channels = convert(list, toChannel)
	return err
}

// CreateChannel makes a channel with a secret of its own and joins it.
func (s *LoRaService) CreateChannel(_ *http.Request, args *rpc.ChannelArgs, reply *rpc.ChannelReply) error {
	c, err := s.lora.CreateChannel(args.Name)
	reply.Channel = toChannel(c)
	return err
}

// JoinChannel joins the channel of a link that a member has given.
func (s *LoRaService) JoinChannel(_ *http.Request, args *rpc.ChannelJoinArgs, reply *rpc.ChannelReply) error {
	c, err := s.lora.JoinChannel(args.Link, args.Name)
	reply.Channel = toChannel(c)
	return err
}

// LeaveChannel forgets the secret of a channel. Its messages stay.
func (s *LoRaService) LeaveChannel(_ *http.Request, args *rpc.ChannelArgs, _ *rpc.Empty) error {
	return s.lora.LeaveChannel(args.Name)
}

// Network tells which nodes are heard, how well in both directions, and the ways
// to others.
func (s *LoRaService) Network(_ *http.Request, _ *rpc.Empty, reply *rpc.NetworkReply) error {
	reply.Neighbours = convert(s.lora.Neighbours(), func(n lora.Neighbour) rpc.Neighbour {
		return rpc.Neighbour{
			Station: s.station(n.Station), LastHeard: n.LastHeard, RSSIdBm: finite(n.RSSIdBm), SNRdB: finite(n.SNRdB),
			MarginDB: n.MarginDB, HearsUs: n.HearsUs, TheirMarginDB: n.TheirMarginDB, Passes: n.Passes,
		}
	})
	reply.Routes = convert(s.lora.Routes(), func(r lora.Route) rpc.Route {
		return rpc.Route{To: s.station(r.To), Next: s.station(r.Next), Hops: r.Hops}
	})
	return nil
}

// Ping sends a node something that it acknowledges and shows to nobody, and
// waits for that.
func (s *LoRaService) Ping(r *http.Request, args *rpc.ContactArgs, reply *rpc.PingReply) error {
	p, err := s.lora.Ping(r.Context(), args.Who)
	if err != nil {
		return err
	}
	*reply = rpc.PingReply{Node: lora.FormatNodeID(p.Node), Seconds: p.Took.Seconds(), Attempts: p.Attempts, Path: convert(p.Path, s.station)}
	return nil
}

func (s *LoRaService) station(st lora.Station) rpc.Station {
	out := rpc.Station{Short: fmt.Sprintf("%04x", st.Short)}
	if st.Node != 0 {
		out.Node, out.Nick = lora.FormatNodeID(st.Node), s.lora.Nick(st.Node)
	}
	return out
}

func toContact(c lora.Contact) rpc.Contact {
	return rpc.Contact{
		Node: lora.FormatNodeID(c.Node), Key: c.Key, Fingerprint: c.Fingerprint, Nick: c.Nick, Name: c.Name,
		Verified: c.Verified, Commands: c.Commands, Unread: c.Unread,
	}
}

func toChannel(c lora.Channel) rpc.Channel {
	return rpc.Channel{ID: c.ID, Name: c.Name, Link: c.Link, Unread: c.Unread, JoinedAt: c.JoinedAt}
}
