package lab

import (
	"testing"
	"time"
)

// Texts of 4 kB from each node of a whole network, which loses every fifth packet
// besides those that collide.
func TestLongMessages(t *testing.T) {
	for _, test := range []struct {
		topology string
		period   time.Duration
		reboot   float64
		least    float64 // share of those to which there is a way
	}{
		{"n20_s2", 10 * time.Hour, 0, 90},
		{"n20_s3", 10 * time.Hour, 0.33, 70},
		{"n50_s2", 25 * time.Hour, 0, 60}, // two parts, joined by links that work one way only
	} {
		t.Run(test.topology, func(t *testing.T) {
			cfg := config(t, test.topology, "ours")
			cfg.Direct, cfg.Loss, cfg.Text, cfg.Reboot = true, 0.2, 4096, test.reboot
			cfg.Period, cfg.Duration, cfg.Tail = test.period, 8*time.Hour, 3*time.Hour
			row := run(t, cfg)
			t.Logf("%d messages, %.1f %% delivered, %.1f %% acknowledged, %.1f packets each, busiest hour %.1f %%, p50 %.0f s, p95 %.0f s",
				row.Messages, row.ReachConnected, row.Acked, row.PerMessage, row.HourlyAirtime, row.LatencyP50, row.LatencyP95)
			if row.Messages < 5 || row.ReachConnected < test.least {
				t.Errorf("%d messages, %.1f %% delivered, want %.0f", row.Messages, row.ReachConnected, test.least)
			}
			if row.Duplicates != 0 || row.FalselyFailed != 0 || row.HourlyAirtime > 10 {
				t.Errorf("%d shown twice, %d falsely failed, %.1f %% of an hour", row.Duplicates, row.FalselyFailed, row.HourlyAirtime)
			}
		})
	}
}

func TestTextIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"negative text": func(c *Config) { c.Text = -1 },
		"endless text":  func(c *Config) { c.Text = 4097 },
		"text of fw28":  func(c *Config) { c.Text, c.Policy = 100, "fw28" },
		"loss of all":   func(c *Config) { c.Loss = 1 },
	} {
		cfg := config(t, "n20_s1", "ours")
		change(&cfg)
		if _, err := Run(cfg); err == nil {
			t.Errorf("a %s is taken", name)
		}
	}
}
