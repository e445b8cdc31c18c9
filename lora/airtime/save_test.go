package airtime

import (
	"testing"
	"time"
)

func TestSaveAndLoad(t *testing.T) {
	settings := Settings{Params: Params{BandwidthHz: 250_000, SpreadingFactor: 9, CodingRate: 5, PreambleSymbols: 16}, FrequencyHz: 869_525_000, TxPowerDBm: 14}
	region, err := RegionByName("EU868")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Unix(1_700_000_000, 0)
	newPlan := func() *Plan {
		p := NewPlan(region, 0)
		if err := p.Use(settings); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := newPlan()
	for minute := range 60 {
		p.Record(begin.Add(time.Duration(minute)*time.Minute), Transmission{Airtime: time.Second, Class: Class(minute % 5)})
	}
	now := begin.Add(time.Hour)
	saved, err := p.Save(now, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, passed := range []time.Duration{-time.Hour, 0, 7 * time.Minute, 50 * time.Minute, 2 * time.Hour} {
		later := begin.Add(100 * time.Hour) // by another clock
		q := newPlan()
		if err := q.Load(later, passed, saved); err != nil {
			t.Fatal(err)
		}
		// What the plan that lived on would count, and what was reserved.
		want := p.Used(now.Add(max(passed, 0))) + 5*time.Second
		if passed > Window {
			want = 0
		}
		if got := q.Used(later); got < want || got > want+2*time.Second {
			t.Errorf("after %v: %v used, want %v or a little more", passed, got, want)
		}
		if passed < Window/2 {
			if got := q.books[q.band].classes[ClassBeacon].Used(later); got == 0 {
				t.Errorf("after %v nothing is known of beacons", passed)
			}
		}
	}
	q := newPlan()
	for _, bad := range []string{"", "{", `{"band":1}`} {
		if err := q.Load(now, 0, []byte(bad)); err == nil {
			t.Errorf("loaded %q", bad)
		}
	}
	for _, odd := range []string{`[{"band":"Mars","used":1000000000}]`, `[{"band":"EU868 P","class":77,"used":1000000000}]`,
		`[{"band":"EU868 P","used":-5}]`, `[{"band":"EU868 P","used":9000000000000000000}]`, `[{"band":"EU868 P","age":-9000000000000000000,"used":0}]`} {
		if err := q.Load(now, 0, []byte(odd)); err != nil || q.Used(now) != 0 {
			t.Errorf("%s: %v, %v used", odd, err, q.Used(now))
		}
	}
}
