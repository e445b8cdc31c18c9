package lab

import (
	"math"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func load(t *testing.T, name string) *Topology {
	t.Helper()
	top, err := Load(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// config is a run of half an hour with a message of each node in five minutes.
func config(t *testing.T, topology, policy string) Config {
	t.Helper()
	preset, err := ParsePreset("SF11/250")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Topology: load(t, topology), Preset: preset, Policy: policy, Seed: 1,
		Period: 300 * time.Second, Duration: 30 * time.Minute,
	}
	if policy == "ours" {
		cfg.Warmup, cfg.Duty = 30*time.Minute, 0.1
	}
	return cfg
}

func run(t *testing.T, cfg Config) Row {
	t.Helper()
	row, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// The baseline behaves as published: figures and their spread over seeds are
// those of the simulations that the topologies come from.
func TestBaseline(t *testing.T) {
	published := []struct {
		topology                            string
		near, perMessage, delivered, direct float64
	}{
		{"n20_s1", 71.54, 5.72, 60.87, 1018.0 / 115},
		{"n20_s2", 84.28, 6.66, 80.95, 1169.0 / 105},
		{"n20_s3", 89.42, 7.49, 81.90, 1504.0 / 116},
		{"n50_s2", 75.26, 7.73, 47.46, 3268.0 / 295},
	}
	// Standard deviations of the published runs over the seeds of one size.
	const reachSd, perMessageSd, deliveredSd, directSd = 7.8, 0.9, 11.9, 2.1
	for _, want := range published {
		t.Run(want.topology, func(t *testing.T) {
			near := func(what string, got, want, sd float64) {
				if !(math.Abs(got-want) <= sd) {
					t.Errorf("%s %.2f, published %.2f ± %.2f", what, got, want, sd)
				}
			}
			var all, direct []Row
			for seed := range uint64(5) {
				cfg := config(t, want.topology, "fw28")
				cfg.Redraw, cfg.Seed = true, seed+1
				all = append(all, run(t, cfg))
				cfg.Direct = true
				direct = append(direct, run(t, cfg))
			}
			mean := func(rows []Row, value func(*Row) float64) float64 { m, _ := Spread(rows, value); return m }
			near("reach within 4 hops", mean(all, func(r *Row) float64 { return r.ReachNear }), want.near, reachSd)
			near("transmissions of a broadcast", mean(all, func(r *Row) float64 { return r.PerMessage }), want.perMessage, perMessageSd)
			near("direct messages delivered", mean(direct, func(r *Row) float64 { return r.Delivered }), want.delivered, deliveredSd)
			near("transmissions of a direct message", mean(direct, func(r *Row) float64 { return r.PerMessage }), want.direct, directSd)
		})
	}
}

// What the mesh promises, on topologies that run in a moment: the bounds are two or
// three points from what the full tables show, about as much as one draw differs
// from another.
func TestMesh(t *testing.T) {
	promises := []struct {
		topology     string
		soon, near   float64 // percent of broadcasts within 15 min, and within 4 hops
		first        float64 // times flooding's transmissions of broadcasts, before repair
		direct, cost float64 // of what is deliverable; times flooding's transmissions
	}{
		{"n20_s1", 97.5, 96.5, 1.2, 0.97, 0.95},
		{"n20_s2", 97.5, 96.5, 1, 0.97, 0.6},
		{"n20_s3", 97.5, 97.5, 1.18, 0.94, 0.85},
		{"n50_s2", 95, 95.5, 1.27, 0.93, 1.3}, // parts are joined by two links only, one each way
	}
	const onAverage = 1.2 // times flooding's transmissions of broadcasts, before repair
	sum, ran := 0.0, 0
	for _, want := range promises {
		t.Run(want.topology, func(t *testing.T) {
			cfg, base := config(t, want.topology, "ours"), config(t, want.topology, "fw28")
			row, flood := run(t, cfg), run(t, base)
			if row.Within15 < want.soon || row.ReachNear < want.near {
				t.Errorf("broadcast: %+v\nwant %+v", row, want)
			}
			cfg.Tuning.NoRepair = true
			first := run(t, cfg).PerMessage / flood.PerMessage
			if first > want.first {
				t.Errorf("before repair %.2f times as many transmissions as flooding, want %+v", first, want)
			}
			sum, ran = sum+first, ran+1
			cfg.Tuning.NoRepair = false
			cfg.Direct, base.Direct = true, true
			direct, flooded := run(t, cfg), run(t, base)
			if direct.Delivered < want.direct*direct.Deliverable || direct.Delivered < flooded.Delivered || direct.PerMessage > want.cost*flooded.PerMessage {
				t.Errorf("direct: %+v\nflooding: %+v\nwant %+v", direct, flooded, want)
			}
			for _, r := range []Row{row, direct} {
				if r.Duplicates != 0 || r.FalselyFailed != 0 || r.HourlyAirtime > 10 {
					t.Errorf("%d shown twice, %d falsely failed, %.1f %% of an hour", r.Duplicates, r.FalselyFailed, r.HourlyAirtime)
				}
			}
		})
	}
	if mean := sum / float64(ran); ran == len(promises) && mean > onAverage {
		t.Errorf("before repair %.2f times as many transmissions as flooding on average, want %.1f at most", mean, onAverage)
	}
}

// Nodes that move, reboot, or have to live with a flooder or a tight budget.
func TestMishaps(t *testing.T) {
	mishaps := []struct {
		name           string
		change         func(*Config)
		near, reach    float64 // of broadcasts, of direct messages; in percent
		mostHourlyUsed float64
	}{
		{"moving", func(c *Config) { c.Moving = 0.1 }, 96, 94, 10},
		{"rebooting", func(c *Config) { c.Reboot = 0.33 }, 96, 96, 10},
		{"flooder", func(c *Config) { c.Flooder = true }, 80, 80, 10},
		{"one percent", func(c *Config) { c.Duty = 0.01 }, 33, 58, 1},
	}
	for _, mishap := range mishaps {
		t.Run(mishap.name, func(t *testing.T) {
			cfg := config(t, "n20_s2", "ours")
			mishap.change(&cfg)
			row := run(t, cfg)
			cfg.Direct = true
			direct := run(t, cfg)
			if row.ReachNear < mishap.near || direct.Delivered < mishap.reach {
				t.Errorf("reached %.1f %%, delivered %.1f %%; want %.0f and %.0f", row.ReachNear, direct.Delivered, mishap.near, mishap.reach)
			}
			for _, r := range []Row{row, direct} {
				if r.HourlyAirtime > mishap.mostHourlyUsed || r.FalselyFailed != 0 || r.Duplicates != 0 {
					t.Errorf("%.2f %% of an hour, %d falsely failed, %d shown twice", r.HourlyAirtime, r.FalselyFailed, r.Duplicates)
				}
			}
		})
	}
}

func TestSameSeedSameRun(t *testing.T) {
	for _, policy := range []string{"fw28", "ours"} {
		for _, direct := range []bool{false, true} {
			cfg := config(t, "n20_s3", policy)
			cfg.Direct, cfg.Moving, cfg.Reboot = direct, 0.2, 0.2
			a, b := run(t, cfg), run(t, cfg)
			a.Name, b.Name = "", ""
			if !reflect.DeepEqual(withoutNaN(a), withoutNaN(b)) {
				t.Errorf("%s: %+v\nand %+v", policy, a, b)
			}
			cfg.Seed++
			if c := run(t, cfg); c.PerMessage == a.PerMessage {
				t.Errorf("%s: another seed, the same run", policy)
			}
		}
	}
}

// What befalls a network does not depend on what runs on its nodes.
func TestSameMishapsForAll(t *testing.T) {
	type moment struct {
		x, y float64
		off  bool
	}
	fate := func(policy string, duty, loss float64) (all []moment, written [][3]int) {
		cfg := config(t, "n20_s3", policy)
		cfg.Direct, cfg.Redraw, cfg.Moving, cfg.Reboot = true, true, 0.3, 0.5
		cfg.Warmup, cfg.Duty, cfg.Loss = 10*time.Minute, duty, loss
		w := newWorld(cfg)
		for at := time.Duration(0); at < cfg.Warmup+cfg.Duration; at += 10 * time.Second {
			w.agenda.after(at, func() {
				for i := range w.station {
					all = append(all, moment{w.mobile.x[i], w.mobile.y[i], w.air.radios[i].off})
				}
			})
		}
		w.agenda.run(cfg.Warmup + cfg.Duration)
		for _, m := range w.messages {
			written = append(written, [3]int{int(m.at), m.from, m.to})
		}
		return all, written
	}
	want, texts := fate("ours", 0.1, 0)
	moved, off := false, false
	for i := 20; i < len(want); i++ {
		moved = moved || want[i].x != want[i-20].x
		off = off || want[i].off
	}
	if !moved || !off || len(texts) == 0 {
		t.Fatalf("moved %v, rebooted %v, %d messages: want some of each", moved, off, len(texts))
	}
	for _, other := range []struct {
		policy     string
		duty, loss float64
	}{{"ours", 0.05, 0.1}, {"fw28", 0, 0}, {"oracle", 0.1, 0}} {
		got, said := fate(other.policy, other.duty, other.loss)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(said, texts) {
			t.Errorf("%+v: other moves, reboots or messages", other)
		}
	}
}

// withoutNaN lets rows be compared.
func withoutNaN(r Row) map[string]float64 {
	values := make(map[string]float64)
	for _, c := range columns {
		if v := c.value(&r); !math.IsNaN(v) {
			values[c.title] = v
		}
	}
	return values
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"policy":   func(c *Config) { c.Policy = "best" },
		"period":   func(c *Config) { c.Period = 0 },
		"duration": func(c *Config) { c.Duration = -1 },
	} {
		cfg := config(t, "n20_s1", "ours")
		change(&cfg)
		if _, err := Run(cfg); err == nil {
			t.Errorf("a bad %s is taken", name)
		}
	}
}
