package metainfo

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sort"

	"lorrent/daemon/torrent/hashtree"
)

// What an info dictionary says of BitTorrent v2 (BEP 52). A hybrid one says
// the same twice, in the terms of v1 and of v2.

// checkVersion reports whether the info is a v2 or hybrid one. It comes before
// everything else, so that a torrent of the future is called that.
func checkVersion(fields map[string][]byte) (v2 bool, err error) {
	version, err := integer(fields["meta version"])
	switch {
	case err != nil && fields["pieces"] == nil && fields["file tree"] != nil:
		return false, fmt.Errorf("meta version: %w", err)
	case err != nil: // v1, whatever else it says
		return false, nil
	case version > 2:
		return false, fmt.Errorf("meta version %d is newer than 2, the newest known", version)
	case version < 2:
		return false, fmt.Errorf("meta version %d: want 2", version)
	}
	return true, nil
}

// v2PieceLength applies the stricter rule of v2.
func v2PieceLength(n int64) error {
	if n < hashtree.BlockSize || bits.OnesCount64(uint64(n)) != 1 {
		return fmt.Errorf("piece length %d: want a power of two of at least %d in a v2 torrent", n, hashtree.BlockSize)
	}
	return nil
}

// agree compares the files of a hybrid torrent as v1 has them with those of its
// file tree: the same names and lengths in the same order, each that is not
// empty beginning at a piece. It notes the roots.
func agree(v1, v2 []File, pieceLength int64) error {
	next := 0
	for i := range v1 {
		f := &v1[i]
		if f.Pad {
			continue
		}
		at := fmt.Sprintf("file %d of %d", i+1, len(v1))
		if next == len(v2) {
			return fmt.Errorf("v1 and v2 disagree: %s, %s, is not in the file tree", at, quote(slashed(f.Path)))
		}
		other := &v2[next]
		next++
		switch {
		case !slices.Equal(f.Path, other.Path):
			return fmt.Errorf("v1 and v2 disagree: %s is %s, in the file tree it is %s", at, quote(slashed(f.Path)), quote(slashed(other.Path)))
		case f.Length != other.Length:
			return fmt.Errorf("v1 and v2 disagree: %s, %s, has %d bytes, in the file tree %d", at, quote(slashed(f.Path)), f.Length, other.Length)
		case f.Length > 0 && f.Offset%pieceLength != 0:
			return fmt.Errorf("v1 and v2 disagree: %s, %s, begins inside a piece, at byte %d", at, quote(slashed(f.Path)), f.Offset)
		case f.Length > 0 && f.Offset-contentEnd(v1[:i]) >= pieceLength:
			return fmt.Errorf("v1 and v2 disagree: whole pieces of padding before %s, %s", at, quote(slashed(f.Path)))
		}
		f.Root = other.Root
	}
	if next < len(v2) {
		return fmt.Errorf("v1 and v2 disagree: %s of the file tree is not among the files", quote(slashed(v2[next].Path)))
	}
	if last := v1[len(v1)-1]; last.Offset+last.Length-contentEnd(v1) >= pieceLength {
		return errors.New("v1 and v2 disagree: whole pieces of padding at the end")
	}
	return nil
}

// contentEnd is where the last file that is neither padding nor empty ends.
func contentEnd(files []File) int64 {
	for _, f := range slices.Backward(files) {
		if !f.Pad && f.Length > 0 {
			return f.Offset + f.Length
		}
	}
	return 0
}

// IsV2 reports whether the torrent is a v2 or a hybrid one.
func (i *Info) IsV2() bool { return i.V2 != HashV2{} }

// IsHybrid reports whether the torrent is a v1 and a v2 one.
func (i *Info) IsHybrid() bool { return i.IsV2() && i.Pieces != nil }

// fileOf returns the file that holds the first byte of a piece.
func (i *Info) fileOf(piece int) *File {
	at := int64(piece) * i.PieceLength
	n := sort.Search(len(i.Files), func(k int) bool { return i.Files[k].Offset+i.Files[k].Length > at })
	return &i.Files[n]
}

// Tree is what a piece of a v2 torrent is in the hash tree of its file: a node.
type Tree struct {
	File      *File
	Layer     int // of the node
	Index     int // of the node in its layer
	Hash      hashtree.Hash
	Known     bool // Hash is; false while the torrent has no piece layers
	NumBlocks int  // of the piece
}

// PieceTree returns the place of a piece in its file's hash tree. The torrent
// is a v2 or hybrid one and has that piece, which is not all padding.
func (i *Info) PieceTree(piece int) Tree {
	f := i.fileOf(piece)
	t := Tree{File: f, NumBlocks: int(hashtree.Blocks(i.PayloadSize(piece)))}
	if f.Length <= i.PieceLength {
		t.Layer, t.Hash, t.Known = hashtree.Height(hashtree.Blocks(f.Length)), f.Root, true
		return t
	}
	t.Layer = i.PieceLayer()
	t.Index = piece - int(f.Offset/i.PieceLength)
	if i.layers != nil {
		t.Hash, t.Known = i.layers[f.layer+t.Index], true
	}
	return t
}

