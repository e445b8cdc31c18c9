package main

import (
	"context"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"lorrent/rpc"
)

// limitOptions are the flags of `limits`; nil was not given.
type limitOptions struct {
	down, up, altDown, altUp rateFlag
	alt, schedule            textFlag
	reset                    bool
}

func (a *app) limitsCommand() *cobra.Command {
	var o limitOptions
	cmd := &cobra.Command{
		Use:   "limits [ID ...]",
		Short: "Show or change speed limits",
		Long: `Show or change speed limits: of all torrents together, or of the torrents named.

Limits are payload per second, such as 5MB or 800KiB; 0 is none. Those of one
torrent hold beside those of all. What is changed stays after a restart;
--reset returns to what the configuration says. The alternative limits hold
instead of the usual ones while --alt is on or, with --alt schedule, at the
times of --alt-schedule: "08:00-18:00", "mon-fri 08:00-18:00" or
"sat,sun 22:00-06:00", in the daemon's local time.`,
		ValidArgsFunction: a.completeTorrents(-1),
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, ids []string) error {
			if len(ids) > 0 {
				return a.torrentLimits(ctx, c, o, ids)
			}
			return a.daemonLimits(ctx, c, o)
		}),
	}
	flags := cmd.Flags()
	flags.Var(&o.down, "down", "download limit")
	flags.Var(&o.up, "up", "upload limit")
	flags.Var(&o.altDown, "alt-down", "alternative download limit")
	flags.Var(&o.altUp, "alt-up", "alternative upload limit")
	flags.Var(&o.alt, "alt", "when the alternative limits hold: off, on or schedule")
	flags.Var(&o.schedule, "alt-schedule", "`times` at which they hold; sets --alt schedule")
	flags.BoolVar(&o.reset, "reset", false, "return to the limits of the configuration")
	a.completeFlag(cmd, "alt", rpc.AltOff, rpc.AltOn, rpc.AltSchedule)
	return cmd
}

// args is what the flags change of all torrents.
func (o limitOptions) args() rpc.SetLimitsArgs {
	args := rpc.SetLimitsArgs{
		DownloadLimit: o.down.bytes, UploadLimit: o.up.bytes, AltDownloadLimit: o.altDown.bytes, AltUploadLimit: o.altUp.bytes,
		AltMode: o.alt.text, AltSchedule: o.schedule.text, Reset: o.reset,
	}
	if args.AltSchedule != nil && args.AltMode == nil {
		mode := rpc.AltSchedule
		if strings.TrimSpace(*args.AltSchedule) == "" {
			mode = rpc.AltOff
		}
		args.AltMode = &mode
	}
	return args
}

func (a *app) daemonLimits(ctx context.Context, c *rpc.Client, o limitOptions) error {
	args := o.args()
	if o.reset && args != (rpc.SetLimitsArgs{Reset: true}) {
		return usage("limits: --reset goes with no other flag")
	}
	var l rpc.Limits
	var err error
	if args == (rpc.SetLimitsArgs{}) {
		l, err = c.DaemonLimits(ctx, rpc.Empty{})
	} else {
		l, err = c.DaemonSetLimits(ctx, args)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.out.printJSON(l)
	}
	p := &pairs{}
	p.add("limits", text("%s", limitsText(l.DownloadLimit, l.UploadLimit)))
	p.add("alternative", text("%s", limitsText(l.AltDownloadLimit, l.AltUploadLimit)))
	p.add("mode", text("%s", l.AltMode))
	if l.AltSchedule != "" {
		p.add("schedule", text("%s", l.AltSchedule))
	}
	now := "the usual limits hold"
	if l.AltActive {
		now = "the alternative limits hold"
	}
	p.add("now", text("%s", now))
	if l.Changed {
		p.add("source", text("changed by command; --reset returns to the configuration"))
	}
	return a.out.printPairs(p)
}

func (a *app) torrentLimits(ctx context.Context, c *rpc.Client, o limitOptions, ids []string) error {
	args := o.args()
	own := rpc.SetLimitsArgs{DownloadLimit: args.DownloadLimit, UploadLimit: args.UploadLimit}
	if args != own {
		return usage("limits: a torrent has only --down and --up")
	}
	return a.each(ids, false, func(id string) (any, error) {
		t, err := a.torrentLimit(ctx, c, id, own)
		if err != nil || a.json {
			return t, err
		}
		return t, a.out.line(a.out.id(t.InfoHash), text("%s", limitsText(t.DownloadLimit, t.UploadLimit)), text("%s", t.Name))
	})
}

func (a *app) torrentLimit(ctx context.Context, c *rpc.Client, id string, own rpc.SetLimitsArgs) (rpc.Torrent, error) {
	if own == (rpc.SetLimitsArgs{}) {
		t, err := c.TorrentGet(ctx, rpc.TorrentGetArgs{ID: id})
		return t.Torrent, err
	}
	return c.TorrentSetLimits(ctx, rpc.TorrentSetLimitsArgs{ID: id, DownloadLimit: own.DownloadLimit, UploadLimit: own.UploadLimit})
}

func limitsText(down, up int64) string { return limitText(down) + " down, " + limitText(up) + " up" }

func limitText(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return rateOrZero(n)
}

// rateFlag is bytes per second on the command line.
type rateFlag struct{ bytes *int64 }

func (f *rateFlag) Set(s string) error {
	bytes, err := humanize.ParseBytes(strings.TrimSuffix(s, "/s"))
	if err != nil || bytes > 1<<40 {
		return usage("want bytes per second, such as 5MB or 800KiB, or 0")
	}
	n := int64(bytes)
	f.bytes = &n
	return nil
}

// value is 0, no limit, when the flag was not given.
func (f *rateFlag) value() int64 {
	if f.bytes == nil {
		return 0
	}
	return *f.bytes
}

func (f *rateFlag) Type() string { return "rate" }
func (f *rateFlag) String() string {
	if f.bytes == nil {
		return ""
	}
	return humanize.Bytes(uint64(*f.bytes))
}

// textFlag is a text that may be empty on purpose.
type textFlag struct{ text *string }

func (f *textFlag) Set(s string) error { f.text = &s; return nil }
func (f *textFlag) Type() string       { return "mode" }
func (f *textFlag) String() string {
	if f.text == nil {
		return ""
	}
	return *f.text
}
