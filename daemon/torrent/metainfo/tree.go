package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"lorrent/daemon/torrent/hashtree"
)

// fileTree reads the file tree of a v2 torrent (BEP 52) into files in torrent
// order, whose paths are safe but not unique yet, and which have no offsets.
//
// A tree whose only entry is a file is a single-file torrent: the file lies in
// the download folder itself. Any other tree lies in a folder of the torrent's
// name.
func fileTree(name string, raw []byte) ([]File, error) {
	w := &treeWalk{}
	if err := w.folder(raw, 0); err != nil {
		return nil, fmt.Errorf("file tree%w", err)
	}
	if len(w.files) == 0 {
		return nil, errors.New("file tree: there is no file in it")
	}
	if w.single() {
		return w.files, nil
	}
	for i := range w.files {
		f := &w.files[i]
		if len(f.Path) == maxDepth {
			return nil, fmt.Errorf("file tree: file %d of %d, path: more than the limit of %d components", i+1, len(w.files), maxDepth)
		}
		f.Path = append([]string{name}, f.Path...)
	}
	return w.files, nil
}

// treeWalk goes through a file tree, one cursor for each depth.
type treeWalk struct {
	cursors []*cursor
	path    []string // of the folder being read, safe
	raw     [][]byte // the same, as written
	entries int      // in the root
	files   []File
}

func (w *treeWalk) single() bool { return w.entries == 1 && len(w.files[0].Path) == 1 }

// where names the place being read, for errors.
func (w *treeWalk) where() string {
	if len(w.raw) == 0 {
		return ""
	}
	return " " + quote(bytes.Join(w.raw, []byte("/")))
}

func (w *treeWalk) cursor(depth int) *cursor {
	if depth == len(w.cursors) {
		w.cursors = append(w.cursors, newCursor())
	}
	return w.cursors[depth]
}

// folder reads one level: names and what they stand for.
func (w *treeWalk) folder(raw []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than the limit of %d components", w.where(), maxDepth)
	}
	var last []byte
	n, isFile := 0, false
	err := w.cursor(depth).dict(raw, func(key, value []byte) error {
		switch {
		case n > 0 && bytes.Compare(key, last) <= 0:
			return located{fmt.Errorf("%s: %s after %s: the names are not in order", w.where(), quote(key), quote(last))}
		case isFile:
			return located{fmt.Errorf("%s: is both a file and a folder", w.where())}
		case len(key) == 0 && depth == 0:
			return located{errors.New(": the tree itself is a file")}
		}
		n++
		last = key
		if depth == 0 {
			w.entries++
		}
		if len(key) > 0 {
			return w.enter(key, value, depth)
		}
		isFile = true
		if err := w.file(value, depth); err != nil {
			return located{fmt.Errorf("%s: %w", w.where(), err)}
		}
		return nil
	})
	if _, ok := err.(located); err == nil || ok {
		return err
	}
	return located{fmt.Errorf("%s: %w", w.where(), err)}
}

// located is an error that says already where it happened.
type located struct{ error }

func (l located) Unwrap() error { return l.error }

func (w *treeWalk) enter(key, value []byte, depth int) error {
	part, err := component(key)
	if err != nil {
		return located{fmt.Errorf("%s: path component %s: %w", w.where(), quote(key), err)}
	}
	w.path, w.raw = append(w.path, part), append(w.raw, key)
	err = w.folder(value, depth+1)
	w.path, w.raw = w.path[:depth], w.raw[:depth]
	return err
}

// file reads the properties of the file at the current path.
func (w *treeWalk) file(raw []byte, depth int) error {
	if len(w.files) == maxFiles {
		return fmt.Errorf("more than the limit of %d files", maxFiles)
	}
	var length, root, attr []byte
	err := w.cursor(depth+1).dict(raw, func(key, value []byte) error {
		var to *[]byte
		switch string(key) {
		case "length":
			to = &length
		case "pieces root":
			to = &root
		case "attr":
			to = &attr
		default:
			return nil
		}
		if *to != nil {
			return fmt.Errorf("%s is there twice", key)
		}
		*to = value
		return nil
	})
	if err != nil {
		return err
	}
	f := File{Path: append(make([]string, 0, 1+len(w.path)), w.path...)}
	if f.Length, err = fileLength(length); err != nil {
		return err
	}
	if isPad(attr) {
		return errors.New("a pad file in a v2 file tree")
	}
	if err := checkLink(attr, f.Length); err != nil {
		return err
	}
	if f.Length > 0 {
		if f.Root, err = piecesRoot(root); err != nil {
			return err
		}
	}
	w.files = append(w.files, f)
	return nil
}

func piecesRoot(raw []byte) (root hashtree.Hash, err error) {
	b, err := content(raw)
	switch {
	case err != nil:
		return root, fmt.Errorf("pieces root: %w", err)
	case len(b) != hashtree.Size:
		return root, fmt.Errorf("pieces root: %d bytes, want %d", len(b), hashtree.Size)
	case hashtree.Hash(b) == root:
		return root, errors.New("pieces root: is all zeros")
	}
	return hashtree.Hash(b), nil
}

// align gives the files of a v2 torrent their offsets: each file that is not
// empty begins at a piece. A pad file of ours fills each gap, and the last piece:
// libtorrent asks for whole blocks there as anywhere.
func align(files []File, pieceLength int64) ([]File, error) {
	out := make([]File, 0, len(files))
	total, gap := int64(0), 0 // gap is where in out the next pad file goes
	for i, f := range files {
		if f.Length > math.MaxInt64-2*pieceLength-total {
			return nil, fmt.Errorf("file %d of %d: the total length overflows", i+1, len(files))
		}
		if n := -total & (pieceLength - 1); n > 0 && f.Length > 0 {
			out = slices.Insert(out, gap, File{Length: n, Offset: total, Pad: true})
			total += n
			for k := gap + 1; k < len(out); k++ {
				out[k].Offset = total // of empty files behind it
			}
		}
		f.Offset = total
		total += f.Length
		out = append(out, f)
		if f.Length > 0 {
			gap = len(out)
		}
	}
	if n := -total & (pieceLength - 1); n > 0 {
		out = append(out, File{Length: n, Offset: total, Pad: true})
	}
	return out, nil
}
