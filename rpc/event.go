package rpc

import (
	"encoding/json"
	"time"
)

// EventPollArgs asks for what happened after Cursor. Without a cursor the
// reply comes at once, empty, with the cursor to start from.
type EventPollArgs struct {
	Cursor         *uint64  `json:"cursor,omitempty"`
	TimeoutSeconds float64  `json:"timeoutSeconds,omitempty"` // how long to wait for one; 60 at most
	Types          []string `json:"types,omitempty"`          // exact types, or a family such as "torrent"; all when empty
}

// EventPollReply carries events, oldest first, and the cursor for the next
// poll. Dropped counts those that were forgotten before this poll.
type EventPollReply struct {
	Cursor  uint64  `json:"cursor"`
	Dropped uint64  `json:"dropped"`
	Events  []Event `json:"events"`
}

// Event is one thing that happened. Data depends on Type: see the schema that
// rpc.discover returns.
type Event struct {
	ID   uint64          `json:"id"`
	Time time.Time       `json:"time"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}
