package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lorrent/rpc"
)

// maxEvents is how many of the latest events the picture remembers.
const maxEvents = 100

// picture is what `watch` shows of a daemon. It has no clock and no terminal.
type picture struct {
	out *output

	status   rpc.DaemonStatus
	torrents []rpc.Torrent
	events   []rpc.Event // oldest first
	err      error       // why the rest is old
}

// apply takes over news.
func (p *picture) apply(u update) {
	if u.err != nil {
		p.err = u.err
		return
	}
	if u.status != nil {
		p.err, p.status, p.torrents = nil, *u.status, u.torrents
		slices.SortStableFunc(p.torrents, busiest)
	}
	p.events = append(p.events, u.events...)
	if extra := len(p.events) - maxEvents; extra > 0 {
		p.events = slices.Delete(p.events, 0, extra)
	}
}

// busiest sorts what changes to the top: by state, then by rate.
func busiest(x, y rpc.Torrent) int {
	rank := func(t rpc.Torrent) int {
		return slices.Index([]string{
			rpc.StateStopped, rpc.StateSeeding, rpc.StateQueued, rpc.StateError,
			rpc.StateMetadata, rpc.StateChecking, rpc.StateDownloading,
		}, t.State)
	}
	return cmp.Or(
		cmp.Compare(rank(y), rank(x)),
		cmp.Compare(y.DownloadRate+y.UploadRate, x.DownloadRate+x.UploadRate),
	)
}

// lines is the picture for a terminal of that size: never more lines than
// height, none wider than width.
func (p *picture) lines(width, height int, now time.Time) []string {
	lines := []string{p.headline(width), ""}
	room := height - len(lines) - 1 // the last line tells the keys

	events := min(len(p.events), max(3, room/3))
	if room < 10 {
		events = 0
	}
	forTable := room
	if events > 0 {
		forTable -= events + 2
	}
	table := p.tableLines(width, forTable)
	lines = append(lines, table...)
	if events > 0 {
		lines = append(lines, "", p.out.paint(bold, cut("LATEST EVENTS", width)))
		for _, e := range p.events[len(p.events)-events:] {
			lines = append(lines, p.eventLine(e, width))
		}
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines, p.footer(width, now))
	if height < len(lines) {
		lines = lines[:max(height, 0)]
	}
	return lines
}

func (p *picture) headline(width int) string {
	s := p.status
	radio := "radio " + s.LoRa.Radio
	switch {
	case s.LoRa.Radio == "off":
	case s.LoRa.Up:
		radio += " up"
	default:
		radio += " down"
	}
	return p.out.paint(bold, cut(sanitise(fmt.Sprintf("lorrent  ↓ %s  ↑ %s  %s  %s  %s free  %s",
		rateOrZero(s.DownloadRate), rateOrZero(s.UploadRate), plural(s.Torrents, "torrent"),
		plural(s.Peers, "peer"), bytesText(s.FreeBytes), radio)), width))
}

// tableLines is at most room lines: the header, the torrents, and how many
// there was no place for.
func (p *picture) tableLines(width, room int) []string {
	if room < 2 {
		return nil
	}
	shown := p.torrents
	if len(shown) > room-1 {
		shown = shown[:room-2]
	}
	lines := p.out.tableLines(p.out.torrentTable(shown), true, width)
	if hidden := len(p.torrents) - len(shown); hidden > 0 {
		lines = append(lines, p.out.paint(dim, cut(fmt.Sprintf("… and %d more", hidden), width)))
	}
	return lines
}

func (p *picture) eventLine(e rpc.Event, width int) string {
	clock := e.Time.Local().Format("15:04:05")
	kind := sanitise(e.Type)
	kind += strings.Repeat(" ", max(0, len("torrent.trackerFailed")-textWidth(kind)))
	line := cut(clock+"  "+kind+"  "+sanitise(eventText(e)), width)
	if rest, ok := strings.CutPrefix(line, clock); ok {
		return p.out.paint(dim, clock) + rest
	}
	return line
}

func (p *picture) footer(width int, now time.Time) string {
	clock := now.Format("15:04:05")
	if p.err != nil {
		return p.out.paint(red, cut(clock+"  "+sanitise(p.err.Error())+"  (trying again; q quits)", width))
	}
	return p.out.paint(dim, cut(clock+"  q quits", width))
}
