package server

import (
	"context"
	"errors"
	"net/http"

	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
)

// LoRa is what the server wants of the bridge.
type LoRa interface {
	Send(ctx context.Context, to lora.Target, text string) (storage.Message, error)
	Resolve(who string) (lora.Target, error)
	Nick(node uint32) string
	ChannelName(id string) string
	Chat
	Messages(q storage.MessageQuery) ([]storage.Message, error)
	Message(id string) (storage.Message, error)
	Status() lora.Status
	Nodes() []lora.Node
}

const (
	defaultMessages = 100
	maxMessages     = 1000 // of one page
)

// MessageService answers Message.*.
type MessageService struct{ lora LoRa }

// Send stores a text and queues it for the radio. It is stored when the
// answer comes; events tell what becomes of it.
func (s *MessageService) Send(r *http.Request, args *rpc.MessageSendArgs, reply *rpc.MessageReply) error {
	if args.To == "" {
		return failure(rpc.CodeInvalidParams, "to: missing")
	}
	to, err := s.lora.Resolve(args.To)
	if err != nil {
		return named("to", err)
	}
	m, err := s.lora.Send(r.Context(), to, args.Text)
	if err != nil {
		return err
	}
	reply.Message = s.toMessage(m)
	return nil
}

// MarkRead notes that what came from a node, or to a channel, was read up to a
// message.
func (s *MessageService) MarkRead(_ *http.Request, args *rpc.MarkReadArgs, _ *rpc.Empty) error {
	t, err := s.lora.Resolve(args.Peer)
	if err != nil {
		return named("peer", err)
	}
	return s.lora.MarkRead(t, args.Seq)
}

// named says which argument an error is about.
func named(argument string, err error) error {
	e := translate(err)
	e.Message = argument + ": " + e.Message
	return e
}

// List returns stored messages, newest last: without afterSeq the newest,
// with it the ones that follow.
func (s *MessageService) List(_ *http.Request, args *rpc.MessageListArgs, reply *rpc.MessageListReply) error {
	q, err := s.messageQuery(args)
	if err != nil {
		return err
	}
	messages, err := s.lora.Messages(q)
	if err != nil {
		return err
	}
	reply.Messages = convert(messages, s.toMessage)
	return nil
}

func (s *MessageService) messageQuery(args *rpc.MessageListArgs) (storage.MessageQuery, error) {
	q := storage.MessageQuery{AfterSeq: args.AfterSeq, BeforeSeq: args.BeforeSeq, Limit: args.Limit, Text: args.Text}
	switch {
	case args.Limit < 0 || args.Limit > maxMessages:
		return q, failure(rpc.CodeInvalidParams, "limit: want 0 to %d, not %d", maxMessages, args.Limit)
	case args.Limit == 0:
		q.Limit = defaultMessages
	}
	switch args.Direction {
	case "":
	case "in":
		q.Incoming = true
	case "out":
		q.Outgoing = true
	default:
		return q, failure(rpc.CodeInvalidParams, `direction: want "in" or "out", not %q`, clip(args.Direction, 20))
	}
	if args.Peer != "" {
		t, err := s.lora.Resolve(args.Peer)
		if err != nil {
			return q, named("peer", err)
		}
		q.Peer, q.Channel = &t.Node, t.Channel
	}
	return q, nil
}

// Get returns one message.
func (s *MessageService) Get(_ *http.Request, args *rpc.MessageArgs, reply *rpc.MessageReply) error {
	if args.ID == "" {
		return failure(rpc.CodeInvalidParams, "id: missing")
	}
	m, err := s.lora.Message(args.ID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return failure(rpc.CodeNotFound, "id: no message %q", clip(args.ID, 50))
	case err != nil:
		return err
	}
	reply.Message = s.toMessage(m)
	return nil
}

// packets is how many a message takes when none is lost: to a channel parity goes
// along.
func packets(m storage.Message) int {
	if m.Outgoing && m.To == lora.Broadcast {
		return max(m.Shares, 1)
	}
	return max(m.DataShares, 1)
}

func (s *MessageService) toMessage(m storage.Message) rpc.Message {
	to, nick := lora.FormatNodeID(m.To), ""
	switch {
	case m.Channel != "":
		to = s.lora.ChannelName(m.Channel)
	case m.Outgoing:
		nick = s.lora.Nick(m.To)
	case m.To != lora.Broadcast:
		nick = s.lora.Nick(m.From)
	}
	return rpc.Message{
		Seq: m.Seq, ID: m.ID, From: lora.FormatNodeID(m.From), To: to,
		Nick: nick, Proven: m.Outgoing || m.To != lora.Broadcast,
		Text: m.Text, Bytes: len(m.Text), Packets: packets(m), Outgoing: m.Outgoing, State: m.State,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, ExpiresAt: timeOrNil(m.ExpiresAt),
		Attempts: m.Attempts, RSSIdBm: finite(m.RSSIdBm), SNRdB: finite(m.SNRdB), Error: m.Error,
	}
}
