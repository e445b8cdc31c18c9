package metainfo

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxFolders = 1_000_000
	maxSuffix  = len(" (1000000)")
)

// layOut renames files until no two paths are equal under case folding and no
// file has the path of a folder, then checks the length of every path.
//
// Folders keep their names, and two that differ in case only stay two: where
// the file system folds case they become one, and their files still differ.
// Of the files that want one path the first in torrent order gets it; the
// others get " (2)", " (3)" … before their extension. A name that nobody
// disputes is never changed, so that data of other programs is found again.
// Padding is never on disk, so its paths do not count.
func layOut(files []File) error {
	l := layout{taken: make(map[slot]int32, len(files)), next: make(map[slot]int)}
	parents := make([]int32, len(files))
	for i := range files {
		if files[i].Pad {
			continue
		}
		id, err := l.folder(files[i].Path)
		if err != nil {
			return err
		}
		parents[i] = id
	}
	var disputed []int
	for i := range files {
		if files[i].Pad {
			continue
		}
		path := files[i].Path
		at := slot{parents[i], fold(path[len(path)-1])}
		if _, ok := l.taken[at]; ok {
			disputed = append(disputed, i)
			continue
		}
		l.taken[at] = isFile
	}
	for _, i := range disputed {
		path := files[i].Path
		path[len(path)-1] = l.rename(parents[i], path[len(path)-1])
	}
	for i := range files {
		if n := pathLength(files[i].Path); n > maxPath && !files[i].Pad {
			return fmt.Errorf("file %d of %d, path: %d bytes are more than the limit of %d", i+1, len(files), n, maxPath)
		}
	}
	return nil
}

// layout is a tree of names, flat so that a torrent of many folders does not
// cost a map for each.
type layout struct {
	taken   map[slot]int32 // isFile, or the number of the folder there
	next    map[slot]int   // suffix to try next
	folders int32
}

// slot is a place in the tree: a folded name in a folder. Folder 0 is the one
// that holds the torrent.
type slot struct {
	folder int32
	name   string
}

const isFile = -1

// folder enters the folders of a path and returns the number of the last one.
func (l *layout) folder(path []string) (int32, error) {
	id := int32(0)
	for _, name := range path[:len(path)-1] {
		at := slot{id, fold(name)}
		next, ok := l.taken[at]
		if !ok {
			if l.folders == maxFolders {
				return 0, fmt.Errorf("files: more than the limit of %d folders", maxFolders)
			}
			l.folders++
			next = l.folders
			l.taken[at] = next
		}
		id = next
	}
	return id, nil
}

// rename takes the first free name of the form "stem (n).ext". The counter is
// kept per shortened stem, so that ten thousand files of one name, or of long
// names that become one by cutting, take ten thousand tries and not their
// square.
func (l *layout) rename(folder int32, name string) string {
	stem, ext := splitExtension(name)
	stem = cutRunes(stem, maxComponent-maxSuffix-len(ext))
	counter := slot{folder, fold(stem + ext)}
	n := max(l.next[counter], 2)
	for ; ; n++ {
		candidate := fmt.Sprintf("%s (%d)%s", stem, n, ext)
		at := slot{folder, fold(candidate)}
		if _, ok := l.taken[at]; !ok {
			l.taken[at] = isFile
			l.next[counter] = n + 1
			return candidate
		}
	}
}

// fold maps strings that are equal under strings.EqualFold to one string.
func fold(s string) string {
	lower := true
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return strings.Map(foldRune, s)
		}
		lower = lower && (c < 'A' || c > 'Z')
	}
	if lower {
		return s
	}
	return strings.ToLower(s)
}

// foldRune returns the lower-case ASCII letter of r's case orbit, or else the
// smallest rune of it.
func foldRune(r rune) rune {
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		least = min(least, o)
	}
	if least >= 'A' && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

func pathLength(path []string) int {
	n := len(path) - 1 // separators
	for _, name := range path {
		n += len(name)
	}
	return n
}