// PieceLayer is the layer of the hash trees whose nodes cover a piece each.
func (i *Info) PieceLayer() int { return hashtree.Height(i.PieceLength / hashtree.BlockSize) }

// Layer returns the piece layer of a file that is longer than a piece, nil when
// the torrent has none. It must not be changed.
func (i *Info) Layer(f *File) []hashtree.Hash {
	if i.layers == nil || f.Length <= i.PieceLength {
		return nil
	}
	return i.layers[f.layer : f.layer+int(i.pieces(f))]
}

// pieces is how many pieces a file has.
func (i *Info) pieces(f *File) int64 { return (f.Length + i.PieceLength - 1) / i.PieceLength }

// NumLayerHashes is how many hashes the piece layers of all files have together.
func (i *Info) NumLayerHashes() int { return i.layerHashes }

// HasLayers reports whether every piece can be verified by its v2 hash. Piece
// layers are not in the info dictionary, so a magnet link brings none.
func (i *Info) HasLayers() bool { return i.IsV2() && (i.layerHashes == 0 || i.layers != nil) }

// Layers returns the piece layers of all files that are longer than a piece,
// one after the other in torrent order, nil when there are none.
func (i *Info) Layers() []byte { return hashtree.Append(nil, i.layers) }

// WithLayers returns the info with its piece layers, as Layers writes them. It
// is an error when they do not lead to the files' roots.
func (i *Info) WithLayers(b []byte) (*Info, error) {
	with, err := i.withLayers(b)
	if err != nil {
		return nil, fmt.Errorf("metainfo: piece layers: %w", err)
	}
	return with, nil
}

func (i *Info) withLayers(b []byte) (*Info, error) {
	layers, err := hashtree.Parse(b)
	if err != nil {
		return nil, err
	}
	if len(layers) != i.layerHashes {
		return nil, fmt.Errorf("%d hashes, want %d", len(layers), i.layerHashes)
	}
	with := *i
	with.layers = layers
	for k := range with.Files {
		f := &with.Files[k]
		if layer := with.Layer(f); layer != nil && hashtree.New(layer, with.PieceLayer()).Root() != f.Root {
			return nil, fmt.Errorf("those of file %d, %s, do not lead to its pieces root", k+1, quote(slashed(f.Path)))
		}
	}
	return &with, nil
}

// numberLayers notes where each file's piece layer begins.
func (i *Info) numberLayers() {
	for k := range i.Files {
		f := &i.Files[k]
		if f.layer = i.layerHashes; !f.Pad && f.Length > i.PieceLength {
			i.layerHashes += int(i.pieces(f))
		}
	}
}

// readLayers reads the "piece layers" of a .torrent, a dictionary from the root
// of a file to its layer, and adds them to the info.
func readLayers(info *Info, raw []byte) (*Info, error) {
	if raw == nil && info.layerHashes > 0 {
		return nil, errors.New("piece layers: is missing, which a v2 torrent must have")
	}
	found := make(map[hashtree.Hash][]byte)
	if raw != nil {
		err := newCursor().dict(raw, func(key, value []byte) error {
			layer, err := content(value)
			switch {
			case err != nil:
				return fmt.Errorf("layer of %x: %w", key[:min(len(key), hashtree.Size)], err)
			case len(key) != hashtree.Size:
				return fmt.Errorf("a key of %d bytes, want %d", len(key), hashtree.Size)
			}
			root := hashtree.Hash(key)
			if _, ok := found[root]; ok {
				return fmt.Errorf("the layer of %v is there twice", root)
			}
			found[root] = layer
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("piece layers: %w", err)
		}
	}
	used := make(map[hashtree.Hash]bool)
	var all []byte
	for k := range info.Files {
		f := &info.Files[k]
		used[f.Root] = true
		if f.Pad || f.Length <= info.PieceLength {
			continue
		}
		layer, ok := found[f.Root]
		if want := int(info.pieces(f)) * hashtree.Size; !ok || len(layer) != want {
			return nil, fmt.Errorf("piece layers: file %d, %s, has %d bytes of them, want %d", k+1, quote(slashed(f.Path)), len(layer), want)
		}
		all = append(all, layer...)
	}
	for root := range found {
		if !used[root] {
			return nil, fmt.Errorf("piece layers: those of %v belong to no file", root)
		}
	}
	with, err := info.withLayers(all)
	if err != nil {
		return nil, fmt.Errorf("piece layers: %w", err)
	}
	return with, nil
}
