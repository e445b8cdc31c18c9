package main

import (
	"context"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

func (a *app) showCommand() *cobra.Command {
	var want rpc.TorrentGetArgs
	var noHeader bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show one torrent",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeTorrents(1),
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, args []string) error {
			want.ID = args[0]
			return a.show(ctx, c, want, !noHeader)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&want.Files, "files", false, "list its files")
	flags.BoolVar(&want.Peers, "peers", false, "list its peers")
	flags.BoolVar(&want.Trackers, "trackers", false, "list its trackers")
	flags.BoolVar(&want.WebSeeds, "webseeds", false, "list its web seeds")
	flags.BoolVar(&want.Pieces, "pieces", false, "draw its pieces")
	flags.BoolVar(&noHeader, "no-header", false, "leave out the headers of the lists")
	return cmd
}

func (a *app) show(ctx context.Context, c *rpc.Client, want rpc.TorrentGetArgs, header bool) error {
	d, err := c.TorrentGet(ctx, want)
	if err != nil {
		return err
	}
	if a.json {
		return a.out.printJSON(d)
	}
	p := a.out.summary(d.Torrent)
	if d.Peers == 0 {
		p.add("no peers", text("%s", findingText(d.Finding)))
	}
	if err := a.out.printPairs(p); err != nil {
		return err
	}
	if want.Files {
		if err := a.section(fileTable(d.Files), header); err != nil {
			return err
		}
	}
	if want.Peers {
		if err := a.section(peerTable(d.PeerList), header); err != nil {
			return err
		}
	}
	if want.Trackers {
		if err := a.section(trackerTable(d.Trackers), header); err != nil {
			return err
		}
	}
	if want.WebSeeds {
		if err := a.section(webSeedTable(d.WebSeeds), header); err != nil {
			return err
		}
	}
	if want.Pieces {
		return a.printPieces(d)
	}
	return nil
}

// section is an empty line and a table.
func (a *app) section(t *table, header bool) error {
	if err := a.out.print("\n"); err != nil {
		return err
	}
	return a.out.printTable(t, header)
}

func (o *output) summary(t rpc.Torrent) *pairs {
	p := &pairs{}
	p.add("name", text("%s", t.Name))
	p.add("id", text("%s", t.InfoHash))
	if t.InfoHashV2 != "" {
		p.add("v1 hash", text("%s", orNone(t.InfoHashV1)))
		p.add("v2 hash", text("%s", t.InfoHashV2))
	}
	p.add("state", cell{t.State, stateStyle(t.State)})
	if t.SuperSeeding {
		p.add("super-seeding", text("until there is another seed"))
	}
	if t.Error != "" {
		p.add("error", cell{t.Error, red})
	}
	done, wanted := wantedOf(t)
	p.add("done", text("%s, %s of %s", percentText(done, wanted), bytesText(done), bytesText(wanted)))
	if wanted != t.TotalBytes {
		p.add("in all", text("%s of %s", bytesText(t.VerifiedBytes), bytesText(t.TotalBytes)))
	}
	if t.CheckedBytes >= 0 {
		p.add("checked", text("%s", percentText(t.CheckedBytes, t.TotalBytes)))
	}
	p.add("eta", text("%s", etaText(t.ETASeconds)))
	p.add("rates", text("%s down, %s up", rateOrZero(t.DownloadRate), rateOrZero(t.UploadRate)))
	if t.DownloadLimit > 0 || t.UploadLimit > 0 {
		p.add("limits", text("%s", limitsText(t.DownloadLimit, t.UploadLimit)))
	}
	p.add("peers", text("%d, %s", t.Peers, plural(t.Seeds, "seed")))
	p.add("transferred", text("%s down, %s up, %s wasted", bytesText(t.DownloadedBytes), bytesText(t.UploadedBytes), bytesText(t.WastedBytes)))
	p.add("ratio", text("%s", ratioText(t)))
	p.add("pieces", text("%d of %s", t.NumPieces, bytesText(t.PieceLength)))
	p.add("files", text("%d", t.NumFiles))
	p.add("folder", text("%s", t.Dir))
	p.add("private", text("%s", yesNo(t.Private)))
	p.add("added", text("%s", timeText(t.AddedAt)))
	p.add("completed", text("%s", optionalTimeText(t.CompletedAt)))
	return p
}

