package lora

import (
	"context"
	"sync"
	"testing"
	"time"

	"lorrent/lora/ether"
	"lorrent/lora/modem"
)

func TestReadUptime(t *testing.T) {
	a := readUptime()
	if a.boot == [16]byte{} || a.up <= 0 {
		t.Fatalf("%+v: this machine does not tell", a)
	}
	if b := readUptime(); b.boot != a.boot || b.up < a.up || b.up > a.up+time.Hour {
		t.Errorf("%+v after %+v", b, a)
	}
}

func TestMomentSince(t *testing.T) {
	noon := time.Unix(1_700_000_000, 0)
	at := func(calendar time.Duration, boot byte, up time.Duration) moment {
		return moment{noon.Add(calendar), uptime{[16]byte{boot}, up}}
	}
	for _, test := range []struct {
		name    string
		earlier moment
		now     moment
		want    time.Duration
	}{
		{"nothing happened", at(0, 1, time.Hour), at(5*time.Minute, 1, time.Hour+5*time.Minute), 5 * time.Minute},
		{"the calendar jumped ahead", at(0, 1, time.Hour), at(3*time.Hour, 1, time.Hour+time.Minute), time.Minute},
		{"the calendar jumped back", at(0, 1, time.Hour), at(-3*time.Hour, 1, time.Hour+time.Minute), time.Minute},
		{"the uptime of a container begins anew", at(0, 1, time.Hour), at(time.Minute, 1, time.Minute), 0},
		{"the machine was started anew", at(0, 1, 5*time.Hour), at(20*time.Minute, 2, 3*time.Minute), 3 * time.Minute},
		{"started anew, and jumped ahead", at(0, 1, 5*time.Hour), at(100*time.Hour, 2, 3*time.Minute), 3 * time.Minute},
		{"started anew without a calendar", at(0, 1, 5*time.Hour), at(-400_000*time.Hour, 2, 3*time.Minute), 0},
		{"the store came from another machine", at(0, 1, 5*time.Hour), at(4*time.Minute, 2, 900*time.Hour), 4 * time.Minute},
		{"no machine tells", at(0, 0, 0), at(3*time.Hour, 0, 0), 0},
		{"kept before there were uptimes", at(0, 0, 0), at(3*time.Hour, 1, 30*time.Minute), 30 * time.Minute},
	} {
		if got := test.now.since(test.earlier); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if m, rest, ok := cutMoment(append(test.now.append(nil), "[]"...)); !ok || string(rest) != "[]" || !m.calendar.Equal(test.now.calendar) || m.uptime != test.now.uptime {
			t.Errorf("%s: %v is read as %v, %q", test.name, test.now, m, rest)
		}
	}
	old := at(0, 0, 0).append(nil)[:8]
	if m, rest, ok := cutMoment(append(old, "[]"...)); !ok || !m.calendar.Equal(noon) || m.uptime != (uptime{}) || string(rest) != "[]" {
		t.Errorf("the form of before is read as %v, %q, %v", m, rest, ok)
	}
	for n := range momentSize {
		if _, _, ok := cutMoment(make([]byte, n)); ok {
			t.Errorf("read from %d bytes", n)
		}
	}
}

// machine is a clock of the world that tests set.
type machine struct {
	began time.Time
	ahead time.Duration // of the calendar
	boot  byte
	up    time.Duration // at began
}

func (m *machine) moment() moment {
	passed := time.Since(m.began)
	return moment{m.began.Add(passed + m.ahead).Round(0), uptime{[16]byte{m.boot}, m.up + passed}}
}

// meter notes what really goes on the air, over all lives of a station.
type meter struct {
	mu   sync.Mutex
	sent []onAir
}

type onAir struct {
	end time.Time
	d   time.Duration
}

func (m *meter) listen(s *station, air *ether.Air) {
	s.open = func(context.Context) (modem.Modem, func(context.Context), error) {
		return metered{air.Join("sim", ether.Position{}), m, s.cfg.Settings}, nil, nil
	}
}

type metered struct {
	*ether.Port
	meter    *meter
	settings modem.Radio
}

func (p metered) Send(ctx context.Context, packet []byte) error {
	err := p.Port.Send(ctx, packet)
	if err == nil {
		p.meter.mu.Lock()
		p.meter.sent = append(p.meter.sent, onAir{time.Now(), ether.TimeOnAir(p.settings, len(packet))})
		p.meter.mu.Unlock()
	}
	return err
}

// hourly is the most in any hour.
func (m *meter) hourly() (most time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, first := range m.sent {
		var sum time.Duration
		for _, s := range m.sent[i:] {
			if s.end.Sub(first.end) < time.Hour {
				sum += s.d
			}
		}
		most = max(most, sum)
	}
	return most
}

// Whatever is done to the clock of the machine, and however often the daemon starts,
// no hour has more airtime than is allowed.
func TestAirtimeOverClockJumps(t *testing.T) {
	const limit = 0.01
	for _, test := range []struct {
		name    string
		restart bool
		change  func(*machine)
	}{
		{"ahead across a restart", true, func(m *machine) { m.ahead += 2 * time.Hour }},
		{"back across a restart", true, func(m *machine) { m.ahead -= 2 * time.Hour }},
		{"ahead across a start of the machine", true, func(m *machine) { m.ahead += 2 * time.Hour; m.boot++; m.up = -time.Since(m.began) }},
		{"ahead while it runs", false, func(m *machine) { m.ahead += 2 * time.Hour }},
		{"back while it runs", false, func(m *machine) { m.ahead -= 2 * time.Hour }},
	} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				air := ether.NewAir(ether.Config{Seed: 1})
				world := &machine{began: time.Now(), boot: 1, up: time.Hour}
				change := func(c *Config) { c.DutyLimit, c.moment = limit, world.moment }
				s := newStation(t, air, change)
				var log meter
				log.listen(s, air)
				s.run()
				for jump := range 6 {
					for n := range 40 {
						s.send(Broadcast, longText(200+n))
					}
					time.Sleep(15 * time.Minute)
					if used := s.Status().AirtimeUsed; jump == 0 && used < 15*time.Second {
						t.Fatalf("%v used: it is not short of airtime", used)
					}
					if !test.restart {
						test.change(world)
						continue
					}
					s.halt()
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					test.change(world) // while nothing runs
					s = stationOn(t, s.cfg.Store, s.path, air, change)
					log.listen(s, air)
					s.run()
				}
				s.halt()
				if most := log.hourly(); most > time.Duration(limit*float64(time.Hour)) || most < 25*time.Second {
					t.Errorf("%v on the air within an hour, allowed %v", most, time.Duration(limit*float64(time.Hour)))
				}
			})
		})
	}
}
