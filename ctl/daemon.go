package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lorrent/rpc"
)

func (a *app) statusCommand() *cobra.Command {
	var lora bool
	cmd := &cobra.Command{
		Use:               "status",
		Short:             "Show how the daemon is",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			if lora {
				return a.loraStatus(ctx, c)
			}
			s, err := c.DaemonStatus(ctx, rpc.Empty{})
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(s)
			}
			return a.out.printPairs(daemonPairs(s))
		}),
	}
	cmd.Flags().BoolVar(&lora, "lora", false, "the radio instead, in detail")
	return cmd
}

func daemonPairs(s rpc.DaemonStatus) *pairs {
	p := &pairs{}
	p.add("version", text("%s", s.Version))
	p.add("process", text("%d, up %s", s.PID, durationText(time.Duration(s.UptimeSeconds)*time.Second)))
	if !s.CleanStart {
		p.add("last end", cell{"not in order: the previous process was killed or crashed", yellow})
	}
	p.add("state folder", text("%s", s.StateDir))
	p.add("downloads", text("%s, %s free", s.DownloadDir, bytesText(s.FreeBytes)))
	p.add("listening", text("%s", s.Listen))
	p.add("port", text("%s", s.PortMapping))
	p.add("torrents", text("%s", statesText(s)))
	p.add("peers", text("%d", s.Peers))
	p.add("rates", text("%s down, %s up", rateOrZero(s.DownloadRate), rateOrZero(s.UploadRate)))
	p.add("radio", radioCell(s.LoRa.Radio, s.LoRa.Up, s.LoRa.Error))
	return p
}

// statesText is "3, 2 seeding, 1 stopped".
func statesText(s rpc.DaemonStatus) string {
	parts := []string{fmt.Sprint(s.Torrents)}
	var names []string
	for name, n := range s.States {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%d %s", s.States[name], name))
	}
	return strings.Join(parts, ", ")
}

func radioCell(radio string, up bool, reason string) cell {
	switch {
	case radio == "off":
		return cell{"off", dim}
	case up:
		return cell{radio + ", up", green}
	case reason != "":
		return cell{radio + ", down: " + reason, red}
	}
	return cell{radio + ", down", red}
}

func (a *app) loraStatus(ctx context.Context, c *rpc.Client) error {
	s, err := c.LoRaStatus(ctx, rpc.Empty{})
	if err != nil {
		return err
	}
	if a.json {
		return a.out.printJSON(s)
	}
	p := &pairs{}
	p.add("radio", radioCell(s.Radio, s.Up, s.Error))
	p.add("node", text("%s", s.NodeID))
	p.add("frequency", text("%.3f MHz", float64(s.FrequencyHz)/1e6))
	p.add("modulation", text("SF%d, %g kHz, coding rate 4/%d", s.SpreadingFactor, float64(s.BandwidthHz)/1e3, s.CodingRate))
	p.add("power", text("%d dBm", s.TxPowerDBm))
	p.add("airtime", text("%.1f of %.0f s in the last hour", s.AirtimeUsedSeconds, s.AirtimeLimitSeconds))
	p.add("queued", text("%s", plural(s.Queued, "message")))
	p.add("packets", text("%d sent, %d received, %d bad, %d duplicate", s.PacketsSent, s.PacketsReceived, s.PacketsBad, s.PacketsDuplicate))
	p.add("nodes", text("%d heard", s.Nodes))
	return a.out.printPairs(p)
}

// healthTimeout is how long a healthy daemon may take when --timeout does not
// say otherwise. Container health checks must end before the next begins.
const healthTimeout = 5 * time.Second

func (a *app) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Say by the exit code whether the daemon is well",
		Long: `Say by the exit code whether the daemon is well: 0 when it answers within five
seconds (or --timeout). Silent, except about what is wrong. A radio that is
down is no illness: the daemon works on without it.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			if a.timeout == 0 {
				a.timeout = healthTimeout
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, healthTimeout)
				defer cancel()
			}
			s, err := c.DaemonStatus(ctx, rpc.Empty{})
			if err != nil || !a.json {
				return err
			}
			return a.out.printJSON(s)
		}),
	}
}

func (a *app) shutdownCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "shutdown",
		Short:             "End the daemon in order",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.withClient(func(ctx context.Context, c *rpc.Client, _ []string) error {
			reply, err := c.DaemonShutdown(ctx, rpc.Empty{})
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(reply)
			}
			return a.out.line(text("the daemon is shutting down"))
		}),
	}
}

// versions is Daemon.Version, and the same about this program.
type versions struct {
	rpc.Version
	Client rpc.Version `json:"client"`
}

func (a *app) versionCommand() *cobra.Command {
	var clientOnly bool
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Show the versions of client and daemon",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			own := clientVersion()
			if !a.json {
				if err := a.printVersion(program, own); err != nil {
					return err
				}
			}
			switch {
			case clientOnly && a.json:
				return a.out.printJSON(own)
			case clientOnly:
				return nil
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			v, err := c.DaemonVersion(cmd.Context(), rpc.Empty{})
			if err != nil {
				return err
			}
			if a.json {
				return a.out.printJSON(versions{Version: v, Client: own})
			}
			return a.printVersion("lorrentd", v)
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "only this program, without asking the daemon")
	return cmd
}

func (a *app) printVersion(name string, v rpc.Version) error {
	revision := v.Revision
	if revision == "" {
		revision = "-"
	}
	return a.out.line(text("%s", name), text("%s", v.Version), text("%s", revision), text("%s", v.GoVersion), text("API %d", v.API))
}

// version is the released version, the same as the daemon's; builds in between
// add their revision.
const version = "0.1.0"

// clientVersion is about this program.
func clientVersion() rpc.Version {
	v := rpc.Version{Version: version, GoVersion: runtime.Version(), API: rpc.API}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = setting.Value
		}
	}
	return v
}
