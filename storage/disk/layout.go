package disk

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// File is one file of a torrent. Path holds its components below the root,
// already sanitised: Open refuses what could leave the root, it repairs nothing.
type File struct {
	Path   []string
	Length int64
	Pad    bool // BEP 47 padding: part of the byte space, never on disk
}

// Span is the part of one file that a byte range of the torrent touches.
type Span struct {
	File   int   // index in Config.Files
	Offset int64 // in the file
	Length int64 // above 0
}

// layout is where the files lie in the torrent's byte space.
type layout struct {
	files   []placed
	length  int64
	folders []string // every folder the files need, parents before children
}

type placed struct {
	name   string // below the root
	folder string // "." at the root
	offset int64  // in the torrent
	length int64
	pad    bool
}

func newLayout(files []File) (layout, error) {
	l := layout{files: make([]placed, len(files))}
	taken := make(map[string]bool, len(files))
	folders := map[string]bool{".": true}
	for i, f := range files {
		if f.Length < 0 || f.Length > math.MaxInt64-l.length {
			return layout{}, fmt.Errorf("file %d: bad length %d", i, f.Length)
		}
		l.files[i] = placed{offset: l.length, length: f.Length, pad: f.Pad}
		l.length += f.Length
		if f.Pad {
			continue // its path is never used
		}
		name, err := join(f.Path)
		if err != nil {
			return layout{}, fmt.Errorf("file %d: path %q: %w", i, f.Path, err)
		}
		if taken[name] {
			return layout{}, fmt.Errorf("file %d: path %q: already used by another file", i, f.Path)
		}
		taken[name] = true
		l.files[i].name, l.files[i].folder = name, filepath.Dir(name)
		for dir := filepath.Dir(name); !folders[dir]; dir = filepath.Dir(dir) {
			folders[dir] = true
			l.folders = append(l.folders, dir)
		}
	}
	for _, dir := range l.folders {
		if taken[dir] {
			return layout{}, fmt.Errorf("path %q: both a file and a folder", dir)
		}
	}
	slices.Sort(l.folders) // a parent is a prefix of its children
	return l, nil
}

// join makes a relative path of components, each of which must be one.
func join(path []string) (string, error) {
	if len(path) == 0 {
		return "", errors.New("empty")
	}
	for _, part := range path {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/\x00") {
			return "", fmt.Errorf("component %q is not a name", part)
		}
	}
	return filepath.Join(path...), nil
}

// find returns the index of the file that holds the byte at off, which must be
// inside the torrent. Files of no length hold none.
func (l *layout) find(off int64) int {
	i, _ := slices.BinarySearchFunc(l.files, off, func(f placed, off int64) int {
		if f.offset+f.length <= off {
			return -1
		}
		return 1
	})
	return i
}

// check refuses ranges that are not inside the torrent.
func (l *layout) check(off, length int64) error {
	if off < 0 || length < 0 || off > l.length || length > l.length-off {
		return fmt.Errorf("range of %d bytes at %d is outside the torrent of %d bytes", length, off, l.length)
	}
	return nil
}

// each calls fn for the spans of a range inside the torrent, in order, until one fails.
func (l *layout) each(off, length int64, fn func(Span) error) error {
	if length == 0 {
		return nil
	}
	for i := l.find(off); length > 0; i++ {
		f := &l.files[i]
		s := Span{File: i, Offset: off - f.offset, Length: min(f.length-(off-f.offset), length)}
		if s.Length == 0 {
			continue
		}
		if err := fn(s); err != nil {
			return err
		}
		off += s.Length
		length -= s.Length
	}
	return nil
}

// Spans returns the parts of files that length bytes at off touch, in torrent
// order, pad files included and files of no length left out. A range that is
// not inside the torrent has none.
func (t *Torrent) Spans(off, length int64) []Span {
	if t.layout.check(off, length) != nil {
		return nil
	}
	var spans []Span
	_ = t.layout.each(off, length, func(s Span) error { // fn never fails
		spans = append(spans, s)
		return nil
	})
	return spans
}
