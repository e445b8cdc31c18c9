package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"lorrent/rpc"
)

// pollSeconds is how long the daemon may hold an event poll open.
const pollSeconds = 50

// eventFamilies are the values of --type that stand for several event types.
func eventFamilies() []string { return []string{"torrent", "message", "lora"} }

// cursor is where events are now.
func cursor(ctx context.Context, c *rpc.Client) (uint64, error) {
	reply, err := c.EventPoll(ctx, rpc.EventPollArgs{})
	return reply.Cursor, err
}

// follow calls fn with what happens after a cursor, until ctx ends or fn or
// the daemon fails. It always returns an error.
func follow(ctx context.Context, c *rpc.Client, cursor uint64, types []string, fn func(rpc.EventPollReply) error) error {
	for {
		reply, err := c.EventPoll(ctx, rpc.EventPollArgs{Cursor: &cursor, TimeoutSeconds: pollSeconds, Types: types})
		if err != nil {
			return err
		}
		cursor = reply.Cursor
		if len(reply.Events) == 0 && reply.Dropped == 0 {
			continue
		}
		if err := fn(reply); err != nil {
			return err
		}
	}
}

// untilInterrupted makes a success of the Ctrl-C that ends a command which
// has no end of its own.
func untilInterrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// eventData is the union of what events carry; docs in daemon/event, and in
// the schema that rpc.discover returns.
type eventData struct {
	InfoHash    string `json:"infoHash"`
	Name        string `json:"name"`
	State       string `json:"state"`
	Error       string `json:"error"`
	TotalBytes  int64  `json:"totalBytes"`
	DataDeleted bool   `json:"dataDeleted"`
	Address     string `json:"address"`
	Reason      string `json:"reason"`
	URL         string `json:"url"`
	ID          string `json:"id"`
	From        string `json:"from"`
	To          string `json:"to"`
	Text        string `json:"text"`
	Up          bool   `json:"up"`
	Radio       string `json:"radio"`
	Channel     string `json:"channel"`
	Node        string `json:"node"`
	Nick        string `json:"nick"`
	Change      string `json:"change"`
	Joined      bool   `json:"joined"`
}

// eventID is the message that an event is about.
func eventID(e rpc.Event) string {
	var d eventData
	_ = json.Unmarshal(e.Data, &d) // an event of a newer daemon is about none
	return d.ID
}

// eventCells is an event for people: time, type, and what happened.
func eventCells(e rpc.Event) []cell {
	return []cell{{timeText(e.Time), dim}, {e.Type, eventStyle(e.Type)}, {eventText(e), plain}}
}

func eventStyle(kind string) string {
	switch kind {
	case "torrent.completed", "message.received":
		return green
	case "torrent.peerBanned", "torrent.trackerFailed", "torrent.webSeedFailed":
		return yellow
	}
	return cyan
}

// eventText is what happened, in words. Events of a newer daemon come out as
// their data.
func eventText(e rpc.Event) string {
	var d eventData
	known := json.Unmarshal(e.Data, &d) == nil
	suffix := ""
	if d.Error != "" {
		suffix = ": " + d.Error
	}
	switch {
	case !known:
	case e.Type == "torrent.added":
		return d.Name
	case e.Type == "torrent.removed" && d.DataDeleted:
		return d.Name + " with its files"
	case e.Type == "torrent.removed":
		return d.Name
	case e.Type == "torrent.state":
		return d.State + " " + d.Name + suffix
	case e.Type == "torrent.completed":
		return fmt.Sprintf("%s, %s", d.Name, bytesText(d.TotalBytes))
	case e.Type == "torrent.peerBanned":
		return fmt.Sprintf("%s: %s", d.Address, d.Reason)
	case e.Type == "torrent.trackerFailed", e.Type == "torrent.webSeedFailed":
		return d.URL + suffix
	case e.Type == "message.received":
		if d.Channel != "" {
			d.To = d.Channel
		}
		return fmt.Sprintf("%s to %s: %s", d.From, d.To, d.Text)
	case e.Type == "message.state":
		return fmt.Sprintf("%s to %s %s%s", d.ID, d.To, d.State, suffix)
	case e.Type == "lora.contact":
		return strings.TrimSpace(d.Node+" "+d.Nick) + " " + d.Change
	case e.Type == "lora.channel" && d.Joined:
		return "joined #" + d.Name
	case e.Type == "lora.channel":
		return "left #" + d.Name
	case e.Type == "lora.state" && d.Up:
		return "radio " + d.Radio + " is up"
	case e.Type == "lora.state":
		return "radio " + d.Radio + " is down" + suffix
	}
	var b bytes.Buffer
	if json.Compact(&b, e.Data) != nil {
		return string(e.Data)
	}
	return b.String()
}
