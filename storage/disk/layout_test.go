package disk

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSpans(t *testing.T) {
	tor := open(t, Config{Files: mixed()}) // lengths 0 1000 1 0 23(pad) 5000 0
	for _, c := range []struct {
		name        string
		off, length int64
		want        []Span
	}{
		{"nothing", 10, 0, nil},
		{"first byte", 0, 1, []Span{{1, 0, 1}}},
		{"last byte of a file", 999, 1, []Span{{1, 999, 1}}},
		{"a whole file", 1000, 1, []Span{{2, 0, 1}}},
		{"over a border", 999, 2, []Span{{1, 999, 1}, {2, 0, 1}}},
		{"inside padding", 1002, 3, []Span{{4, 1, 3}}},
		{"everything", 0, 6024, []Span{{1, 0, 1000}, {2, 0, 1}, {4, 0, 23}, {5, 0, 5000}}},
		{"the end", 6024, 0, nil},
		{"last byte", 6023, 1, []Span{{5, 4999, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tor.Spans(c.off, c.length); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestOpenRefusesLayouts(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []File
		want  string
	}{
		{"no path", []File{{}}, "empty"},
		{"empty component", []File{{Path: []string{"a", ""}}}, "not a name"},
		{"dot", []File{{Path: []string{"."}}}, "not a name"},
		{"traversal", []File{{Path: []string{"..", "etc"}}}, "not a name"},
		{"slash", []File{{Path: []string{"a/../../b"}}}, "not a name"},
		{"absolute", []File{{Path: []string{"/etc/passwd"}}}, "not a name"},
		{"nul", []File{{Path: []string{"a\x00b"}}}, "not a name"},
		{"negative length", []File{{Path: []string{"a"}, Length: -1}}, "bad length"},
		{"overflow", []File{{Path: []string{"a"}, Length: math.MaxInt64}, {Path: []string{"b"}, Length: 1}}, "file 1: bad length"},
		{"twice", []File{{Path: []string{"a", "b"}}, {Path: []string{"a", "b"}}}, "already used"},
		{"file and folder", []File{{Path: []string{"a", "b"}}, {Path: []string{"a"}}}, "both a file and a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(Config{Root: t.TempDir(), Files: c.files})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}
