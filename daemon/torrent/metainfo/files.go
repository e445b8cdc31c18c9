package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"lorrent/daemon/torrent/hashtree"
)

const maxFiles = 1_000_000

// File is one file of a torrent.
type File struct {
	// Path holds safe components relative to the download folder. A
	// single-file torrent has one file with one of them, in all others Path[0]
	// is Info.Name. No two paths of a torrent are equal under case folding, and
	// none is a folder of another. That of a pad file means nothing.
	Path   []string
	Length int64 // bytes, may be 0
	Offset int64 // of its first byte in the torrent

	// Pad marks a pad file (BEP 47): zeros that align the next file to a
	// piece. It has its place in the torrent's bytes like any other file, but
	// nobody wants it on disk.
	Pad bool

	// Root is the root of the file's hash tree in a v2 or hybrid torrent
	// (BEP 52), zero for empty files and padding.
	Root  hashtree.Hash
	layer int // where the file's piece layer begins among those of all
}

// slashed is a path for errors.
func slashed(path []string) string { return strings.Join(path, "/") }

// files reads the length of a single-file torrent or the files of a multi-file
// one, exactly one of which must be there, and gives each file its offset.
func files(name string, length, list []byte) ([]File, error) {
	var fs []File
	switch {
	case length != nil && list != nil:
		return nil, errors.New("info: has both length and files")
	case length != nil:
		n, err := fileLength(length)
		if err != nil {
			return nil, err
		}
		fs = []File{{Path: []string{name}, Length: n}}
	case list != nil:
		var err error
		if fs, err = fileList(name, list); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("info: has neither length nor files")
	}
	total := int64(0)
	for i := range fs {
		fs[i].Offset = total
		if fs[i].Length > math.MaxInt64-total {
			return nil, fmt.Errorf("file %d of %d: the total length overflows", i+1, len(fs))
		}
		total += fs[i].Length
	}
	if total == 0 {
		return nil, errors.New("info: the total length is 0")
	}
	return fs, nil
}

// fileList decodes the files of a multi-file torrent and makes their paths
// safe. They are not unique yet: see layOut.
func fileList(name string, raw []byte) ([]File, error) {
	n, err := count(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("files: %w", err)
	case n == 0:
		return nil, errors.New("files: the list is empty")
	case n > maxFiles:
		return nil, fmt.Errorf("files: more than the limit of %d", maxFiles)
	}
	fs := make([]File, 0, n)
	d := newFileDecoder(name)
	err = newCursor().list(raw, func(value []byte) error {
		f, err := d.decode(value)
		if err != nil {
			return fmt.Errorf("file %d of %d, %w", len(fs)+1, n, err)
		}
		fs = append(fs, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fs, nil
}

// count returns the length of a list, maxFiles+1 when it is longer than
// maxFiles.
func count(list []byte) (n int, err error) {
	err = newCursor().list(list, func([]byte) error {
		if n++; n > maxFiles {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return n, err
}

// fileDecoder decodes one dictionary of files after the other.
type fileDecoder struct {
	name       string // of the torrent, the first component of every path
	dict, list *cursor
	parts      [][]byte // of the path being decoded, before sanitising

	length, path, pathUTF8, attr []byte // raw values of the dictionary being decoded
}

func newFileDecoder(name string) *fileDecoder {
	return &fileDecoder{name: name, dict: newCursor(), list: newCursor()}
}

func (d *fileDecoder) decode(raw []byte) (File, error) {
	d.length, d.path, d.pathUTF8, d.attr = nil, nil, nil, nil
	if err := d.dict.dict(raw, d.field); err != nil {
		return File{}, fmt.Errorf("dictionary: %w", err)
	}
	length, err := fileLength(d.length)
	if err != nil {
		return File{}, err
	}
	if err := checkLink(d.attr, length); err != nil {
		return File{}, err
	}
	if err := d.readPath(); err != nil {
		return File{}, fmt.Errorf("path: %w", err)
	}
	f := File{Path: make([]string, 1, 1+len(d.parts)), Length: length, Pad: isPad(d.attr)}
	f.Path[0] = d.name
	for _, part := range d.parts {
		safe, err := component(part)
		if err != nil {
			return File{}, fmt.Errorf("path component %s: %w", quote(part), err)
		}
		f.Path = append(f.Path, safe)
	}
	return f, nil
}

// field remembers a value of the dictionary being decoded.
func (d *fileDecoder) field(key, value []byte) error {
	var to *[]byte
	switch string(key) {
	case "length":
		to = &d.length
	case "path":
		to = &d.path
	case "path.utf-8":
		to = &d.pathUTF8
	case "attr":
		to = &d.attr
	default:
		return nil
	}
	if *to != nil {
		return fmt.Errorf("%s is there twice", key)
	}
	*to = value
	return nil
}

// readPath fills parts from path.utf-8 or, where that is missing or not what
// its name says, from path.
func (d *fileDecoder) readPath() error {
	notUTF8 := func(part []byte) bool { return !utf8.Valid(part) }
	if d.pathUTF8 != nil && d.readParts(d.pathUTF8) == nil && !slices.ContainsFunc(d.parts, notUTF8) {
		return nil
	}
	return d.readParts(d.path)
}

func (d *fileDecoder) readParts(raw []byte) error {
	d.parts = d.parts[:0]
	err := d.list.list(raw, func(value []byte) error {
		part, err := content(value)
		if err != nil {
			return fmt.Errorf("component %d: %w", len(d.parts)+1, err)
		}
		if 1+len(d.parts) == maxDepth {
			return fmt.Errorf("more than the limit of %d components", maxDepth)
		}
		d.parts = append(d.parts, part)
		return nil
	})
	if err == nil && len(d.parts) == 0 {
		err = errors.New("the list is empty")
	}
	return err
}

// fileLength reads the length of a file, which may be 0.
func fileLength(raw []byte) (int64, error) {
	n, err := integer(raw)
	if err != nil {
		return 0, fmt.Errorf("length: %w", err)
	}
	if n < 0 {
		return 0, fmt.Errorf("length %d: is negative", n)
	}
	return n, nil
}

// isPad reads the attributes of a file (BEP 47). Executable (x) and hidden (h)
// are ignored.
func isPad(raw []byte) bool { return hasAttribute(raw, 'p') }

// checkLink refuses a symbolic link with content, which other programs count as
// empty: all that follows it would lie elsewhere. One without is treated as an
// empty file, and no link is ever made.
func checkLink(attr []byte, length int64) error {
	if hasAttribute(attr, 'l') && length > 0 {
		return fmt.Errorf("length %d: of a symbolic link, which has no content", length)
	}
	return nil
}

func hasAttribute(raw []byte, a byte) bool {
	attr, err := content(raw)
	return err == nil && bytes.IndexByte(attr, a) >= 0
}
