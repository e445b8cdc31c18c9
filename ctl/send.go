package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// maxText bounds what is read of standard input for a message. It is far more
// than the air carries; the daemon knows the exact limit.
const maxText = 64 << 10

// everyone is the destination of a broadcast.
const everyone = "all"

func (a *app) sendCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "send DEST TEXT ...",
		Short: "Send a LoRa message",
		Long: `Send a LoRa message. DEST is a contact, a #channel, a node such as !89abcdef,
the same without the "!" (which shells like to expand), or "all" for everyone
in reach. What is for a node whose key is not known waits while it is asked for
it. Several
TEXT words are joined by spaces; - alone is the text on standard input. A text
has 4096 bytes at most; from some 200 on it goes in several packets, which
--json counts. What the radio's airtime does not allow is refused. When
send returns, the message is stored and will be sent, whatever happens to the
daemon.

With --wait it returns when the receiver has stored the message (state
"delivered", exit code 0), or it expired without an acknowledgement (6) or was
refused by the radio (1). What is for everyone or a #channel nobody
acknowledges: for that it waits until all of it was on the air (state "sent", or
"relayed" once a neighbour has passed it on, exit code 0), or it expired before (6).`,
		Example: "  lorrentctl send all good morning\n" +
			"  date | lorrentctl send 89abcdef - --wait --timeout 1m",
		Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeNodes(cmd)
		},
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			body, err := a.messageText(args[1:])
			if err != nil {
				return err
			}
			return a.send(ctx, c, rpc.MessageSendArgs{To: args[0], Text: body}, wait)
		}),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is delivered, or will not be")
	return cmd
}

// messageText is the text of a message from the command line or stdin.
func (a *app) messageText(words []string) (string, error) {
	body := strings.Join(words, " ")
	if len(words) == 1 && words[0] == "-" {
		b, err := io.ReadAll(io.LimitReader(a.stdin, maxText+1))
		if err != nil {
			return "", fileFailure(fmt.Errorf("read standard input: %w", err))
		}
		if len(b) > maxText {
			return "", fileFailure(errors.New("standard input is too long for a message"))
		}
		body = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	if strings.TrimSpace(body) == "" {
		return "", usage("send: the text is empty")
	}
	return body, nil
}

func (a *app) send(ctx context.Context, c *rpc.Client, args rpc.MessageSendArgs, wait bool) error {
	var from uint64
	var err error
	if wait {
		var stop context.CancelFunc
		ctx, stop = interruptible(ctx)
		defer stop()
		// Taken before sending, so that no state is missed.
		if from, err = cursor(ctx, c); err != nil {
			return err
		}
	}
	reply, err := c.MessageSend(ctx, args)
	if err != nil {
		return err
	}
	m := reply.Message
	if m.Error != "" && !wait {
		fmt.Fprintln(a.stderr, sanitise(m.Error))
	}
	if wait {
		if m, err = awaitMessage(ctx, c, m, from); err != nil {
			return err
		}
	}
	if err := undelivered(m); err != nil {
		return err
	}
	if a.json {
		return a.out.printJSON(m)
	}
	return a.out.line(cell{m.State, stateStyle(m.State)}, text("%s", m.ID), text("%s", m.To))
}

// settled says that nothing more will happen to a message of ours.
func settled(m rpc.Message) bool {
	switch m.State {
	case rpc.MessageDelivered, rpc.MessageRead, rpc.MessageExpired, rpc.MessageFailed:
		return true
	}
	return forMany(m) && (m.State == rpc.MessageSent || m.State == rpc.MessageRelayed)
}

// forMany says that a message is for everyone or a channel, so that nobody
// acknowledges it.
func forMany(m rpc.Message) bool { return m.To == everyone || strings.HasPrefix(m.To, "#") }

// awaitMessage follows a message until it is settled.
func awaitMessage(ctx context.Context, c *rpc.Client, m rpc.Message, from uint64) (rpc.Message, error) {
	if settled(m) {
		return m, nil
	}
	finished := errors.New("message is settled")
	err := follow(ctx, c, from, []string{"message.state"}, func(rpc.EventPollReply) error {
		// Asked for instead of read from the event: events may be dropped.
		reply, err := c.MessageGet(ctx, rpc.MessageArgs{ID: m.ID})
		if err != nil {
			return err
		}
		if m = reply.Message; settled(m) {
			return finished
		}
		return nil
	})
	if errors.Is(err, finished) {
		return m, nil
	}
	return m, err
}

// undelivered is the failure of a message that did not arrive.
func undelivered(m rpc.Message) error {
	reason := ""
	if m.Error != "" {
		reason = ": " + m.Error
	}
	switch m.State {
	case rpc.MessageExpired:
		how := fmt.Sprintf("after %s on air without acknowledgement", plural(m.Attempts, "time"))
		if forMany(m) {
			how = "before all of it was on air"
		}
		return &failure{
			exit: exitTimeout, code: rpc.CodeTimeout, kind: rpc.KindTimeout,
			message: fmt.Sprintf("message %s to %s expired %s%s", m.ID, m.To, how, reason),
			hints:   []string{"see who was heard lately: " + program + " nodes"},
		}
	case rpc.MessageFailed:
		return &failure{
			exit: exitRPC, code: rpc.CodeLoRaDown, kind: rpc.KindLoRaDown,
			message: fmt.Sprintf("message %s to %s failed%s", m.ID, m.To, reason),
			hints:   []string{"see: " + program + " status --lora"},
		}
	}
	return nil
}
