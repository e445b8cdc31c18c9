package lab

import (
	"errors"
	"math"
	"testing"
	"time"
)

// The oracle is a bound: nobody does better, and where there is air for all it
// reaches everyone to whom there is a way.
func TestOracle(t *testing.T) {
	for _, direct := range []bool{false, true} {
		cfg := config(t, "n20_s1", "ours")
		cfg.Direct = direct
		ours := run(t, cfg)
		cfg.Policy, cfg.Warmup = "oracle", 0
		bound := run(t, cfg)
		if bound.ReachConnected < 99.9 || bound.ReachConnected < ours.ReachConnected {
			t.Errorf("direct %v: the oracle reaches %.1f %% of those to whom there is a way, the mesh %.1f", direct, bound.ReachConnected, ours.ReachConnected)
		}
	}
}

// Of two stations that do not hear each other, the oracle lets one speak at a
// time to those between them.
func TestOracleDoesNotCollide(t *testing.T) {
	none := math.NaN()
	cfg := config(t, "n20_s1", "oracle")
	cfg.Topology = &Topology{
		Name: "hidden", X: make([]float64, 3), Y: make([]float64, 3),
		RSSIdBm: [][]float64{{none, -100, -150}, {-150, none, -150}, {-150, -100, none}},
		Traffic: []Arrival{{0, 0, 1}, {1, 2, 1}},
	}
	row := run(t, cfg)
	if row.Collided != 0 || row.ReachConnected != 100 || row.PerMessage != 1 {
		t.Errorf("%+v, want each sent once and received", row)
	}
}

func TestGenerate(t *testing.T) {
	a, err := Load("random:30:5")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Generate(30, 5)
	c, _ := Generate(30, 6)
	if a.Len() != 30 || a.RSSIdBm[3][4] != b.RSSIdBm[3][4] || a.RSSIdBm[3][4] == c.RSSIdBm[3][4] || a.RSSIdBm[3][4] == a.RSSIdBm[4][3] {
		t.Error("topologies are not by seed, or links not by direction")
	}
	for _, name := range []string{"random:", "random:1:1", "random:x:1", "random:100000:1"} {
		if _, err := Load(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// A run in which a node breaks the law is an error, not a row.
func TestLawIsChecked(t *testing.T) {
	cfg := config(t, "n20_s2", "ours")
	cfg.Duty, cfg.loose = 0.01, true
	if _, err := Run(cfg); !errors.Is(err, errUnlawful) {
		t.Errorf("nodes without a plan: %v", err)
	}
	cfg.loose = false
	if _, err := Run(cfg); err != nil {
		t.Error(err)
	}
}

// The oracle sends a message under a flooder twice at times: the second copy may
// end when its receiver has the first.
func TestOracleUnderFlooder(t *testing.T) {
	for seed := range uint64(8) {
		cfg := config(t, "n20_s3", "oracle")
		cfg.Direct, cfg.Flooder, cfg.Redraw, cfg.Seed, cfg.Period = true, true, true, seed, time.Minute
		if row := run(t, cfg); row.Delivered < 70 || row.Delivered > row.Deliverable {
			t.Errorf("seed %d: %.1f %% delivered, %.1f %% to whom there is a way", seed, row.Delivered, row.Deliverable)
		}
	}
}

// What a node sends while it is turned off counts as well.
func TestOracleKeepsTheLaw(t *testing.T) {
	for _, name := range []string{"n20_s1", "n20_s2", "n20_s3"} {
		cfg := config(t, name, "oracle")
		cfg.Reboot, cfg.Duty = 1, 0.01
		run(t, cfg)
	}
}