// findingText says in one line how the ways of finding peers go.
func findingText(list []rpc.Finding) string {
	if len(list) == 0 {
		return "-"
	}
	parts := make([]string, len(list))
	for i, f := range list {
		name := f.Source
		switch name {
		case "dht", "pex", "lsd":
			name = strings.ToUpper(name)
		}
		parts[i] = name + ": " + f.Text
	}
	return strings.Join(parts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func peerTable(peers []rpc.Peer) *table {
	t := &table{columns: []column{
		{title: "ADDRESS"}, {title: "FROM"}, {title: "OVER"}, {title: "ENCRYPTION"}, {"DONE", true}, {"DOWN", true}, {"UP", true},
		{"REQUESTS", true}, {title: "FLAGS"}, {title: "CLIENT"},
	}}
	for _, p := range peers {
		t.add(text("%s", p.Address), text("%s", p.Source), text("%s", p.Transport), text("%s", p.Encryption), text("%s", percentText(int64(p.Progress*1000), 1000)),
			text("%s", rateText(p.DownloadRate)), text("%s", rateText(p.UploadRate)), text("%d", p.Requests),
			text("%s", peerFlags(p)), text("%s", p.Client))
	}
	return t
}

// peerFlags packs what goes on with a peer into letters, as other clients do:
// D we download, d we would but are choked; U we upload, u it would like us
// to; S snubbed; I it came to us.
func peerFlags(p rpc.Peer) string {
	var b strings.Builder
	flag := func(wanted, choked bool, open, closed byte) {
		if wanted && choked {
			b.WriteByte(closed)
		} else if wanted {
			b.WriteByte(open)
		}
	}
	flag(p.Interested, p.PeerChoking, 'D', 'd')
	flag(p.PeerInterested, p.Choking, 'U', 'u')
	flag(p.Snubbed, false, 'S', 'S')
	flag(p.Direction == "in", false, 'I', 'I')
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

func trackerTable(trackers []rpc.Tracker) *table {
	t := &table{columns: []column{
		{"TIER", true}, {title: "STATE"}, {"SEEDERS", true}, {"LEECHERS", true}, {"PEERS", true},
		{title: "NEXT"}, {title: "URL"}, {title: "MESSAGE"},
	}}
	for _, r := range trackers {
		next := "-"
		if r.NextAnnounce != nil && !r.NextAnnounce.IsZero() {
			next = durationText(time.Until(*r.NextAnnounce))
		}
		style := plain
		switch r.State {
		case "ok":
			style = green
		case "error":
			style = red
		}
		message := r.Error
		if message == "" {
			message = r.Warning
		}
		t.add(text("%d", r.Tier), cell{r.State, style}, text("%s", countText(r.Seeders)), text("%s", countText(r.Leechers)),
			text("%d", r.PeersReceived), text("%s", next), text("%s", r.URL), text("%s", message))
	}
	return t
}

func webSeedTable(seeds []rpc.WebSeed) *table {
	t := &table{columns: []column{
		{title: "STATE"}, {"DOWN", true}, {"RECEIVED", true}, {"MISSING", true}, {title: "RETRY"}, {title: "URL"}, {title: "MESSAGE"},
	}}
	for _, w := range seeds {
		retry := "-"
		if w.RetryAt != nil {
			retry = durationText(time.Until(*w.RetryAt))
		}
		style := plain
		switch w.State {
		case "active":
			style = green
		case "error", "banned":
			style = red
		}
		t.add(cell{w.State, style}, text("%s", rateText(w.DownloadRate)), text("%s", bytesText(w.DownloadedBytes)),
			text("%d", w.MissingFiles), text("%s", retry), text("%s", w.URL), text("%s", w.Error))
	}
	return t
}

func countText(n int) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// printPieces draws the verified pieces and says how common the others are.
func (a *app) printPieces(d rpc.TorrentDetail) error {
	const cells = 64 // in a pipe
	width := cells
	if a.out.tty {
		width, _ = terminalSize(a.out.w)
	}
	verified := 0
	for _, b := range d.Pieces {
		verified += bits.OnesCount8(b)
	}
	p := &pairs{}
	p.add("verified", text("%d of %s", verified, plural(d.NumPieces, "piece")))
	if len(d.Availability) > 0 {
		rarest, nowhere := d.Availability[0], 0
		for _, n := range d.Availability {
			rarest = min(rarest, n)
			if n == 0 {
				nowhere++
			}
		}
		p.add("rarest", text("%d among the peers, %s with none", rarest, plural(nowhere, "piece")))
	}
	if err := a.out.print("\n"); err != nil {
		return err
	}
	if err := a.out.printPairs(p); err != nil {
		return err
	}
	return a.out.print(pieceBar(d.Pieces, d.NumPieces, width) + "\n")
}

// pieceBar draws a bitfield of n pieces in at most width cells, each as dark
// as its share of verified pieces: none "·", all "█".
func pieceBar(bitfield []byte, n, width int) string {
	n = min(n, 8*len(bitfield))
	width = min(width, n)
	var b strings.Builder
	for i := range width {
		from, to := i*n/width, (i+1)*n/width
		have := 0
		for piece := from; piece < to; piece++ {
			if bitfield[piece/8]&(0x80>>(piece%8)) != 0 {
				have++
			}
		}
		switch share := float64(have) / float64(to-from); {
		case share == 0:
			b.WriteRune('·')
		case share == 1:
			b.WriteRune('█')
		case share < 0.34:
			b.WriteRune('░')
		case share < 0.67:
			b.WriteRune('▒')
		default:
			b.WriteRune('▓')
		}
	}
	return b.String()
}
