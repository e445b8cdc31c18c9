package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"lorrent/daemon/event"
	"lorrent/rpc"
)

// maxEvents bounds one answer; the next poll brings the rest.
const maxEvents = 1000

// maxTypes bounds the filter of a poll.
const maxTypes = 32

// EventService answers Event.*.
type EventService struct {
	events  *event.Ring
	maxPoll time.Duration
	polls   chan struct{} // one slot a poll
}

// Poll returns the events after a cursor. When there are none it waits for
// one, up to timeoutSeconds, and may return none. A filter never hides that
// events were dropped.
func (s *EventService) Poll(r *http.Request, args *rpc.EventPollArgs, reply *rpc.EventPollReply) error {
	timeout, err := s.checkPoll(args)
	if err != nil {
		return err
	}
	reply.Events = []rpc.Event{}
	newest := s.events.Cursor()
	if args.Cursor == nil {
		reply.Cursor = newest
		return nil
	}
	reply.Cursor = *args.Cursor
	if reply.Cursor > newest {
		reply.Cursor = 0 // not of this process
	}
	select {
	case s.polls <- struct{}{}:
		defer func() { <-s.polls }()
	default:
		return failure(rpc.CodeBusy, "%d polls are waiting already", cap(s.polls))
	}
	return s.wait(r, timeout, args.Types, reply)
}

// checkPoll returns how long to wait at most.
func (s *EventService) checkPoll(args *rpc.EventPollArgs) (time.Duration, error) {
	seconds := args.TimeoutSeconds
	if math.IsNaN(seconds) || seconds < 0 {
		return 0, failure(rpc.CodeInvalidParams, "timeoutSeconds: want 0 to %v", s.maxPoll.Seconds())
	}
	if len(args.Types) > maxTypes {
		return 0, failure(rpc.CodeInvalidParams, "types: %d given, %d are the most", len(args.Types), maxTypes)
	}
	for i, t := range args.Types {
		if !knownType(t) {
			return 0, failure(rpc.CodeInvalidParams, "types[%d]: no event type or family %q", i, clip(t, 50))
		}
	}
	return time.Duration(min(seconds, s.maxPoll.Seconds()) * float64(time.Second)), nil
}

// wait fills reply, whose cursor is where to start.
func (s *EventService) wait(r *http.Request, timeout time.Duration, types []string, reply *rpc.EventPollReply) error {
	ctx, done := context.WithTimeoutCause(r.Context(), timeout, errPollOver)
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(clientOf(r).stopping, func() {
		cancel(failure(rpc.CodeClosing, "the daemon is shutting down"))
	})()
	for {
		events, dropped, err := s.events.Since(ctx, reply.Cursor)
		if err != nil {
			if errors.Is(context.Cause(ctx), errPollOver) {
				return nil
			}
			return context.Cause(ctx)
		}
		reply.Dropped += dropped
		for _, e := range events {
			reply.Cursor = e.ID
			if !matches(e.Data.Type(), types) {
				continue
			}
			data, err := json.Marshal(e.Data)
			if err != nil {
				return fmt.Errorf("encode event %d: %w", e.ID, err)
			}
			reply.Events = append(reply.Events, rpc.Event{ID: e.ID, Time: e.Time, Type: e.Data.Type(), Data: data})
			if len(reply.Events) == maxEvents {
				return nil
			}
		}
		if len(reply.Events) > 0 || reply.Dropped > 0 {
			return nil
		}
	}
}

var errPollOver = errors.New("the poll is over")

// matches says whether a type is asked for: itself or its family, the part
// before the dot. No types ask for all.
func matches(t string, types []string) bool {
	family, _, _ := strings.Cut(t, ".")
	for _, want := range types {
		if want == t || want == family {
			return true
		}
	}
	return len(types) == 0
}

// eventData has one value of every type of event, to name and describe them.
func eventData() []event.Data {
	return []event.Data{
		event.TorrentAdded{}, event.TorrentRemoved{}, event.TorrentState{}, event.TorrentCompleted{},
		event.PeerBanned{}, event.TrackerFailed{}, event.WebSeedFailed{},
		event.MessageReceived{}, event.MessageState{}, event.LoRaState{}, event.LoRaContact{}, event.LoRaChannel{},
	}
}

func knownType(t string) bool {
	for _, d := range eventData() {
		if matches(d.Type(), []string{t}) {
			return true
		}
	}
	return false
}
