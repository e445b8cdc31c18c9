package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is a span of the day, on some days of the week, in local time. The
// zero value is never.
type Schedule struct {
	days     [7]bool       // on which a span begins; by time.Weekday
	from, to time.Duration // since midnight; to is after from, beyond 24 h when it ends the next day
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseSchedule reads "08:00-18:00" (every day), "mon-fri 08:00-18:00" or
// "sat,sun 22:00-06:00", where a span that ends before it begins ends on the
// next day. "" is never. The error says what is wrong.
func ParseSchedule(text string) (s Schedule, err error) {
	words := strings.Fields(strings.ToLower(text))
	switch len(words) {
	case 0:
		return s, nil
	case 1:
		s.days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		if s.days, err = parseDays(words[0]); err != nil {
			return Schedule{}, err
		}
	default:
		return s, fmt.Errorf("schedule %q: want DAYS HH:MM-HH:MM, such as mon-fri 08:00-18:00", text)
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	if !ok {
		return Schedule{}, fmt.Errorf("schedule %q: want a span HH:MM-HH:MM", text)
	}
	if s.from, err = parseClock(from); err == nil {
		s.to, err = parseClock(to)
	}
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", text, err)
	}
	if s.to <= s.from {
		s.to += 24 * time.Hour
	}
	return s, nil
}

func parseDays(list string) (days [7]bool, err error) {
	for _, span := range strings.Split(list, ",") {
		first, last, isSpan := strings.Cut(span, "-")
		from, ok := weekday(first)
		to := from
		if isSpan && ok {
			to, ok = weekday(last)
		}
		if !ok {
			return days, fmt.Errorf("schedule: %q is no day of the week: use sun mon tue wed thu fri sat", span)
		}
		for day := from; ; day = (day + 1) % 7 {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, nil
}

func weekday(name string) (int, bool) {
	for i, known := range weekdays {
		if name == known {
			return i, true
		}
	}
	return 0, false
}

func parseClock(text string) (time.Duration, error) {
	hours, minutes, ok := strings.Cut(text, ":")
	h, herr := strconv.ParseUint(hours, 10, 8)
	m, merr := strconv.ParseUint(minutes, 10, 8)
	if !ok || herr != nil || merr != nil || len(minutes) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is no time of day: want HH:MM", text)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}

// Active reports whether now is within a span.
func (s Schedule) Active(now time.Time) bool {
	for _, begin := range []time.Time{now, now.AddDate(0, 0, -1)} { // today's, and yesterday's that goes on
		if !s.days[begin.Weekday()] {
			continue
		}
		from, to := at(begin, s.from), at(begin, s.to)
		if !now.Before(from) && now.Before(to) {
			return true
		}
	}
	return false
}

// at is a time of the day that day is in. Wall clock: it survives the switch
// to summer time.
func at(day time.Time, since time.Duration) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, int(since/time.Minute), 0, 0, day.Location())
}

// String is what ParseSchedule reads.
func (s Schedule) String() string {
	var days []string
	for i := range 7 {
		if day := (i + 1) % 7; s.days[day] { // the week begins on Monday
			days = append(days, weekdays[day])
		}
	}
	if len(days) == 0 {
		return ""
	}
	clock := func(d time.Duration) string {
		return fmt.Sprintf("%02d:%02d", int(d/time.Hour)%24, int(d/time.Minute)%60)
	}
	span := clock(s.from) + "-" + clock(s.to)
	if len(days) == 7 {
		return span
	}
	return strings.Join(days, ",") + " " + span
}
