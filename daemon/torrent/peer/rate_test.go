package peer

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	type step struct {
		after time.Duration
		total int64
	}
	repeat := func(n int, per int64) (steps []step) {
		for i := range n {
			steps = append(steps, step{time.Second, int64(i+1) * per})
		}
		return steps
	}
	idle := func(n int, total int64) (steps []step) {
		for range n {
			steps = append(steps, step{time.Second, total})
		}
		return steps
	}
	cases := []struct {
		name     string
		steps    []step
		min, max int64
	}{
		{"nothing yet", nil, 0, 0},
		{"first second counts in full", []step{{time.Second, 1000}}, 1000, 1000},
		{"half a second", []step{{time.Second / 2, 1000}}, 2000, 2000},
		{"even", repeat(20, 500), 499, 501},
		{"no time passed", []step{{time.Second, 1000}, {0, 9000}}, 1000, 1000},
		{"clock went back", []step{{time.Second, 1000}, {-time.Hour, 9000}}, 1000, 1000},
		{"stopped for a second", append(repeat(10, 900), step{time.Second, 9000}), 550, 650},
		{"stopped for a minute", append(repeat(10, 900), idle(60, 9000)...), 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var m Meter
			now := begin
			got := m.Update(0, now)
			for _, s := range c.steps {
				now = now.Add(s.after)
				got = m.Update(s.total, now)
			}
			if got < c.min || got > c.max {
				t.Errorf("%d bytes per second, not %d to %d", got, c.min, c.max)
			}
		})
	}
}
