package main

import (
	"context"
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	humanize "github.com/dustin/go-humanize"

	"lorrent/daemon/torrent"
)

// watch tells systemd that the daemon is ready, what it is doing, and, as long
// as the engine's loop turns, that it is alive (sd_notify(3)). Without systemd
// it only keeps an eye on the engine.
func (d *daemon) watch(ctx context.Context) error {
	interval, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn().Err(err).Msg("watchdog")
	}
	period := statusRefresh
	if interval > 0 {
		period = min(period, interval/3)
	}
	if err := d.alive(ctx, period); err != nil {
		return err
	}
	d.notify(sd.SdNotifyReady)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		d.notify("STATUS=" + d.summary())
		select {
		case <-ctx.Done():
			d.notifyStopping()
			return ctx.Err()
		case <-tick.C:
		}
		if err := d.alive(ctx, period); err != nil {
			d.log.Error().Err(err).Msg("the engine does not answer")
			continue // no WATCHDOG=1: systemd will act
		}
		if interval > 0 {
			d.notify(sd.SdNotifyWatchdog)
		}
	}
}

func (d *daemon) alive(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return d.engine.Ping(ctx)
}

func (d *daemon) notify(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		d.log.Warn().Err(err).Msg("notify systemd")
	}
}

func (d *daemon) notifyStopping() { d.notify(sd.SdNotifyStopping) }

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
