package metainfo

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/anacrolix/torrent/bencode"
)

// BuildOptions says what Build puts into the torrent beside the content.
type BuildOptions struct {
	Name        string     // the last element of root when empty
	PieceLength int64      // bytes; 0 chooses a power of two for about 1500 pieces
	Trackers    [][]string // tiers of http, https or udp announce URLs
	Private     bool
	Comment     string
}

const (
	leastAutoPiece = 16 << 10
	mostAutoPiece  = 16 << 20
	wantPieces     = 1500
)

// Build reads a file, or a folder with everything in it in the order of
// fs.WalkDir, and returns the bytes of a .torrent of it. Content, names and
// options alone decide the result: it contains no date.
//
// It is an error when there is nothing but empty files, when something in the
// folder is no regular file, when a file changes meanwhile, and when a name
// would have to be rewritten by Parse: whoever adds the torrent, this machine
// included, would look for the file under the new name.
func Build(root string, o BuildOptions) ([]byte, error) {
	b, err := build(root, o)
	if err != nil {
		return nil, fmt.Errorf("metainfo: build torrent of %q: %w", root, err)
	}
	return b, nil
}

func build(root string, o BuildOptions) ([]byte, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	src, err := openSource(root)
	if err != nil {
		return nil, err
	}
	defer src.root.Close()
	if o.Name == "" {
		o.Name = filepath.Base(root)
	}
	if o.PieceLength == 0 {
		o.PieceLength = autoPieceLength(src.total)
	}
	if o.PieceLength < 0 || o.PieceLength > maxPieceLength {
		return nil, fmt.Errorf("piece length %d: want 1 to %d", o.PieceLength, maxPieceLength)
	}
	pieces, err := src.hash(o.PieceLength)
	if err != nil {
		return nil, err
	}
	b, err := encode(src, pieces, o)
	if err != nil {
		return nil, err
	}
	return b, verify(b, src, o)
}

// source is what a torrent is made of.
type source struct {
	root  *os.Root // the folder, or the folder of the single file
	dir   bool
	files []sourceFile
	total int64
}

type sourceFile struct {
	path   string // below root, with slashes
	length int64
}

func openSource(path string) (*source, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s := &source{dir: stat.IsDir()}
	top, start := path, "."
	if !s.dir {
		top, start = filepath.Split(path)
	}
	if s.root, err = os.OpenRoot(top); err != nil {
		return nil, err
	}
	err = fs.WalkDir(s.root.FS(), start, s.visit)
	if err == nil && s.total == 0 {
		err = errors.New("no content: every file is empty")
	}
	if err != nil {
		s.root.Close()
		return nil, err
	}
	return s, nil
}

func (s *source) visit(path string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case entry.IsDir():
		return nil
	case !entry.Type().IsRegular():
		return fmt.Errorf("%q is no regular file", path)
	}
	stat, err := entry.Info()
	if err != nil {
		return err
	}
	s.files = append(s.files, sourceFile{path, stat.Size()})
	s.total += stat.Size()
	return nil
}

// hash returns the SHA-1 of every piece, one after the other.
func (s *source) hash(pieceLength int64) ([]byte, error) {
	p := pieceHasher{sum: sha1.New(), length: pieceLength}
	buf := make([]byte, 1<<20)
	for _, f := range s.files {
		if err := s.hashFile(&p, f, buf); err != nil {
			return nil, err
		}
	}
	return p.finish(), nil
}

func (s *source) hashFile(p *pieceHasher, f sourceFile, buf []byte) error {
	file, err := s.root.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	// One byte more than expected is enough to see that the file has grown.
	n, err := io.CopyBuffer(p, io.LimitReader(file, f.length+1), buf)
	if err != nil {
		return fmt.Errorf("read %q: %w", f.path, err)
	}
	if n != f.length {
		return fmt.Errorf("%q changed while it was read", f.path)
	}
	return nil
}

// pieceHasher cuts what is written to it into pieces and hashes them.
type pieceHasher struct {
	sum    hash.Hash
	length int64 // of a piece
	have   int64 // bytes in the current piece
	pieces []byte
}

func (p *pieceHasher) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part := b[:min(int64(len(b)), p.length-p.have)]
		p.sum.Write(part)
		b = b[len(part):]
		if p.have += int64(len(part)); p.have == p.length {
			p.end()
		}
	}
	return n, nil
}

func (p *pieceHasher) end() {
	p.pieces = p.sum.Sum(p.pieces)
	p.sum.Reset()
	p.have = 0
}

func (p *pieceHasher) finish() []byte {
	if p.have > 0 {
		p.end()
	}
	return p.pieces
}

// autoPieceLength returns a power of two that makes about 1500 pieces, between
// 16 KiB and 16 MiB: fewer are coarse to share and to verify, more make the
// torrent heavy.
func autoPieceLength(total int64) int64 {
	length := int64(leastAutoPiece)
	for length < mostAutoPiece && total/length > wantPieces {
		length *= 2
	}
	return length
}

func encode(src *source, pieces []byte, o BuildOptions) ([]byte, error) {
	info := map[string]any{"name": o.Name, "piece length": o.PieceLength, "pieces": pieces}
	if o.Private {
		info["private"] = 1
	}
	if src.dir {
		files := make([]any, len(src.files))
		for i, f := range src.files {
			files[i] = map[string]any{"length": f.length, "path": strings.Split(f.path, "/")}
		}
		info["files"] = files
	} else {
		info["length"] = src.total
	}
	torrent := map[string]any{"created by": "lorrent", "info": info}
	if o.Comment != "" {
		torrent["comment"] = o.Comment
	}
	for _, tier := range o.Trackers {
		if len(tier) > 0 {
			torrent["announce"] = tier[0]
			torrent["announce-list"] = o.Trackers
			break
		}
	}
	return bencode.Marshal(torrent)
}

// verify parses what was built and compares it with what was asked for.
func verify(b []byte, src *source, o BuildOptions) error {
	m, err := parse(b)
	if err != nil {
		return err
	}
	if m.Info.Name != o.Name {
		return fmt.Errorf("name %s would become %s wherever the torrent is added", quote(o.Name), quote(m.Info.Name))
	}
	for i, f := range src.files {
		if path := strings.Join(m.Info.Files[i].Path[1:], "/"); src.dir && path != f.path {
			return fmt.Errorf("file %s would become %s wherever the torrent is added", quote(f.path), quote(path))
		}
	}
	kept := slices.Concat(m.Trackers...)
	for _, url := range slices.Concat(o.Trackers...) {
		if !slices.Contains(kept, url) {
			return fmt.Errorf("tracker %s: want an http, https or udp URL", quote(url))
		}
	}
	return nil
}
