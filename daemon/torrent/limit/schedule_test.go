package limit

import (
	"strings"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	day := func(text string) time.Time { // 2026-03-02 is a Monday
		at, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		schedule, canonical string
		active, passive     []string
	}{
		{"", "", nil, []string{"2026-03-02 12:00:00"}},
		{"08:00-18:00", "08:00-18:00", []string{"2026-03-02 08:00:00", "2026-03-08 17:59:59"}, []string{"2026-03-02 07:59:59", "2026-03-02 18:00:00"}},
		{"Mon-Fri 8:00-18:00", "mon,tue,wed,thu,fri 08:00-18:00", []string{"2026-03-06 10:00:00"}, []string{"2026-03-07 10:00:00", "2026-03-01 10:00:00"}},
		{"sat,sun 22:00-06:00", "sat,sun 22:00-06:00",
			[]string{"2026-03-07 23:00:00", "2026-03-08 05:59:59", "2026-03-09 05:00:00"},
			[]string{"2026-03-06 23:00:00", "2026-03-07 05:00:00", "2026-03-09 06:00:00", "2026-03-09 23:00:00"}},
		{"fri-mon 00:00-24:00", "mon,fri,sat,sun 00:00-00:00", []string{"2026-03-06 00:00:00", "2026-03-09 23:59:59"}, []string{"2026-03-10 00:00:00", "2026-03-05 23:59:59"}},
		{"00:00-00:00", "00:00-00:00", []string{"2026-03-06 00:00:00", "2026-03-09 23:59:59"}, nil},
	} {
		s, err := ParseSchedule(c.schedule)
		if err != nil {
			t.Errorf("%q: %v", c.schedule, err)
			continue
		}
		if s.String() != c.canonical {
			t.Errorf("%q is %q, want %q", c.schedule, s, c.canonical)
		}
		if again, err := ParseSchedule(s.String()); err != nil || again != s {
			t.Errorf("%q read again: %v %v", s, again, err)
		}
		for _, at := range c.active {
			if !s.Active(day(at)) {
				t.Errorf("%q is not active at %s", c.schedule, at)
			}
		}
		for _, at := range c.passive {
			if s.Active(day(at)) {
				t.Errorf("%q is active at %s", c.schedule, at)
			}
		}
	}
}

// On the day that is an hour short, the wall clock counts.
func TestScheduleInSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := ParseSchedule("08:00-18:00")
	for hour, want := range map[int]bool{7: false, 8: true, 17: true, 18: false} {
		if got := s.Active(time.Date(2026, 3, 29, hour, 30, 0, 0, berlin)); got != want {
			t.Errorf("at %d:30: %v", hour, got)
		}
	}
}

func TestBadSchedule(t *testing.T) {
	for text, says := range map[string]string{
		"8-18":                "no time of day",
		"08:00":               "span",
		"08:00-25:00":         `"25:00"`,
		"08:0-18:00":          `"08:0"`,
		"08:60-18:00":         `"08:60"`,
		"24:01-18:00":         `"24:01"`,
		"-1:00-18:00":         "no time of day",
		"monday 08:00-18:00":  `"monday"`,
		"mon-x 08:00-18:00":   `"mon-x"`,
		"mon, 08:00-18:00":    "no day",
		"mon tue 08:00-18:00": "DAYS",
	} {
		if _, err := ParseSchedule(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want an error saying %q", text, err, says)
		}
	}
}
