package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"lorrent/rpc"
)

// progress shows on stderr how far downloads are: one line that is rewritten
// on a terminal, a line now and then elsewhere, nothing next to JSON.
type progress struct {
	app   *app
	live  bool          // rewrite the line
	poll  time.Duration // between questions to the daemon
	every int           // questions from one line to the next

	asked int  // questions so far
	drawn bool // a live line is waiting for its end
}

func (a *app) newProgress(interval time.Duration) *progress {
	p := &progress{app: a, live: isTerminal(a.stderr) && !a.dumb()}
	if interval == 0 {
		interval = 5 * time.Second
		if p.live {
			interval = 500 * time.Millisecond
		}
	}
	p.poll = min(interval, 500*time.Millisecond)
	p.every = int(interval / p.poll)
	return p
}

// show is called after each question. It writes a line when one is due; the
// final one always is.
func (p *progress) show(torrents []*rpc.Torrent, final bool) {
	if p.app.json && !p.live {
		return
	}
	due := p.asked%p.every == 0 // counted, since ticks come a little early and late
	p.asked++
	if !final && !due {
		return
	}
	s := sum(torrents)
	if !p.live {
		fmt.Fprintln(p.app.stderr, s.line(0))
		return
	}
	width, _ := terminalSize(p.app.stderr)
	// One cell stays free: a full line makes some terminals wrap.
	fmt.Fprint(p.app.stderr, "\r"+cut(s.line(20), width-1)+clearLine)
	p.drawn = true
}

// end leaves the last line standing.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprintln(p.app.stderr)
	}
}

// totals is several torrents seen as one.
type totals struct {
	label           string
	state           string
	total, verified int64
	down            int64
	peers           int
	eta             int64
}

func sum(torrents []*rpc.Torrent) totals {
	s := totals{eta: -1}
	complete := 0
	for _, t := range torrents {
		done, total := wantedOf(*t)
		s.total += total
		s.verified += done
		s.down += t.DownloadRate
		s.peers += t.Peers
		if t.State == rpc.StateSeeding {
			complete++
		}
	}
	if len(torrents) == 1 {
		s.label, s.state, s.eta = torrents[0].Name, torrents[0].State, torrents[0].ETASeconds
		if s.state == rpc.StateChecking && torrents[0].CheckedBytes >= 0 {
			s.verified, s.total = torrents[0].CheckedBytes, torrents[0].TotalBytes
		}
		return s
	}
	s.state = fmt.Sprintf("%d of %d complete", complete, len(torrents))
	if s.down > 0 {
		s.eta = (s.total - s.verified) / s.down
	}
	return s
}

// line is percent, bar (of that many cells, 0 for none), rate, peers, time
// left, state and name.
func (s totals) line(bar int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6s", percentText(s.verified, s.total))
	if bar > 0 {
		b.WriteString("  " + barText(s.verified, s.total, bar))
	}
	fmt.Fprintf(&b, "  %s  %s  ETA %s  %s  %s", rateOrZero(s.down), plural(s.peers, "peer"), etaText(s.eta), s.state, sanitise(s.label))
	return strings.TrimRight(b.String(), " ")
}

func rateOrZero(n int64) string { return bytesText(max(n, 0)) + "/s" }

func barText(part, whole int64, cells int) string {
	filled := 0
	if whole > 0 {
		filled = int(float64(min(max(part, 0), whole)) / float64(whole) * float64(cells))
	}
	return strings.Repeat("█", filled) + strings.Repeat("░", cells-filled)
}

// interruptible is a context that SIGINT and SIGTERM end, for commands that
// have something to tidy up. The others leave it to the signal to end them.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
