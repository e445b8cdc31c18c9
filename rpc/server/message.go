package server

import (
	"context"
	"net/http"

	"lorrent/lora"
	"lorrent/rpc"
	"lorrent/storage"
)

// LoRa is what the server wants of the bridge.
type LoRa interface {
	Send(ctx context.Context, to uint32, text string) (storage.Message, error)
	Messages(q storage.MessageQuery) ([]storage.Message, error)
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
	to, err := lora.ParseNodeID(args.To)
	if err != nil {
		return failure(rpc.CodeInvalid, "to: %v", err)
	}
	m, err := s.lora.Send(r.Context(), to, args.Text)
	if err != nil {
		return err
	}
	reply.Message = toMessage(m)
	return nil
}

// List returns stored messages, newest last: without afterSeq the newest,
// with it the ones that follow.
func (s *MessageService) List(_ *http.Request, args *rpc.MessageListArgs, reply *rpc.MessageListReply) error {
	q, err := messageQuery(args)
	if err != nil {
		return err
	}
	messages, err := s.lora.Messages(q)
	if err != nil {
		return err
	}
	reply.Messages = convert(messages, toMessage)
	return nil
}

func messageQuery(args *rpc.MessageListArgs) (storage.MessageQuery, error) {
	q := storage.MessageQuery{AfterSeq: args.AfterSeq, BeforeSeq: args.BeforeSeq, Limit: args.Limit}
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
		peer, err := lora.ParseNodeID(args.Peer)
		if err != nil {
			return q, failure(rpc.CodeInvalid, "peer: %v", err)
		}
		q.Peer = &peer
	}
	return q, nil
}

// Get returns one message.
func (s *MessageService) Get(r *http.Request, args *rpc.MessageArgs, reply *rpc.MessageReply) error {
	if args.ID == "" {
		return failure(rpc.CodeInvalidParams, "id: missing")
	}
	// Newest first: a message that is asked for is mostly a recent one.
	for q := (storage.MessageQuery{Limit: maxMessages}); r.Context().Err() == nil; {
		page, err := s.lora.Messages(q)
		if err != nil {
			return err
		}
		for _, m := range page {
			if m.ID == args.ID {
				reply.Message = toMessage(m)
				return nil
			}
		}
		if len(page) < q.Limit {
			return failure(rpc.CodeNotFound, "id: no message %q", clip(args.ID, 50))
		}
		q.BeforeSeq = page[0].Seq
	}
	return r.Context().Err()
}

func toMessage(m storage.Message) rpc.Message {
	return rpc.Message{
		Seq: m.Seq, ID: m.ID, From: lora.FormatNodeID(m.From), To: lora.FormatNodeID(m.To),
		Text: m.Text, Outgoing: m.Outgoing, State: m.State,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, ExpiresAt: timeOrNil(m.ExpiresAt),
		Attempts: m.Attempts, RSSIdBm: finite(m.RSSIdBm), SNRdB: finite(m.SNRdB), Error: m.Error,
	}
}
