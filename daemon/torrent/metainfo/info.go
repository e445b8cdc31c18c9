package metainfo

import (
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sort"
	"unicode/utf8"

	"lorrent/daemon/torrent/hashtree"
)

const (
	maxPieceLength = 512 << 20
	maxPieces      = 1 << 22
)

// Info is a decoded info dictionary: what a torrent contains. It is immutable
// and may be shared.
type Info struct {
	Bytes       []byte // the info dictionary verbatim: what the hashes are of
	Hash        Hash   // v1, or of a torrent that is v2 only its v2 hash cut short
	V2          HashV2 // zero in a torrent that is v1 only
	Name        string // one safe path component
	PieceLength int64  // bytes, 1 to 512 MiB, not always a multiple of 16 KiB
	TotalLength int64  // bytes, at least 1, the sum of the files' lengths, padding included
	NumBytes    int64  // the sum of the pieces' PayloadSize: what there is to download
	Files       []File // in torrent order, offsets ascending
	Private     bool   // BEP 27: peers only from the torrent's own trackers
	Pieces      []byte // 20 bytes of SHA-1 for each piece, a part of Bytes; nil when v2 only

	layers      []hashtree.Hash // see WithLayers
	layerHashes int             // how many of them there are to be
}

// NumPieces returns the number of pieces, at least 1.
func (i *Info) NumPieces() int { return int((i.TotalLength-1)/i.PieceLength + 1) }

// NumFiles returns the number of files that are no padding.
func (i *Info) NumFiles() (n int) {
	for k := range i.Files {
		if !i.Files[k].Pad {
			n++
		}
	}
	return n
}

// PayloadSize returns the number of bytes of a piece without the padding at its
// end, which is not asked of anybody: it is known to be zeros. It is 0 for a
// piece that is all padding.
func (i *Info) PayloadSize(index int) int64 {
	size := i.PieceSize(index)
	begin := int64(index) * i.PieceLength
	n := sort.Search(len(i.Files), func(k int) bool { return i.Files[k].Offset >= begin+size })
	for n--; n >= 0 && size > 0 && (i.Files[n].Pad || i.Files[n].Length == 0); n-- {
		size = max(0, min(size, i.Files[n].Offset-begin))
	}
	return size
}

// PieceSize returns the number of bytes of a piece: PieceLength, or less for
// the last one, or 0 when there is no piece with that index.
func (i *Info) PieceSize(index int) int64 {
	if index < 0 || index >= i.NumPieces() {
		return 0
	}
	return min(i.PieceLength, i.TotalLength-int64(index)*i.PieceLength)
}

// PieceHash returns the SHA-1 of a piece, 20 bytes of Pieces, or nil when
// there is no piece with that index, or the torrent is v2 only.
func (i *Info) PieceHash(index int) []byte {
	if index < 0 || index >= len(i.Pieces)/sha1.Size {
		return nil
	}
	return i.Pieces[index*sha1.Size : (index+1)*sha1.Size : (index+1)*sha1.Size]
}

// ParseInfo decodes a verbatim info dictionary, as it lies in the database or
// comes from peers. The result keeps b, which must not change any more.
func ParseInfo(b []byte) (*Info, error) {
	info, err := parseInfo(b)
	if err != nil {
		return nil, fmt.Errorf("metainfo: %w", err)
	}
	return info, nil
}

func parseInfo(b []byte) (*Info, error) {
	if err := checkSize(b); err != nil {
		return nil, err
	}
	fields, err := infoFields(b)
	if err != nil {
		return nil, fmt.Errorf("info: %w", err)
	}
	v2, err := checkVersion(fields)
	if err != nil {
		return nil, fmt.Errorf("info: %w", err)
	}
	info := &Info{Bytes: b, Hash: sha1.Sum(b), Private: isPrivate(fields["private"])}
	if info.Name, err = infoName(fields); err != nil {
		return nil, err
	}
	if info.PieceLength, err = pieceLength(fields["piece length"]); err != nil {
		return nil, err
	}
	if v2 {
		info.V2 = sha256.Sum256(b)
		err = info.readV2(fields)
	} else {
		err = info.readV1(fields)
	}
	if err != nil {
		return nil, err
	}
	if info.NumBytes = info.payload(); info.NumBytes == 0 {
		return nil, errors.New("info: there is nothing but padding")
	}
	return info, nil
}

// payload is the sum of the pieces' payload.
func (i *Info) payload() (sum int64) {
	if !slices.ContainsFunc(i.Files, func(f File) bool { return f.Pad }) {
		return i.TotalLength
	}
	for k := range i.NumPieces() {
		sum += i.PayloadSize(k)
	}
	return sum
}

