package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

type watchOptions struct {
	types    []string
	interval time.Duration
}

func (a *app) watchCommand() *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch what happens",
		Long: `Watch what happens. On a terminal: a table of the torrents and the latest
events, redrawn until q or Ctrl-C is pressed. In a pipe: one line for each
event; with --json the event itself, one on a line.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			if o.interval < 100*time.Millisecond {
				return usage("--interval %s: must be at least 100ms", o.interval)
			}
			if a.out.tty && !a.json && !a.dumb() {
				return a.watchLive(ctx, c, o)
			}
			return a.watchLines(ctx, c, o)
		}),
	}
	cmd.Flags().StringSliceVar(&o.types, "type", nil, "only events of these `types`: torrent, message, lora, or exact ones such as torrent.completed")
	cmd.Flags().DurationVar(&o.interval, "interval", time.Second, "time between updates of the table")
	a.completeFlag(cmd, "type", eventFamilies()...)
	return cmd
}

// watchLines prints a line for each event.
func (a *app) watchLines(ctx context.Context, c *rpc.Client, o watchOptions) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	from, err := cursor(ctx, c)
	if err != nil {
		return err
	}
	lines := *a.out
	lines.tty = false // also on a dumb terminal, and JSON on one line
	return untilInterrupted(follow(ctx, c, from, o.types, func(reply rpc.EventPollReply) error {
		if reply.Dropped > 0 {
			fmt.Fprintf(a.stderr, "%s: missed %s\n", program, plural(int(reply.Dropped), "event"))
		}
		for _, e := range reply.Events {
			if err := a.printEvent(&lines, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (a *app) printEvent(out *output, e rpc.Event) error {
	if a.json {
		return out.printJSON(e)
	}
	cells := eventCells(e)
	cells[0].text = e.Time.Format(time.RFC3339)
	return out.line(cells...)
}

// update is news for the picture: a snapshot, events, or an error.
type update struct {
	status   *rpc.DaemonStatus
	torrents []rpc.Torrent
	events   []rpc.Event
	err      error
}

// watchLive draws until somebody presses q. The daemon may go away and come
// back meanwhile; only at the start it has to be there.
func (a *app) watchLive(parent context.Context, c *rpc.Client, o watchOptions) error {
	ctx, stop := interruptible(parent)
	defer stop()
	first := snapshot(ctx, c)
	if first.err != nil {
		return first.err
	}
	keys, release := openKeys(a.stdin)
	defer release()
	s, err := openScreen(a.out, keys)
	if err != nil {
		return fmt.Errorf("take over terminal: %w", err)
	}
	defer s.close()

	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	updates := make(chan update)
	tasks.Go(func() { watchTorrents(ctx, c, o.interval, updates) })
	tasks.Go(func() { watchEvents(ctx, c, o, updates) })
	if keys != nil {
		tasks.Go(func() { waitKeys(ctx, cancel, keys) })
	}
	p := &picture{out: a.out}
	p.apply(first)
	if err := drawLoop(ctx, s, p, updates); err != nil {
		return err
	}
	// Whoever ended it ended it well, except the clock.
	return untilInterrupted(parent.Err())
}

func waitKeys(ctx context.Context, cancel context.CancelFunc, keys *os.File) {
	if waitQuit(ctx, keys) == nil {
		cancel()
	}
}

// drawLoop redraws on news and when the terminal's size changed, until ctx
// ends or the terminal is gone.
func drawLoop(ctx context.Context, s *screen, p *picture, updates <-chan update) error {
	resize := time.NewTicker(200 * time.Millisecond)
	defer resize.Stop()
	for {
		width, height := terminalSize(s.out.w)
		if err := s.draw(p.lines(width, height, time.Now())); err != nil {
			return err
		}
		for redraw := false; !redraw; {
			select {
			case <-ctx.Done():
				return nil
			case u := <-updates:
				p.apply(u)
				redraw = true
			case <-resize.C:
				w, h := terminalSize(s.out.w)
				redraw = w != width || h != height
			}
		}
	}
}

func snapshot(ctx context.Context, c *rpc.Client) update {
	status, err := c.DaemonStatus(ctx, rpc.Empty{})
	if err != nil {
		return update{err: err}
	}
	list, err := c.TorrentList(ctx, rpc.Empty{})
	if err != nil {
		return update{err: err}
	}
	return update{status: &status, torrents: list.Torrents}
}

// watchTorrents sends a snapshot every interval until ctx ends.
func watchTorrents(ctx context.Context, c *rpc.Client, interval time.Duration, updates chan<- update) {
	for pause(ctx, interval) {
		send(ctx, updates, snapshot(ctx, c))
	}
}

// watchEvents sends what happens until ctx ends. After an error it starts
// anew, for a restarted daemon counts its events from the beginning.
func watchEvents(ctx context.Context, c *rpc.Client, o watchOptions, updates chan<- update) {
	for {
		from, err := cursor(ctx, c)
		if err == nil {
			_ = follow(ctx, c, from, o.types, func(reply rpc.EventPollReply) error {
				send(ctx, updates, update{events: reply.Events})
				return ctx.Err()
			})
		}
		if !pause(ctx, o.interval) {
			return
		}
	}
}

func send(ctx context.Context, updates chan<- update, u update) {
	select {
	case updates <- u:
	case <-ctx.Done():
	}
}

// pause waits for d and says whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
