package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lorrent/rpc"
)

// chatHistory is how many messages a chat begins with.
const chatHistory = 50

func (a *app) chatCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "chat [WHO]",
		Short: "Talk to a contact, a node or a channel",
		Long: `Show a conversation and write to it: WHO is a contact, a node id, a #channel or
"all", which is the default. The line at the bottom can be edited; Enter sends
it. Ctrl-C or Ctrl-D ends the chat. The marks of own messages:

  ·  stored, not on the air yet      ✓   delivered: its receiver has stored it
  ↑  on the air                      ✓✓  read
  ⇢  passed on by a neighbour        ✗   expired or refused

A name with "?" behind it is not proven: anyone in the channel can write in it.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeOnePeer,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			who := everyone
			if len(args) > 0 {
				who = args[0]
			}
			if !isTerminal(a.stdin) || !a.out.tty {
				return usage("chat needs a terminal: use send and inbox --follow in scripts")
			}
			return a.chat(ctx, c, who)
		}),
	}
}

// chat is a conversation on the terminal.
type chat struct {
	app    *app
	client *rpc.Client
	who    string
	self   string
	term   *term.Terminal

	mu       sync.Mutex // guards what follows
	messages []rpc.Message
}

func (a *app) chat(ctx context.Context, c *rpc.Client, who string) error {
	status, err := c.LoRaStatus(ctx, rpc.Empty{})
	if err != nil {
		return err
	}
	from, err := cursor(ctx, c)
	if err != nil {
		return err
	}
	list, err := c.MessageList(ctx, rpc.MessageListArgs{Peer: who, Limit: chatHistory})
	if err != nil {
		return err
	}
	keys, release := openKeys(a.stdin)
	defer release()
	if keys == nil {
		return usage("chat needs a keyboard")
	}
	var state *term.State
	control(keys, func(fd int) { state, err = term.MakeRaw(fd) })
	if err != nil {
		return fmt.Errorf("take over the terminal: %w", err)
	}
	defer control(keys, func(fd int) { _ = term.Restore(fd, state) })

	ch := &chat{app: a, client: c, who: who, self: status.NodeID, messages: list.Messages}
	ch.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, a.stdout}, "> ")
	width, height := terminalSize(a.stdout)
	_ = ch.term.SetSize(width, height)
	return ch.run(ctx, keys, from)
}

// run shows what comes and sends what is written, until the user ends it.
func (ch *chat) run(ctx context.Context, keys *os.File, from uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = keys.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	ch.say(dim, "%s. Ctrl-D ends.", ch.title())
	for _, m := range ch.messages {
		ch.show(m)
	}
	ch.markRead(ctx)
	followed := make(chan error, 1)
	go func() {
		err := follow(ctx, ch.client, from, []string{"message", "lora.state"}, func(reply rpc.EventPollReply) error { return ch.refresh(ctx, reply) })
		cancel()
		followed <- err
	}()
	err := ch.read(ctx)
	cancel()
	if ferr := <-followed; err == nil && ferr != nil && !errors.Is(ferr, context.Canceled) {
		err = ferr
	}
	return err
}

func (ch *chat) title() string {
	if ch.who == everyone {
		return "Everyone in reach can read this, and write in any name"
	}
	return "With " + ch.who
}

// read sends each line.
func (ch *chat) read(ctx context.Context) error {
	for {
		line, err := ch.term.ReadLine()
		switch {
		case errors.Is(err, term.ErrPasteIndicator):
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
			return nil // Ctrl-C, Ctrl-D, or the other half has ended
		case err != nil:
			return fmt.Errorf("read the keyboard: %w", err)
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		reply, err := ch.client.MessageSend(ctx, rpc.MessageSendArgs{To: ch.who, Text: line})
		if err != nil {
			ch.say(red, "not sent: %v", err)
			continue
		}
		ch.add(reply.Message)
	}
}

// refresh shows new messages, and new marks of those shown.
func (ch *chat) refresh(ctx context.Context, reply rpc.EventPollReply) error {
	ch.mu.Lock()
	after := lastSeq(ch.messages, 0)
	ch.mu.Unlock()
	if slices.ContainsFunc(reply.Events, func(e rpc.Event) bool { return e.Type == "message.received" }) || reply.Dropped > 0 {
		list, err := ch.client.MessageList(ctx, rpc.MessageListArgs{Peer: ch.who, AfterSeq: after, Limit: maxMessages})
		if err != nil {
			return err
		}
		for _, m := range list.Messages {
			ch.add(m)
		}
		ch.markRead(ctx)
	}
	for _, e := range reply.Events {
		if e.Type == "message.state" {
			if err := ch.follow(ctx, e); err != nil {
				return err
			}
		}
		if e.Type == "lora.state" {
			ch.say(dim, "%s", eventText(e))
		}
	}
	return nil
}

// follow shows the new mark of a message of ours.
func (ch *chat) follow(ctx context.Context, e rpc.Event) error {
	id := eventID(e)
	ch.mu.Lock()
	i := slices.IndexFunc(ch.messages, func(m rpc.Message) bool { return m.ID == id })
	ch.mu.Unlock()
	if i < 0 {
		return nil
	}
	reply, err := ch.client.MessageGet(ctx, rpc.MessageArgs{ID: id})
	if err != nil {
		return err
	}
	ch.mu.Lock()
	same := mark(ch.messages[i]) == mark(reply.Message) && ch.messages[i].Error == reply.Message.Error
	ch.messages[i] = reply.Message
	ch.mu.Unlock()
	if !same {
		ch.show(reply.Message)
	}
	return nil
}

// add shows a message that is not shown yet.
func (ch *chat) add(m rpc.Message) {
	ch.mu.Lock()
	known := slices.ContainsFunc(ch.messages, func(other rpc.Message) bool { return other.ID == m.ID && other.From == m.From })
	if !known {
		ch.messages = append(ch.messages, m)
	}
	ch.mu.Unlock()
	if !known {
		ch.show(m)
	}
}

// show prints a message above the line that is edited. Of a message whose mark
// has changed it prints the mark alone, and how it begins.
func (ch *chat) show(m rpc.Message) {
	const begin = 30
	when := cell{m.CreatedAt.Local().Format("15:04"), dim}
	if !m.Outgoing {
		ch.line(when, cell{author(m), cyan}, text("%s", m.Text))
		return
	}
	body := text("%s", m.Text)
	if m.State != rpc.MessageQueued {
		body.text = cut(sanitise(m.Text), begin)
	}
	cells := []cell{when, {mark(m), stateStyle(m.State)}, body}
	if m.Error != "" {
		cells = append(cells, cell{"(" + m.Error + ")", dim})
	}
	ch.line(cells...)
}

// author is who wrote a message, as far as that is proven.
func author(m rpc.Message) string {
	name := m.From
	if m.Nick != "" {
		name = m.Nick
	}
	if !m.Proven {
		name += "?"
	}
	return name
}

// mark is how far a message of ours has come.
func mark(m rpc.Message) string {
	switch m.State {
	case rpc.MessageQueued:
		return "·"
	case rpc.MessageSent:
		return "↑"
	case rpc.MessageRelayed:
		return "⇢"
	case rpc.MessageDelivered:
		return "✓"
	case rpc.MessageRead:
		return "✓✓"
	}
	return "✗"
}

func (ch *chat) say(style, format string, args ...any) {
	ch.line(cell{fmt.Sprintf(format, args...), style})
}

func (ch *chat) line(cells ...cell) {
	_, _ = io.WriteString(ch.term, ch.app.out.joined(cells)+"\n")
}

// markRead tells the daemon that what is shown was seen.
func (ch *chat) markRead(ctx context.Context) {
	ch.mu.Lock()
	seq := lastSeq(ch.messages, 0)
	ch.mu.Unlock()
	if seq > 0 {
		_, _ = ch.client.MessageMarkRead(ctx, rpc.MarkReadArgs{Peer: ch.who, Seq: seq}) // a count that is too high is no harm
	}
}
