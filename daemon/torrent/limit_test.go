package torrent

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func rateOf(l Limits) Speed { return Speed{Limits: l, Mode: AltOff} }

// The limits that hold follow the mode and the clock.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC, 2000-01-01, a Saturday
		speed := Speed{Limits: Limits{Download: 10, Upload: 20}, Alternative: Limits{Download: 1, Upload: 2}, Mode: AltOff, Schedule: "sat 08:00-09:00"}
		throttle, err := newThrottle(speed, nil)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(when string, alt bool, down, up int64) {
			t.Helper()
			if s := throttle.status(); s.AltActive != alt || throttle.down.Rate() != down || throttle.up.Rate() != up {
				t.Errorf("%s: %d down, %d up, %+v", when, throttle.down.Rate(), throttle.up.Rate(), s)
			}
		}
		expect("off", false, 10, 20)
		speed.Mode = AltOn
		throttle.set(speed, true)
		expect("on", true, 1, 2)
		speed.Mode = AltSchedule
		throttle.set(speed, true)
		day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.Local)
		for hour, alt := range []bool{7: false, 8: true, 9: false} {
			throttle.apply(day.Add(time.Duration(hour) * time.Hour))
			if alt {
				expect("at eight", true, 1, 2)
			} else {
				expect("another time", false, 10, 20)
			}
		}
		if wait := untilNextMinute(time.Now().Add(59 * time.Second)); wait != time.Second {
			t.Errorf("looks again after %v", wait)
		}
	})
}

func TestBadSpeed(t *testing.T) {
	for name, speed := range map[string]Speed{
		"negative":                  {Limits: Limits{Upload: -1}, Mode: AltOff},
		"negative alternative":      {Alternative: Limits{Download: -1}, Mode: AltOff},
		"no mode":                   {},
		"schedule without schedule": {Mode: AltSchedule},
		"bad schedule":              {Mode: AltOff, Schedule: "noon"},
	} {
		if _, err := speed.check(); !errors.Is(err, ErrLimits) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newThrottle(rateOf(Limits{}), []byte("{")); err == nil {
		t.Error("stored garbage was taken for limits")
	}
}

// What SetSpeed and SetLimits answered holds after a restart.
func TestLimitsLast(t *testing.T) {
	dir := t.TempDir()
	configured := func(c *Config) { c.Speed = rateOf(Limits{Download: 7}) }
	n := startNode(t, dir, configured)
	h := add(t, n, makePayload(t, filepath.Join(dir, "data"), "payload", 32<<10, nil, 100_000))
	status, err := n.SetSpeed(t.Context(), func(s *Speed) { s.Upload = 9 })
	if err != nil || !status.Changed || status.Limits != (Limits{7, 9}) || n.throttle.up.Rate() != 9 {
		t.Errorf("changed to %+v, %v", status, err)
	}
	if _, err := n.SetSpeed(t.Context(), func(s *Speed) { s.Upload = -9 }); !errors.Is(err, ErrLimits) {
		t.Errorf("negative: %v", err)
	}
	rate, bad := int64(5), int64(-5)
	if st, err := n.SetLimits(t.Context(), h, &rate, nil); err != nil || st.Limits != (Limits{Download: 5}) {
		t.Errorf("torrent: %+v %v", st.Limits, err)
	}
	if _, err := n.SetLimits(t.Context(), h, nil, &bad); !errors.Is(err, ErrLimits) {
		t.Errorf("torrent, negative: %v", err)
	}
	n.stop(t)

	n = startNode(t, dir, configured)
	if status, err := n.Speed(t.Context()); err != nil || !status.Changed || status.Limits != (Limits{7, 9}) {
		t.Errorf("after a restart: %+v %v", status, err)
	}
	if l := n.List()[0].Limits; l != (Limits{Download: 5}) {
		t.Errorf("torrent after a restart: %+v", l)
	}
	if status, err := n.ResetSpeed(t.Context()); err != nil || status.Changed || status.Limits != (Limits{Download: 7}) {
		t.Errorf("reset: %+v %v", status, err)
	}
	n.stop(t)
	n = startNode(t, dir, nil)
	if status, err := n.Speed(t.Context()); err != nil || status.Limits != (Limits{}) {
		t.Errorf("after the reset and another configuration: %+v %v", status, err)
	}
}

// A torrent's own limit holds beside the others, both ways.
func TestTorrentLimit(t *testing.T) {
	const rate, size = 400_000, 1_000_000
	for _, side := range []string{"download", "upload"} {
		t.Run(side, func(t *testing.T) {
			seedDir, dir := t.TempDir(), t.TempDir()
			torrent := makePayload(t, filepath.Join(seedDir, "data"), "payload", 32<<10, nil, size)
			seed, leech := startNode(t, seedDir, nil), startNode(t, dir, nil)
			limits := map[string]Limits{side: {Download: rate, Upload: rate}}
			start := time.Now()
			for _, n := range []struct {
				*node
				side string
			}{{seed, "upload"}, {leech, "download"}} {
				l := limits[n.side]
				if _, _, err := n.Add(t.Context(), torrent, AddOptions{Limits: l}); err != nil {
					t.Fatal(err)
				}
			}
			h := leech.List()[0].InfoHash
			seed.waitFor(t, h, "seeding", func(st Status) bool { return st.State == Seeding })
			leech.learns(t, h, seed.address())
			leech.waitFor(t, h, "complete", func(st Status) bool { return st.State == Seeding })
			if took := time.Since(start).Seconds(); took < 0.9*size/rate {
				t.Errorf("%d bytes at %d a second took %.2f s", size, rate, took)
			}
		})
	}
}
