package main

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"lorrent/rpc"
)

// replacement stands for a character that must not reach the terminal.
const replacement = '\uFFFD'

// sanitise makes text from the network safe to print on one line. Tabs and
// line ends become spaces; every other control character, C1 included,
// invalid UTF-8 and the marks that reorder text become U+FFFD, so that a name
// can neither drive the terminal nor pass for another.
func sanitise(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r == '\u2028', r == '\u2029':
			return ' '
		case unsafeRune(r):
			return replacement
		}
		return r
	}, strings.ToValidUTF8(s, string(replacement)))
}

// unsafeRune says that a terminal may obey r instead of showing it.
func unsafeRune(r rune) bool {
	switch {
	case unicode.IsControl(r): // C0, DEL and C1
		return true
	case r == '\u061C', r == '\u200E', r == '\u200F', '\u202A' <= r && r <= '\u202E', '\u2066' <= r && r <= '\u2069':
		return true // directions
	case r == '\u2028', r == '\u2029', r == '\uFEFF', 0xE0000 <= r && r <= 0xE007F:
		return true // separators, byte order mark, invisible tags
	}
	return false
}

// runeWidth is the number of cells a terminal gives to r.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	// Wide and Fullwidth in Unicode's EastAsianWidth.txt, by block.
	case 0x1100 <= r && r <= 0x115F, 0x2E80 <= r && r <= 0x303E, 0x3041 <= r && r <= 0xA4CF && r != 0x303F,
		0xA960 <= r && r <= 0xA97C, 0xAC00 <= r && r <= 0xD7A3, 0xF900 <= r && r <= 0xFAFF,
		0xFE30 <= r && r <= 0xFE6F, 0xFF01 <= r && r <= 0xFF60, 0xFFE0 <= r && r <= 0xFFE6,
		0x1F300 <= r && r <= 0x1F64F, 0x1F680 <= r && r <= 0x1F6FF, 0x1F900 <= r && r <= 0x1FAFF,
		0x20000 <= r && r <= 0x3FFFD:
		return 2
	}
	return 1
}

func textWidth(s string) int {
	width := 0
	for _, r := range s {
		width += runeWidth(r)
	}
	return width
}

// cut shortens s to width cells, the last of them "…" when something is lost.
func cut(s string, width int) string {
	if textWidth(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	used := 0
	for i, r := range s {
		if used+runeWidth(r) > width-1 {
			return s[:i] + "…"
		}
		used += runeWidth(r)
	}
	return s
}

// bytesText is a size, "-" when unknown.
func bytesText(n int64) string {
	if n < 0 {
		return "-"
	}
	return humanize.IBytes(uint64(n))
}

// rateText is a rate, "-" when nothing moves.
func rateText(n int64) string {
	if n <= 0 {
		return "-"
	}
	return bytesText(n) + "/s"
}

// percentText rounds down: 100 % means every byte.
func percentText(part, whole int64) string {
	if whole <= 0 || part < 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", math.Floor(float64(part)/float64(whole)*1000)/10)
}

// durationText is a time span in its two largest units: "3d04h", "1m02s".
func durationText(d time.Duration) string {
	d = max(d.Truncate(time.Second), 0)
	pair := func(big, small time.Duration, format string) string {
		return fmt.Sprintf(format, int64(d/big), int64(d%big/small))
	}
	switch {
	case d >= 24*time.Hour:
		return pair(24*time.Hour, time.Hour, "%dd%02dh")
	case d >= time.Hour:
		return pair(time.Hour, time.Minute, "%dh%02dm")
	case d >= time.Minute:
		return pair(time.Minute, time.Second, "%dm%02ds")
	}
	return fmt.Sprintf("%ds", int64(d/time.Second))
}

// maxETASeconds is the longest forecast worth showing.
const maxETASeconds = 365 * 24 * 3600

func etaText(seconds int64) string {
	if seconds < 0 || seconds > maxETASeconds {
		return "-"
	}
	return durationText(time.Duration(seconds) * time.Second)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func optionalTimeText(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return timeText(*t)
}

func agoText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return durationText(time.Since(t)) + " ago"
}

// ratioText is uploaded over size, as people compare seeding.
func ratioText(t rpc.Torrent) string {
	if t.TotalBytes <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratio(t))
}

func ratio(t rpc.Torrent) float64 {
	if t.TotalBytes <= 0 {
		return 0
	}
	return float64(t.UploadedBytes) / float64(t.TotalBytes)
}

// plural is "1 peer", "2 peers".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
