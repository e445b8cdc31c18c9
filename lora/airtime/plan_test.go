package airtime

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// newPlan is a plan for the European bands, in use.
func newPlan(t *testing.T, limit float64, s Settings) *Plan {
	t.Helper()
	region, err := RegionByName("EU868")
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlan(region, limit)
	if err := p.Use(s); err != nil {
		t.Fatal(err)
	}
	return p
}

// fill sends packets of 100 ms until a class has to wait.
func fill(t *testing.T, p *Plan, now time.Time, class Class) {
	t.Helper()
	one := Transmission{Airtime: 100 * time.Millisecond, Class: class, Origin: 1}
	for range 100_000 {
		wait, err := p.Allow(now, one)
		if err != nil {
			t.Fatal(err)
		}
		if wait > 0 {
			return
		}
		p.Record(now, one)
	}
	t.Fatal("never has to wait")
}

// The less important stop first, each at its share, and what they leave is
// there for the more important.
func TestPlanPriorities(t *testing.T) {
	p := newPlan(t, 0, settings(868.3, 125_000, 9, 14)) // 36 s an hour
	now := start()
	if p.Budget() != 36*time.Second {
		t.Fatalf("Budget() = %v, want 36s", p.Budget())
	}
	for _, step := range []struct {
		name  string
		class Class
		used  time.Duration
	}{
		{"beacon", ClassBeacon, 18_000 * time.Millisecond},
		{"repair", ClassRepair, 28_800 * time.Millisecond},
		{"channel", ClassChannel, 30_600 * time.Millisecond},
		{"direct", ClassDirect, 32_400 * time.Millisecond},
		{"acknowledgement", ClassAck, 36_000 * time.Millisecond},
	} {
		fill(t, p, now, step.class)
		if used := p.Used(now); used > step.used || used <= step.used-100*time.Millisecond {
			t.Errorf("%s waits at %v, want %v", step.name, used, step.used)
		}
	}
	// All are freed with the hour, in the order of their importance.
	one := Transmission{Airtime: 100 * time.Millisecond, Origin: 1}
	if wait, err := p.Allow(now, one); err != nil || wait != Window+slotLength {
		t.Errorf("Allow() = %v, %v, want a wait of %v", wait, err, Window+slotLength)
	}
	if wait, err := p.Allow(now.Add(Window+slotLength), one); wait != 0 || err != nil {
		t.Errorf("Allow() an hour later = %v, %v", wait, err)
	}
}

// A node that has used up the share of beacons with other things still sends
// one now and then.
func TestPlanBeaconFloor(t *testing.T) {
	p := newPlan(t, 0, settings(868.3, 125_000, 9, 14))
	now := start()
	fill(t, p, now, ClassDirect)
	before := p.Used(now)
	fill(t, p, now, ClassBeacon)
	if got, want := p.Used(now)-before, 1080*time.Millisecond; got > want || got <= want-100*time.Millisecond {
		t.Errorf("beacons of %v beyond their share, want 3 %% of 36 s: %v", got, want)
	}
	fill(t, p, now, ClassAck)
	if wait, err := p.Allow(now.Add(time.Hour/2), Transmission{Airtime: 100 * time.Millisecond, Class: ClassBeacon}); err != nil || wait == 0 {
		t.Errorf("beacon allowed beyond the whole budget: %v, %v", wait, err)
	}
}

