package selection

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
)

func TestParseRanges(t *testing.T) {
	for text, want := range map[string][]Range{
		"0":        {{0, 0}},
		"0,2,4-8":  {{0, 0}, {2, 2}, {4, 8}},
		"7,3-3,07": {{7, 7}, {3, 3}, {7, 7}},
		"999999":   {{999999, 999999}},
	} {
		if got, err := ParseRanges(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                                 "no files",
		",":                                `files ""`,
		"1,":                               `files ""`,
		"1,,2":                             `files ""`,
		"-":                                `files "-"`,
		"-1":                               `files "-1"`,
		"1-":                               `files "1-"`,
		"1-2-3":                            `files "1-2-3"`,
		"+1":                               `files "+1"`,
		" 1":                               `files " 1"`,
		"1.5":                              `files "1.5"`,
		"0x1":                              `files "0x1"`,
		"3-1":                              "3 is after 1",
		"1000000":                          "no torrent has more",
		"0-1000000":                        "no torrent has more",
		"99999999999999999999":             "want a position",
		strings.Repeat("9", 1<<20):         `files "999999999999999999999999999999"`,
		strings.Repeat("1,", 10_000) + "1": "more than 10000 ranges",
	} {
		if got, err := ParseRanges(text); err == nil || got != nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.30q: %v, %.300v, want %q", text, got, err, want)
		}
	}
}

func TestOnly(t *testing.T) {
	ranges, err := ParseRanges("4-5,0,2,5-6")
	if err != nil {
		t.Fatal(err)
	}
	s := Only(ranges)
	if got := s.String(); got != "0=normal,1=skip,2=normal,3=skip,4-6=normal,7-999999=skip" {
		t.Errorf("stored as %q", got)
	}
	again, err := Parse(s.String())
	if err != nil || again.String() != s.String() {
		t.Errorf("%v, %v", again, err)
	}
	for n, want := range map[int]int{3: 6, 6: 6, 7: -1, 100: -1} {
		if got := again.Beyond(n); got != want {
			t.Errorf("of %d files, %d is beyond; want %d", n, got, want)
		}
	}
	if got := Of(again.Files(5)).String(); got != "1=skip,3=skip" {
		t.Errorf("of five files: %q", got)
	}
	if last := Only([]Range{{0, MaxFiles - 1}}); last.Beyond(MaxFiles) != -1 || !Of(last.Files(9)).All() {
		t.Error("all of them by name are not all")
	}
}

func TestStored(t *testing.T) {
	s := Of([]Priority{Normal, Skip, Skip, High, Normal, Low})
	if s.String() != "1-2=skip,3=high,5=low" || s.All() || !Of([]Priority{Normal, Normal}).All() {
		t.Errorf("stored as %q", s)
	}
	if got, err := Parse(""); err != nil || !got.All() || !slices.Equal(got.Files(2), []Priority{Normal, Normal}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"1", "1=", "1=none", "=skip", "2=skip,1=skip", "1-3=skip,3=low", "1=skip,", "x"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// threeFiles has pieces of 100 bytes: a is in 0 to 1, padding in 1, b in 2 to 3, c in 3 to 4.
func threeFiles() *metainfo.Info {
	return &metainfo.Info{PieceLength: 100, TotalLength: 450, NumBytes: 430, Files: []metainfo.File{
		{Length: 180, Offset: 0},
		{Length: 20, Offset: 180, Pad: true},
		{Length: 150, Offset: 200},
		{Length: 0, Offset: 350},
		{Length: 100, Offset: 350},
	}}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name     string
		files    []Priority
		pieces   []Priority
		skipped  int64
		touched  []bool
		nothing  bool
		selected string
	}{
		{"all", []Priority{Normal, Normal, Normal, Normal, Normal}, nil, 0, []bool{true, true, true, false, true}, false, ""},
		{"b", []Priority{Skip, Skip, Normal, Skip, Skip}, []Priority{Skip, Skip, Normal, Normal, Skip}, 230, []bool{false, false, true, false, true}, false, "0-1=skip,3-4=skip"},
		{"the higher one counts", []Priority{Low, High, High, Skip, Low}, []Priority{Low, Low, High, High, Low}, 0, []bool{true, true, true, false, true}, false, "0=low,1-2=high,3=skip,4=low"},
		{"an empty file", []Priority{Skip, Skip, Skip, Normal, Skip}, make([]Priority, 5), 430, make([]bool, 5), false, "0-2=skip,4=skip"},
		{"padding", []Priority{Skip, High, Skip, Skip, Skip}, make([]Priority, 5), 430, make([]bool, 5), true, "0=skip,1=high,2-4=skip"},
	} {
		p, err := NewPlan(threeFiles(), Of(c.files))
		if errors.Is(err, ErrNothing) != c.nothing || (err == nil) == c.nothing {
			t.Errorf("%s: %v", c.name, err)
		}
		var touched []bool
		for i := range c.files {
			touched = append(touched, p.Touched(i))
		}
		if !slices.Equal(p.Pieces, c.pieces) || p.Skipped != c.skipped || !slices.Equal(touched, c.touched) || p.Selection.String() != c.selected {
			t.Errorf("%s: pieces %v, %d bytes skipped, touched %v, selection %q", c.name, p.Pieces, p.Skipped, touched, p.Selection)
		}
		all := bitfield.New(5)
		all.SetAll()
		if got := p.SkippedIn(all); got != c.skipped {
			t.Errorf("%s: %d bytes skipped of all", c.name, got)
		}
	}
	have := bitfield.New(5)
	have.Set(0)
	have.Set(2)
	p, _ := NewPlan(threeFiles(), Of([]Priority{Skip, Skip, Normal, Skip, Skip}))
	if got := p.SkippedIn(have); got != 100 {
		t.Errorf("%d bytes are there and not wanted, want 100", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0,2,4-8")
	f.Add("0=normal,1=skip,2-999999=high")
	f.Add("1-,2")
	f.Fuzz(func(t *testing.T, text string) {
		if ranges, err := ParseRanges(text); err == nil {
			s := Only(ranges)
			if again, err := Parse(s.String()); err != nil || again.String() != s.String() {
				t.Errorf("%v, %v", again, err)
			}
		}
		if s, err := Parse(text); err == nil {
			n := 0
			if len(s.runs) > 0 {
				n = s.runs[len(s.runs)-1].Last + 1
			}
			if files := s.Files(n); Of(files).String() != Of(Of(files).Files(n)).String() {
				t.Errorf("%q does not stay what it is", text)
			}
		}
	})
}
