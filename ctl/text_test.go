package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSanitise(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain", "Übung 本 🙂.iso", "Übung 本 🙂.iso"},
		{"clear screen", "a\x1b[2Jb", "a\uFFFD[2Jb"},
		{"window title", "\x1b]0;owned\x07", "\uFFFD]0;owned\uFFFD"},
		{"8-bit CSI", "a\u009b31mb", "a\uFFFD31mb"},
		{"raw 8-bit CSI byte", "a\x9b31mb", "a\uFFFD31mb"},
		{"DEL and backspace", "a\x7f\bb", "a\uFFFD\uFFFDb"},
		{"NUL", "a\x00b", "a\uFFFDb"},
		{"white space", "a\tb\nc\rd\u2028e", "a b c d e"},
		{"right to left override", "gpj.\u202eexe", "gpj.\uFFFDexe"},
		{"isolate", "a\u2066b\u2069", "a\uFFFDb\uFFFD"},
		{"byte order mark and tag", "\uFEFFa\U000E0041", "\uFFFDa\uFFFD"},
		{"joined emoji stays", "👩\u200d🚀", "👩\u200d🚀"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := sanitise(test.in); got != test.want {
				t.Errorf("sanitise(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func FuzzSanitise(f *testing.F) {
	for _, seed := range []string{"", "name", "\x1b[2J", "\u009b", "\xff\xfe", "\u202e", "a\tb\n", "\U000E0041"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean := sanitise(s)
		if !utf8.ValidString(clean) || strings.ContainsFunc(clean, unsafeRune) {
			t.Errorf("sanitise(%q) = %q", s, clean)
		}
		if sanitise(clean) != clean {
			t.Errorf("sanitising %q twice changes it", clean)
		}
		for _, width := range []int{0, 1, 7} {
			if short := cut(clean, width); textWidth(short) > width {
				t.Errorf("cut(%q, %d) = %q", clean, width, short)
			}
		}
		encoded, err := json.Marshal(clean + strings.ToValidUTF8(s, "?"))
		if err != nil {
			t.Fatal(err)
		}
		escaped := escapeUnsafe(string(encoded))
		var before, after string
		if strings.ContainsFunc(escaped, unsafeRune) || json.Unmarshal(encoded, &before) != nil ||
			json.Unmarshal([]byte(escaped), &after) != nil || before != after {
			t.Errorf("escapeUnsafe(%q) = %q", encoded, escaped)
		}
	})
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		name  string
		in    string
		width int
		want  string
	}{
		{"fits", "abc", 3, "abc"},
		{"long", "abcdef", 4, "abc…"},
		{"wide fits", "本本", 4, "本本"},
		{"wide does not split", "本本本", 4, "本…"},
		{"combining mark", "e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
		{"one cell", "abc", 1, "…"},
		{"no cell", "abc", 0, ""},
		{"less than none", "abc", -3, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := cut(test.in, test.width); got != test.want {
				t.Errorf("cut(%q, %d) = %q, want %q", test.in, test.width, got, test.want)
			}
		})
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct{ name, got, want string }{
		{"size", bytesText(1536), "1.5 KiB"},
		{"unknown size", bytesText(-1), "-"},
		{"rate", rateText(3 << 20), "3.0 MiB/s"},
		{"no rate", rateText(0), "-"},
		{"percent", percentText(1, 3), "33.3%"},
		{"almost", percentText(99_999, 100_000), "99.9%"},
		{"all", percentText(7, 7), "100.0%"},
		{"percent of nothing", percentText(0, 0), "-"},
		{"seconds", durationText(59 * time.Second), "59s"},
		{"minutes", durationText(62 * time.Second), "1m02s"},
		{"hours", durationText(2*time.Hour + 3*time.Minute), "2h03m"},
		{"days", durationText(76 * time.Hour), "3d04h"},
		{"past", durationText(-time.Hour), "0s"},
		{"eta", etaText(61), "1m01s"},
		{"no eta", etaText(-1), "-"},
		{"absurd eta", etaText(1 << 40), "-"},
		{"no time", timeText(time.Time{}), "-"},
		{"one", plural(1, "peer"), "1 peer"},
		{"none", plural(0, "peer"), "0 peers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("%q, want %q", test.got, test.want)
			}
		})
	}
}

func TestPieceBar(t *testing.T) {
	for _, test := range []struct {
		name     string
		bitfield []byte
		n, width int
		want     string
	}{
		{"a cell for each", []byte{0b10100000}, 4, 10, "█·█·"},
		{"shades", []byte{0xFF, 0b11100000, 0b11000000, 0b10000000, 0}, 40, 5, "█▒░░·"},
		{"nearly all", []byte{0b11111110}, 8, 1, "▓"},
		{"bitfield too short", []byte{0xFF}, 1000, 4, "████"},
		{"nothing", nil, 8, 4, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := pieceBar(test.bitfield, test.n, test.width); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
