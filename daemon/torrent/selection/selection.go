// Package selection says which files of a torrent are wanted, and how urgently.
//
// Files are named by their position in the torrent, from 0 and with pad files
// counted, as BEP 53 and other programs do. Ranges is what people write:
// "0,2,4-8". A Selection is what is remembered: the priority of each file, also
// when it is not known yet how many there are. A Plan is what it means for the
// pieces of a torrent: one that a wanted file has a part in is wanted, with the
// highest priority of these files.
//
// Everything is bounded: positions by MaxFiles, ranges by their number.
//
// Spec: BEP 47 (pad files, which never count), BEP 53 (so=).
package selection

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Priority says how urgently something is wanted.
type Priority uint8

// The priorities, in their order.
const (
	Skip Priority = iota // not wanted
	Low
	Normal
	High
)

var names = [...]string{Skip: "skip", Low: "low", Normal: "normal", High: "high"}

func (p Priority) String() string { return names[p] }

// run is files that follow each other and have one priority.
type run struct {
	Range
	priority Priority
}

// Selection is the priority of every file of a torrent. The zero value wants all
// of them. It is immutable.
type Selection struct {
	runs []run // ascending; files that are in none are Normal
}

// Only wants the files in ranges and no others, however many there are.
func Only(ranges []Range) (s Selection) {
	next := 0
	for _, r := range merged(ranges) {
		if r.First > next {
			s.runs = append(s.runs, run{Range{next, r.First - 1}, Skip})
		}
		s.runs = append(s.runs, run{r, Normal})
		next = r.Last + 1
	}
	if next < MaxFiles {
		s.runs = append(s.runs, run{Range{next, MaxFiles - 1}, Skip})
	}
	return s
}

// Of is the Selection of files with these priorities.
func Of(files []Priority) (s Selection) {
	for i, p := range files {
		if last := len(s.runs) - 1; last >= 0 && s.runs[last].priority == p && s.runs[last].Last == i-1 {
			s.runs[last].Last = i
		} else if p != Normal {
			s.runs = append(s.runs, run{Range{i, i}, p})
		}
	}
	return s
}

// All reports whether every file has the priority Normal.
func (s Selection) All() bool { return len(s.runs) == 0 }

// Files returns the priorities of a torrent's n files.
func (s Selection) Files(n int) []Priority {
	files := make([]Priority, n)
	for i := range files {
		files[i] = Normal
	}
	for _, r := range s.runs {
		for i := r.First; i <= r.Last && i < n; i++ {
			files[i] = r.priority
		}
	}
	return files
}

// Beyond returns the last file that is asked for by name and is not among n, or
// -1.
func (s Selection) Beyond(n int) int {
	for _, r := range slices.Backward(s.runs) {
		if r.priority != Skip && r.Last >= n {
			return r.Last
		}
	}
	return -1
}

// String is the Selection as it is stored: "" for all, else for example
// "0=skip,3-4=high".
func (s Selection) String() string {
	parts := make([]string, len(s.runs))
	for i, r := range s.runs {
		parts[i] = r.Range.String() + "=" + r.priority.String()
	}
	return strings.Join(parts, ",")
}

// Parse is the inverse of String.
func Parse(text string) (s Selection, err error) {
	if text == "" {
		return s, nil
	}
	next := 0
	for part := range strings.SplitSeq(text, ",") {
		place, name, _ := strings.Cut(part, "=")
		r, err := parseRange(place)
		if err != nil {
			return Selection{}, fmt.Errorf("file selection: %w", err)
		}
		p := slices.Index(names[:], name)
		if p < 0 || r.First < next {
			return Selection{}, fmt.Errorf("file selection: %q makes no sense", part)
		}
		s.runs = append(s.runs, run{r, Priority(p)})
		next = r.Last + 1
	}
	return s, nil
}

// MaxFiles is how many files a torrent can have.
const MaxFiles = 1_000_000

const maxRanges = 10_000

// Range is a run of files by their position, both ends included.
type Range struct{ First, Last int }

func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// ParseRanges reads "0,2,4-8". One element that makes no sense spoils it all: to
// guess which files somebody wants helps nobody.
func ParseRanges(text string) (list []Range, err error) {
	if text == "" {
		return nil, errors.New(`no files: want positions such as "0,2,4-8"`)
	}
	for element := range strings.SplitSeq(text, ",") {
		r, err := parseRange(element)
		if err != nil {
			return nil, err
		}
		if len(list) == maxRanges {
			return nil, fmt.Errorf("more than %d ranges of files", maxRanges)
		}
		list = append(list, r)
	}
	return list, nil
}

func parseRange(element string) (r Range, err error) {
	first, last, isRange := strings.Cut(element, "-")
	if !isRange {
		last = first
	}
	from, err1 := parsePosition(first)
	to, err2 := parsePosition(last)
	switch {
	case err1 != nil || err2 != nil:
		return r, fmt.Errorf("files %.30q: want a position from 0 or a range of them, such as 4 or 4-8", element)
	case from > to:
		return r, fmt.Errorf("files %q: %d is after %d", element, from, to)
	case to >= MaxFiles:
		return r, fmt.Errorf("files %q: no torrent has more than %d files", element, MaxFiles)
	}
	return Range{from, to}, nil
}

// parsePosition takes digits alone: no sign, nothing longer than can be meant.
func parsePosition(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

// merged are the ranges in ascending order, none touching the next.
func merged(ranges []Range) (list []Range) {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return a.First - b.First })
	for _, r := range sorted {
		if n := len(list); n > 0 && r.First <= list[n-1].Last+1 {
			list[n-1].Last = max(list[n-1].Last, r.Last)
			continue
		}
		list = append(list, r)
	}
	return list
}