// Retuning does not open a new account: every band keeps its hour, and rules
// for the same spectrum share it.
func TestPlanBands(t *testing.T) {
	m, strong, weak := settings(868.3, 125_000, 9, 14), settings(869.85, 125_000, 9, 14), settings(869.85, 125_000, 9, 7)
	p := newPlan(t, 0, m)
	now := start()
	fill(t, p, now, ClassAck)
	use := func(s Settings) time.Duration {
		t.Helper()
		if err := p.Use(s); err != nil {
			t.Fatal(err)
		}
		wait, err := p.Allow(now, Transmission{Airtime: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return wait
	}
	if wait := use(weak); wait != 0 {
		t.Errorf("R, 5 mW after M was used up: wait %v, want 0", wait)
	}
	p.Record(now, Transmission{Airtime: 20 * time.Minute})
	if wait := use(strong); wait == 0 {
		t.Error("R, 25 mW after 20 minutes in R, 5 mW: want a wait")
	}
	if wait := use(m); wait == 0 {
		t.Error("M again: want a wait")
	}
	if err := p.Use(settings(915, 125_000, 9, 14)); !errors.Is(err, ErrForbidden) {
		t.Errorf("Use() = %v, want ErrForbidden", err)
	}
	if band, ok := p.Band(); !ok || band.Name != "EU868 M" {
		t.Errorf("after a refused Use the band is %q", band.Name)
	}
}

func TestPlanForbids(t *testing.T) {
	idle := NewPlan(Regions()[0], 0)
	if _, err := idle.Allow(start(), Transmission{}); !errors.Is(err, ErrForbidden) {
		t.Errorf("Allow before Use = %v, want ErrForbidden", err)
	}
	idle.Record(start(), Transmission{Airtime: time.Second})
	if idle.Used(start()) != 0 || idle.Budget() != 0 {
		t.Errorf("Used, Budget before Use = %v, %v", idle.Used(start()), idle.Budget())
	}
	p := newPlan(t, 0, settings(864, 125_000, 9, 14)) // 3.6 s an hour
	tests := []struct {
		name string
		t    Transmission
		ok   bool
	}{
		{"as long as the budget", Transmission{Airtime: 3600 * time.Millisecond}, true},
		{"longer than the budget", Transmission{Airtime: 3601 * time.Millisecond}, false},
		{"longer than the share of the class", Transmission{Airtime: 3061 * time.Millisecond, Class: ClassChannel}, false},
		{"no class", Transmission{Class: -1}, false},
		{"class beyond", Transmission{Class: classCount}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if wait, err := p.Allow(start(), test.t); wait != 0 || (err == nil) != test.ok || err != nil && !errors.Is(err, ErrForbidden) {
				t.Errorf("Allow() = %v, %v, want ok %v", wait, err, test.ok)
			}
		})
	}
}

func TestPlanOwnLimit(t *testing.T) {
	at := settings(869.525, 250_000, 9, 14)
	if p := newPlan(t, 0.01, at); p.Budget() != 36*time.Second {
		t.Errorf("10 %% limited to 1 %%: %v an hour, want 36s", p.Budget())
	}
	if p := newPlan(t, 0.5, at); p.Budget() != 6*time.Minute {
		t.Errorf("10 %% limited to 50 %%: %v an hour, want 6m", p.Budget())
	}
}

// While the air is busy, a flooder gets its share and nobody is hurt by it;
// while it is not, everyone may use what there is.
func TestPlanFairShare(t *testing.T) {
	const one = 200 * time.Millisecond
	run := func(busy float64, origins func(i int) uint32) (sent map[uint32]int) {
		p := newPlan(t, 0, settings(869.525, 250_000, 9, 14)) // 360 s an hour
		p.SetBusy(busy)
		sent = make(map[uint32]int)
		now := start()
		for i := range 10 * 600 { // ten a second for ten minutes
			now = now.Add(100 * time.Millisecond)
			list := []uint32{origins(i)}
			if i%300 == 0 {
				list = append(list, 1, 2, 3) // and three others one in 30 s
			}
			for _, origin := range list {
				packet := Transmission{Airtime: one, Class: ClassChannel, Origin: origin}
				wait, err := p.Allow(now, packet)
				if err != nil {
					t.Fatal(err)
				}
				if wait == 0 {
					p.Record(now, packet)
					sent[origin]++
				}
			}
		}
		return sent
	}
	flooder := func(int) uint32 { return 99 }

	sent := run(0.2, flooder)
	if sent[99] < 1200 {
		t.Errorf("in quiet air an origin got %d packets, want all that the law leaves", sent[99])
	}
	sent = run(0.5, flooder)
	// Eight times what each of the others had, and what faded meanwhile.
	if sent[99] < 100 || sent[99] > fairExcess*20+15 {
		t.Errorf("in busy air the flooder got %d packets, want its share", sent[99])
	}
	for origin := uint32(1); origin <= 3; origin++ {
		if sent[origin] != 20 {
			t.Errorf("origin %d got %d packets of 20", origin, sent[origin])
		}
	}
	// One that invents a sender for every packet, whom the caller does not know.
	if sent = run(0.5, func(int) uint32 { return Stranger }); sent[Stranger] > fairExcess*20+15 || sent[1] != 20 {
		t.Errorf("strangers got %d packets, a known origin %d of 20", sent[Stranger], sent[1])
	}
}

func TestFairShareWait(t *testing.T) {
	p := newPlan(t, 0, settings(869.525, 250_000, 9, 14))
	p.SetBusy(1)
	now := start()
	packet := Transmission{Airtime: time.Second, Class: ClassDirect, Origin: 5}
	for range 60 {
		p.Record(now, packet)
	}
	wait, err := p.Allow(now, packet)
	if err != nil || wait == 0 {
		t.Fatalf("Allow() = %v, %v, want a wait", wait, err)
	}
	if again, _ := p.Allow(now.Add(wait-time.Second), packet); again == 0 {
		t.Error("allowed a second before the wait is over")
	}
	if again, _ := p.Allow(now.Add(wait), packet); again != 0 {
		t.Errorf("after the wait another %v", again)
	}
	for _, class := range []Class{ClassAck, ClassBeacon} {
		packet.Class = class
		if wait, _ := p.Allow(now, packet); wait != 0 {
			t.Errorf("class %d waits %v for a fair share", class, wait)
		}
	}
	// What is old has faded, what is new counts in full.
	for range 60 {
		packet.Class = ClassDirect
		p.Record(now.Add(time.Hour), packet)
	}
	if later, _ := p.Allow(now.Add(time.Hour), packet); later < wait-time.Second || later > wait+10*time.Second {
		t.Errorf("the same again an hour later: a wait of %v, at first %v", later, wait)
	}
	other := Transmission{Airtime: time.Second, Class: ClassDirect, Origin: 6}
	if wait, _ := p.Allow(now, other); wait != 0 {
		t.Errorf("another origin waits %v", wait)
	}
}

// Messages to one node wait later than those to everyone: a node at the edge writes
// most of what it sends.
func TestFairShareOfDirect(t *testing.T) {
	for class, want := range map[Class]int{ClassChannel: fairFirst, ClassDirect: fairDirect} {
		p := newPlan(t, 0, settings(869.525, 250_000, 9, 14))
		p.SetBusy(1)
		now := start()
		for origin := range uint32(100) { // too many for a share worth the name
			p.Record(now, Transmission{Airtime: 20 * time.Millisecond, Class: class, Origin: origin + 10})
		}
		packet, sent := Transmission{Airtime: time.Second, Class: class, Origin: 5}, 0
		for sent < 100 {
			if wait, err := p.Allow(now, packet); err != nil || wait > 0 {
				break
			}
			p.Record(now, packet)
			sent++
		}
		if sent != want {
			t.Errorf("%d packets of class %d at once, want %d", sent, class, want)
		}
	}
}

func TestFairShareBounded(t *testing.T) {
	var f fairShare
	now := start()
	for i := range uint32(10_000) {
		f.record(now, Transmission{Airtime: time.Second, Class: ClassDirect, Origin: i + 1})
	}
	if len(f.accounts) > maxAccounts+1 {
		t.Errorf("%d accounts, want at most %d and the strangers'", len(f.accounts), maxAccounts)
	}
	if wait := f.allow(now, Transmission{Airtime: time.Second, Class: ClassDirect, Origin: 9_999}, time.Hour); wait == 0 {
		t.Error("an origin beyond the table does not share the strangers' account")
	}
	f.record(now.Add(3*time.Hour), Transmission{Airtime: time.Second, Class: ClassDirect, Origin: 20_000})
	if len(f.accounts) != 1 {
		t.Errorf("%d accounts three hours later, want 1", len(f.accounts))
	}
}

// Whatever is asked for, by any class and origin, over several bands, no hour
// has more than the law allows, and every wait that was given is enough when
// nothing else is sent.
func TestPlanAgainstExact(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	choices := []Settings{settings(868.3, 125_000, 9, 14), settings(869.525, 250_000, 9, 14), settings(869, 125_000, 9, 14)}
	p := newPlan(t, 0, choices[0])
	type sent struct {
		at time.Time
		d  time.Duration
	}
	history := make(map[string][]sent)
	now := start()
	for range 30_000 {
		now = now.Add(time.Duration(random.ExpFloat64() * float64(2*time.Second)))
		if random.IntN(500) == 0 {
			if err := p.Use(choices[random.IntN(len(choices))]); err != nil {
				t.Fatal(err)
			}
		}
		p.SetBusy(random.Float64())
		one := Transmission{
			Airtime: time.Duration(1+random.IntN(1000)) * time.Millisecond,
			Class:   Class(random.IntN(int(classCount))), Origin: uint32(random.IntN(20)),
		}
		wait, err := p.Allow(now, one)
		if err != nil {
			t.Fatal(err)
		}
		if wait > 0 {
			if random.IntN(1000) == 0 {
				now = now.Add(wait)
				if again, err := p.Allow(now, one); again != 0 || err != nil {
					t.Fatalf("after a wait of %v another %v, %v", wait, again, err)
				}
			}
			continue
		}
		p.Record(now, one)
		band, _ := p.Band()
		list := append(history[band.Name], sent{now, one.Airtime})
		for now.Sub(list[0].at) >= Window {
			list = list[1:]
		}
		history[band.Name] = list
		sum := time.Duration(0)
		for _, s := range list {
			sum += s.d
		}
		if budget := time.Duration(band.DutyCycle * float64(Window)); sum > budget {
			t.Fatalf("%v within an hour in %s, want at most %v", sum, band.Name, budget)
		}
	}
}
