package webseed

import (
	"net/url"
	"sort"
	"strings"
)

// span is a run of bytes of one file.
type span struct {
	file   int
	offset int64 // in the file
	length int64
}

// spans cuts a run of the torrent's bytes at the files' ends.
func (s *Seed) spans(offset, length int64) (list []span) {
	files := s.cfg.Info.Files
	i := sort.Search(len(files), func(i int) bool { return files[i].Offset+files[i].Length > offset })
	for ; length > 0 && i < len(files); i++ {
		f := &files[i]
		if f.Length == 0 {
			continue
		}
		n := min(length, f.Offset+f.Length-offset)
		list = append(list, span{file: i, offset: offset - f.Offset, length: n})
		offset += n
		length -= n
	}
	return list
}

// fileURL is where a file is. A URL that names a folder is followed by the
// file's path below it (BEP 19); a torrent of one file may be named outright.
func (s *Seed) fileURL(file int) *url.URL {
	u := *s.base
	if !s.folder {
		return &u
	}
	var p strings.Builder
	p.WriteString(strings.TrimSuffix(u.EscapedPath(), "/"))
	for _, name := range s.cfg.Info.Files[file].Path {
		p.WriteByte('/')
		p.WriteString(url.PathEscape(name))
	}
	u.RawPath = p.String()
	u.Path, _ = url.PathUnescape(u.RawPath) // what was just escaped can be unescaped
	return &u
}

// pieces is the bitfield of the pieces that need no missing file, in wire
// order, and how many they are.
func (s *Seed) pieces() (bits []byte, n int) {
	info := s.cfg.Info
	total := info.NumPieces()
	lacking := make([]bool, total)
	for i, f := range info.Files {
		if !s.cfg.Missing[i] || f.Length == 0 || f.Pad {
			continue
		}
		for p := f.Offset / info.PieceLength; p <= (f.Offset+f.Length-1)/info.PieceLength; p++ {
			lacking[p] = true
		}
	}
	bits = make([]byte, (total+7)/8)
	for p := range total {
		if !lacking[p] {
			bits[p/8] |= 0x80 >> (p % 8)
			n++
		}
	}
	return bits, n
}
