package main

import (
	"context"
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	humanize "github.com/dustin/go-humanize"
	"github.com/rs/zerolog"

	"lorrent/daemon/torrent"
)

// heartbeat tells systemd that the daemon is ready, what it is doing, and, as
// long as the engine's loop turns, that it is alive (sd_notify(3)). Without
// systemd it only keeps an eye on the engine.
type heartbeat struct {
	ping    func(context.Context) error // passes through the engine's loop
	summary func() string
	notify  func(state string)
	log     zerolog.Logger
	limit   time.Duration // silence after which systemd kills us; 0 is none
}

// watch runs the daemon's heartbeat until ctx ends.
func (d *daemon) watch(ctx context.Context) error {
	limit, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn().Err(err).Msg("watchdog")
	}
	h := heartbeat{ping: d.engine.Ping, summary: d.summary, notify: d.notify, log: d.log, limit: limit}
	return h.run(ctx)
}

func (h heartbeat) run(ctx context.Context) error {
	period := statusRefresh
	if h.limit > 0 {
		period = min(period, h.limit/3)
	}
	if err := h.alive(ctx, period); err != nil {
		return err
	}
	h.notify(sd.SdNotifyReady)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		h.notify("STATUS=" + h.summary())
		select {
		case <-ctx.Done():
			h.notify(sd.SdNotifyStopping)
			return ctx.Err()
		case <-tick.C:
		}
		if err := h.alive(ctx, period); err != nil {
			if ctx.Err() == nil {
				h.log.Error().Err(err).Msg("the engine does not answer")
			}
			continue // no WATCHDOG=1: systemd will act
		}
		if h.limit > 0 {
			h.notify(sd.SdNotifyWatchdog)
		}
	}
}

func (h heartbeat) alive(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return h.ping(ctx)
}

func (d *daemon) notify(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		d.log.Warn().Err(err).Msg("notify systemd")
	}
}

// summary is the one line that systemctl status shows.
func (d *daemon) summary() string {
	s, radio := d.engine.Stats(), d.bridge.Status()
	state := "down"
	if radio.Up {
		state = "up"
	}
	return fmt.Sprintf("%d torrents, %d downloading, %d peers, %s/s down, %s/s up; radio %s %s",
		s.Torrents, s.ByState[torrent.Downloading], s.Peers,
		humanize.IBytes(uint64(s.DownloadRate)), humanize.IBytes(uint64(s.UploadRate)), d.cfg.LoRa, state)
}