// readV1 reads what a v1 torrent contains.
func (i *Info) readV1(fields map[string][]byte) (err error) {
	if i.Files, err = files(i.Name, fields["length"], fields["files"]); err != nil {
		return err
	}
	if err := layOut(i.Files); err != nil {
		return err
	}
	last := i.Files[len(i.Files)-1]
	i.TotalLength = last.Offset + last.Length
	i.Pieces, err = pieces(fields["pieces"], i.TotalLength, i.PieceLength)
	return err
}

// readV2 reads what a v2 torrent contains, and of a hybrid one both halves.
func (i *Info) readV2(fields map[string][]byte) error {
	if err := v2PieceLength(i.PieceLength); err != nil {
		return err
	}
	tree, err := fileTree(i.Name, fields["file tree"])
	if err != nil {
		return err
	}
	hybrid := fields["pieces"] != nil || fields["files"] != nil || fields["length"] != nil
	if hybrid {
		if i.Files, err = files(i.Name, fields["length"], fields["files"]); err != nil {
			return err
		}
		if err = agree(i.Files, tree, i.PieceLength); err != nil {
			return err
		}
	} else {
		i.Hash = i.V2.Short()
		if i.Files, err = align(tree, i.PieceLength); err != nil {
			return err
		}
	}
	if err := layOut(i.Files); err != nil {
		return err
	}
	last := i.Files[len(i.Files)-1]
	i.TotalLength = last.Offset + last.Length
	if i.TotalLength == 0 {
		return errors.New("info: the total length is 0")
	}
	i.numberLayers()
	if i.layerHashes > MaxSize/hashtree.Size {
		return fmt.Errorf("piece layers: %d hashes are more than the limit of %d", i.layerHashes, MaxSize/hashtree.Size)
	}
	if hybrid {
		i.Pieces, err = pieces(fields["pieces"], i.TotalLength, i.PieceLength)
		return err
	}
	if n := i.NumPieces(); n > maxPieces {
		return fmt.Errorf("%d pieces: more than the limit of %d", n, maxPieces)
	}
	return nil
}

// infoFields returns the raw values of the keys that are understood.
func infoFields(b []byte) (map[string][]byte, error) {
	fields := make(map[string][]byte)
	c := newCursor()
	err := c.dict(b, func(key, value []byte) error {
		switch k := string(key); k {
		case "name", "name.utf-8", "piece length", "pieces", "length", "files", "private", "meta version", "file tree":
			if _, ok := fields[k]; ok {
				return fmt.Errorf("%s is there twice", k)
			}
			fields[k] = value
		}
		return nil
	})
	if err == nil && c.pos != len(b) {
		err = fmt.Errorf("%d bytes after its end", len(b)-c.pos)
	}
	return fields, err
}

// isPrivate is true of any number but 0 and, in doubt for the tracker that
// asked for privacy, of the string "1".
func isPrivate(raw []byte) bool {
	if n, err := integer(raw); err == nil {
		return n != 0
	}
	s, err := content(raw)
	return err == nil && string(s) == "1"
}

// infoName prefers name.utf-8 to name: some programs write name in the
// encoding of their user's country.
func infoName(fields map[string][]byte) (string, error) {
	raw, err := content(fields["name.utf-8"])
	if err != nil || !utf8.Valid(raw) {
		if raw, err = content(fields["name"]); err != nil {
			return "", fmt.Errorf("name: %w", err)
		}
	}
	name, err := component(raw)
	if err != nil {
		return "", fmt.Errorf("name %s: %w", quote(raw), err)
	}
	return name, nil
}

func pieceLength(raw []byte) (int64, error) {
	n, err := integer(raw)
	switch {
	case err != nil:
		return 0, fmt.Errorf("piece length: %w", err)
	case n <= 0:
		return 0, fmt.Errorf("piece length %d: must be positive", n)
	case n > maxPieceLength:
		return 0, fmt.Errorf("piece length %d: more than the limit of %d", n, maxPieceLength)
	}
	return n, nil
}

func pieces(raw []byte, total, pieceLength int64) ([]byte, error) {
	hashes, err := content(raw)
	if err != nil {
		return nil, fmt.Errorf("pieces: %w", err)
	}
	want := (total-1)/pieceLength + 1
	switch have := len(hashes) / sha1.Size; {
	case want > maxPieces:
		return nil, fmt.Errorf("%d pieces: more than the limit of %d", want, maxPieces)
	case len(hashes)%sha1.Size != 0:
		return nil, fmt.Errorf("pieces: %d bytes are not a multiple of %d", len(hashes), sha1.Size)
	case int64(have) != want:
		return nil, fmt.Errorf("pieces: %d hashes for %d bytes in pieces of %d, want %d", have, total, pieceLength, want)
	}
	return hashes[:len(hashes):len(hashes)], nil
}
