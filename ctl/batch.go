package main

import (
	"fmt"

	"lorrent/rpc"
)

// batch is a command done for several things, one RPC call each.
type batch struct {
	app   *app
	many  bool  // the JSON is an array
	items []any // results, and errorObjects for what failed
	first error // failure of the first that failed
}

// newBatch starts a batch. One thing alone has its own result and error as the
// answer; several, or a list that only happens to be short, have an array.
func (a *app) newBatch(many bool) *batch {
	return &batch{app: a, many: many, items: []any{}}
}

// do calls fn for every id. It goes on after a failure, which it reports at
// once, unless the next call would fail as well: nobody answers, access is
// denied, the time is up.
func (b *batch) do(ids []string, fn func(id string) (any, error)) {
	for _, id := range ids {
		result, err := fn(id)
		if err == nil {
			b.items = append(b.items, result)
			continue
		}
		f := b.app.classify(err)
		if !b.many {
			b.first = f
			return
		}
		if b.first == nil {
			b.first = &reported{exit: f.exit}
		}
		b.items = append(b.items, f.object(id))
		if !b.app.json {
			fmt.Fprintln(b.app.stderr, f.text())
		}
		switch f.exit {
		case exitUnreachable, exitDenied, exitTimeout, exitInterrupted:
			return
		}
	}
}

// finish prints the JSON, when wanted, and returns the first failure.
func (b *batch) finish() error {
	var err error
	switch {
	case !b.app.json:
	case b.many:
		err = b.app.out.printJSON(b.items)
	case b.first == nil && len(b.items) == 1:
		err = b.app.out.printJSON(b.items[0])
	}
	if err != nil {
		return err
	}
	return b.first
}

// each is a whole batch: do and finish.
func (a *app) each(ids []string, many bool, fn func(id string) (any, error)) error {
	b := a.newBatch(many || len(ids) > 1)
	b.do(ids, fn)
	return b.finish()
}

// stateStyle is the colour of a torrent's or message's state.
func stateStyle(state string) string {
	switch state {
	case rpc.StateDownloading, rpc.StateMetadata, rpc.MessageSent, rpc.MessageRelayed:
		return cyan
	case rpc.StateSeeding, rpc.MessageDelivered, rpc.MessageRead, rpc.MessageReceived:
		return green
	case rpc.StateChecking, rpc.MessageExpired:
		return yellow
	case rpc.StateError, rpc.MessageFailed:
		return red
	}
	return dim
}
