package lora

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"time"
)

// uptime is how long the machine has been up since a start of it: by a clock that
// nobody sets and that goes on while the machine sleeps. The zero uptime is that of
// a machine that does not tell.
type uptime struct {
	boot [16]byte // of this start
	up   time.Duration
}

// readUptime asks Linux: proc(5).
func readUptime() (u uptime) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return uptime{}
	}
	if n, err := hex.Decode(u.boot[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(id)), "-", ""))); n != len(u.boot) || err != nil {
		return uptime{}
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return uptime{}
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil || !(seconds >= 0 && seconds < century.Seconds()) {
		return uptime{}
	}
	u.up = time.Duration(seconds * float64(time.Second))
	return u
}

// moment is when something was kept: what the calendar said, which anyone may set,
// and the uptime.
type moment struct {
	calendar time.Time
	uptime
}

const momentSize = 8 + 8 + 16

// since is how much time has passed since an earlier moment for sure. Within one
// start of the machine its uptime tells. Over a restart no more is sure than that the
// machine has been up since; and by the calendar it may be less, when the store has
// come from another machine.
func (m moment) since(earlier moment) time.Duration {
	if m.boot == earlier.boot && m.boot != [16]byte{} {
		return max(m.up-earlier.up, 0)
	}
	return max(min(m.up, m.calendar.Sub(earlier.calendar)), 0)
}

// append writes the moment: Unix nanoseconds, nanoseconds up, start.
func (m moment) append(to []byte) []byte {
	to = binary.BigEndian.AppendUint64(to, uint64(m.calendar.UnixNano()))
	to = binary.BigEndian.AppendUint64(to, uint64(m.up))
	return append(to, m.boot[:]...)
}

// cutMoment reads what append wrote, and returns the rest. Before there were
// uptimes JSON followed the calendar's time.
func cutMoment(b []byte) (m moment, rest []byte, ok bool) {
	if len(b) < 8 {
		return m, nil, false
	}
	m.calendar = time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	if len(b) > 8 && b[8] == '[' {
		return m, b[8:], true
	}
	if len(b) < momentSize {
		return m, nil, false
	}
	m.up = time.Duration(binary.BigEndian.Uint64(b[8:]))
	copy(m.boot[:], b[16:])
	return m, b[momentSize:], true
}
