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
	"strconv"
	"strings"

	"github.com/anacrolix/torrent/bencode"

	"lorrent/daemon/torrent/hashtree"
)

// Format is which kinds of clients can read a torrent.
type Format int

const (
	V1     Format = iota // all of them (BEP 3)
	V2                   // those that speak v2 (BEP 52)
	Hybrid               // both, as one swarm each
)

// BuildOptions says what Build puts into the torrent beside the content.
type BuildOptions struct {
	Format      Format
	Name        string     // the last element of root when empty
	PieceLength int64      // bytes; 0 chooses a power of two for about 1500 pieces; in v2 it must be one
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
	if o.Format != V1 {
		if err := v2PieceLength(o.PieceLength); err != nil {
			return nil, err
		}
	}
	sums, err := src.hash(o.PieceLength, o.Format)
	if err != nil {
		return nil, err
	}
	b, err := encode(src, sums, o)
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

// sums are the hashes of a source.
type sums struct {
	pieces []byte            // v1: the SHA-1 of every piece, one after the other
	leaves [][]hashtree.Hash // v2: of every file
}

func (s *source) hash(pieceLength int64, format Format) (sums, error) {
	p := pieceHasher{sum: sha1.New(), length: pieceLength, v1: format != V2}
	out := sums{leaves: make([][]hashtree.Hash, len(s.files))}
	buf := make([]byte, 1<<20)
	for i, f := range s.files {
		var leaves leafHasher
		var to io.Writer = &p
		if format != V1 {
			to = io.MultiWriter(&p, &leaves)
		}
		if err := s.hashFile(to, f, buf); err != nil {
			return out, err
		}
		out.leaves[i] = leaves.finish()
		if gap := s.gap(i, pieceLength); format == Hybrid && gap > 0 {
			if _, err := io.CopyBuffer(&p, io.LimitReader(zeros{}, gap), buf); err != nil {
				return out, err
			}
		}
	}
	out.pieces = p.finish()
	return out, nil
}

// gap is the padding behind a file, so that the next one begins at a piece.
func (s *source) gap(i int, pieceLength int64) int64 {
	f := s.files[i]
	if f.length == 0 || !slices.ContainsFunc(s.files[i+1:], func(f sourceFile) bool { return f.length > 0 }) {
		return 0
	}
	return -f.length & (pieceLength - 1)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func (s *source) hashFile(to io.Writer, f sourceFile, buf []byte) error {
	file, err := s.root.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	// One byte more than expected is enough to see that the file has grown.
	n, err := io.CopyBuffer(to, io.LimitReader(file, f.length+1), buf)
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
	v1     bool  // pieces are wanted
	pieces []byte
}

func (p *pieceHasher) Write(b []byte) (int, error) {
	n := len(b)
	for p.v1 && len(b) > 0 {
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

// leafHasher cuts what is written to it into blocks and hashes them.
type leafHasher struct {
	block  []byte // the current one
	leaves []hashtree.Hash
}

func (l *leafHasher) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part := b[:min(len(b), hashtree.BlockSize-len(l.block))]
		l.block = append(l.block, part...)
		b = b[len(part):]
		if len(l.block) == hashtree.BlockSize {
			l.finish()
		}
	}
	return n, nil
}

func (l *leafHasher) finish() []hashtree.Hash {
	if len(l.block) > 0 {
		l.leaves = append(l.leaves, hashtree.Leaf(l.block))
		l.block = l.block[:0]
	}
	return l.leaves
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

func encode(src *source, sums sums, o BuildOptions) ([]byte, error) {
	info := map[string]any{"name": o.Name, "piece length": o.PieceLength}
	if o.Private {
		info["private"] = 1
	}
	if o.Format != V2 {
		info["pieces"] = sums.pieces
		if src.dir {
			info["files"] = fileDicts(src, o)
		} else {
			info["length"] = src.total
		}
	}
	torrent := map[string]any{"created by": "lorrent", "info": info}
	if o.Format != V1 {
		info["meta version"] = 2
		info["file tree"], torrent["piece layers"] = treeDicts(src, sums, o)
	}
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

// fileDicts is the files of a v1 torrent, with the padding that a hybrid one
// needs.
func fileDicts(src *source, o BuildOptions) (files []any) {
	for i, f := range src.files {
		files = append(files, map[string]any{"length": f.length, "path": strings.Split(f.path, "/")})
		if gap := src.gap(i, o.PieceLength); o.Format == Hybrid && gap > 0 {
			files = append(files, map[string]any{"attr": "p", "length": gap, "path": []string{".pad", strconv.FormatInt(gap, 10)}})
		}
	}
	return files
}

// treeDicts is the file tree and the piece layers of a v2 torrent.
func treeDicts(src *source, sums sums, o BuildOptions) (tree, layers map[string]any) {
	tree, layers = make(map[string]any), make(map[string]any)
	rise := hashtree.Height(o.PieceLength / hashtree.BlockSize)
	for i, f := range src.files {
		path := strings.Split(f.path, "/")
		if !src.dir {
			path = []string{o.Name}
		}
		at := tree
		for _, part := range path {
			below, ok := at[part].(map[string]any)
			if !ok {
				below = make(map[string]any)
				at[part] = below
			}
			at = below
		}
		file := map[string]any{"length": f.length}
		at[""] = file
		if f.length == 0 {
			continue
		}
		leaves := sums.leaves[i]
		root := hashtree.Root(leaves, 0, hashtree.Height(int64(len(leaves))))
		file["pieces root"] = root[:]
		if f.length > o.PieceLength {
			var layer []byte
			for part := range slices.Chunk(leaves, 1<<rise) {
				node := hashtree.Root(part, 0, rise)
				layer = append(layer, node[:]...)
			}
			layers[string(root[:])] = layer
		}
	}
	return tree, layers
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
	kept := slices.DeleteFunc(slices.Clone(m.Info.Files), func(f File) bool { return f.Pad })
	for i, f := range src.files {
		if len(kept[i].Path) > 1 != src.dir {
			return fmt.Errorf("a folder with the single file %s becomes that file in a v2 torrent", quote(f.path))
		}
		if path := strings.Join(kept[i].Path[1:], "/"); src.dir && path != f.path {
			return fmt.Errorf("file %s would become %s wherever the torrent is added", quote(f.path), quote(path))
		}
	}
	urls := slices.Concat(m.Trackers...)
	for _, url := range slices.Concat(o.Trackers...) {
		if !slices.Contains(urls, url) {
			return fmt.Errorf("tracker %s: want an http, https or udp URL", quote(url))
		}
	}
	return nil
}
