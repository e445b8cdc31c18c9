package airtime

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func TestLedgerLimit(t *testing.T) {
	tests := []struct {
		name   string
		limit  float64
		budget time.Duration
	}{
		{"ten percent", 0.1, 6 * time.Minute},
		{"one per mille", 0.001, 3600 * time.Millisecond},
		{"no limit", 1, time.Hour},
		{"more than all", 3, time.Hour},
		{"nothing", 0, 0},
		{"negative", -1, 0},
		{"not a number", math.NaN(), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := NewLedger(test.limit)
			if l.Budget() != test.budget {
				t.Fatalf("Budget() = %v, want %v", l.Budget(), test.budget)
			}
			if ok, wait := l.Allow(start(), test.budget); !ok || wait != 0 {
				t.Errorf("Allow(the whole budget) = %v, %v, want true at once", ok, wait)
			}
			if ok, wait := l.Allow(start(), test.budget+1); ok || wait != Never {
				t.Errorf("Allow(more than the budget) = %v, %v, want Never", ok, wait)
			}
		})
	}
}

func TestLedgerWait(t *testing.T) {
	l := NewLedger(0.01) // 36 s
	now := start()
	l.Record(now, 20*time.Second)
	l.Record(now.Add(10*time.Minute), 16*time.Second)

	now = now.Add(20 * time.Minute)
	if used := l.Used(now); used != 36*time.Second {
		t.Fatalf("Used() = %v, want 36s", used)
	}
	ok, wait := l.Allow(now, 5*time.Second)
	if want := 40*time.Minute + slotLength; ok || wait != want {
		t.Fatalf("Allow(5s) = %v, %v, want to wait %v for the first to be freed", ok, wait, want)
	}
	if ok, _ := l.Allow(now.Add(wait-1), 5*time.Second); ok {
		t.Error("allowed a nanosecond before the wait was over")
	}
	if ok, _ := l.Allow(now.Add(wait), 5*time.Second); !ok {
		t.Error("not allowed after the wait")
	}
	ok, wait = l.Allow(now.Add(wait), 21*time.Second)
	if want := 10 * time.Minute; ok || wait != want {
		t.Errorf("Allow(21s) = %v, %v, want to wait %v for the second to be freed", ok, wait, want)
	}
	if used := l.Used(now.Add(24 * time.Hour)); used != 0 {
		t.Errorf("Used() a day later = %v, want 0", used)
	}
}

func TestLedgerTimeBackwards(t *testing.T) {
	l := NewLedger(0.01)
	l.Record(start().Add(time.Hour), 10*time.Second)
	l.Record(start().Add(3*time.Hour), 36*time.Second)
	l.Record(start(), time.Second)
	if used := l.Used(start()); used != 37*time.Second {
		t.Errorf("Used() after a step back = %v, want 37s", used)
	}
	if ok, wait := l.Allow(start(), time.Second); ok || wait <= 0 {
		t.Errorf("Allow() after a step back = %v, %v, want a wait", ok, wait)
	}
	l.Record(start().Add(4*time.Hour), -time.Minute)
	if used := l.Used(start().Add(4*time.Hour + slotLength)); used != 0 {
		t.Errorf("Used() = %v, want 0: nothing negative is recorded", used)
	}
}

// Against an exact list of transmissions the ledger must never allow more
// than the budget in any hour, never forget early, and never hold on for more
// than a slot.
func TestLedgerAgainstExact(t *testing.T) {
	type sent struct {
		at time.Time
		d  time.Duration
	}
	random := rand.New(rand.NewPCG(1, 2))
	l := NewLedger(0.05)
	var all []sent
	exact := func(now time.Time, window time.Duration) (sum time.Duration) {
		for _, s := range all {
			if now.Sub(s.at) < window {
				sum += s.d
			}
		}
		return sum
	}
	now := start()
	for range 4_000 {
		now = now.Add(time.Duration(random.ExpFloat64() * float64(20*time.Second)))
		d := time.Duration(random.IntN(3000)) * time.Millisecond
		used := l.Used(now)
		if lower, upper := exact(now, Window), exact(now, Window+slotLength); used < lower || used > upper {
			t.Fatalf("Used() = %v, want %v to %v", used, lower, upper)
		}
		ok, wait := l.Allow(now, d)
		if !ok {
			if ok, _ := l.Allow(now, d); ok {
				t.Fatal("Allow changed its mind")
			}
			now = now.Add(wait)
			if ok, _ = l.Allow(now, d); !ok {
				t.Fatalf("still not allowed after a wait of %v", wait)
			}
		}
		l.Record(now, d)
		all = append(all, sent{now, d})
		if got := exact(now, Window); got > l.Budget() {
			t.Fatalf("%v within an hour, budget %v", got, l.Budget())
		}
		for len(all) > 0 && now.Sub(all[0].at) > 2*Window {
			all = all[1:]
		}
	}
}
