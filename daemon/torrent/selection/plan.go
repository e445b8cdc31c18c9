package selection

import (
	"errors"
	"fmt"

	"lorrent/daemon/torrent/bitfield"
	"lorrent/daemon/torrent/metainfo"
)

// ErrNothing says that a selection wants no file at all.
var ErrNothing = errors.New("no file of the torrent is wanted")

// Plan is what a Selection means for a torrent. It is immutable.
type Plan struct {
	Selection Selection // no longer than the torrent
	Files     []Priority
	Pieces    []Priority // nil when all are Normal
	Skipped   int64      // payload bytes in pieces that are not wanted

	info *metainfo.Info
}

// NewPlan works out what a Selection means for a torrent. Files beyond its last
// do not count. When nothing is wanted the error is ErrNothing, and the Plan is
// right all the same.
func NewPlan(info *metainfo.Info, s Selection) (*Plan, error) {
	p := &Plan{Files: s.Files(len(info.Files)), info: info}
	p.Selection = Of(p.Files)
	if s.All() {
		return p, nil
	}
	p.Pieces = make([]Priority, info.NumPieces())
	nothing := true
	for i, f := range info.Files {
		if f.Pad || p.Files[i] == Skip {
			continue
		}
		nothing = false
		for piece, last := pieces(info, i); piece <= last; piece++ {
			p.Pieces[piece] = max(p.Pieces[piece], p.Files[i])
		}
	}
	for i, priority := range p.Pieces {
		if priority == Skip {
			p.Skipped += info.PayloadSize(i)
		}
	}
	if nothing {
		return p, fmt.Errorf("%w: it has files 0 to %d", ErrNothing, len(info.Files)-1)
	}
	return p, nil
}

// pieces are the first and the last piece that a file has a part in; an empty
// one has none, and its last is before its first.
func pieces(info *metainfo.Info, file int) (first, last int) {
	f := &info.Files[file]
	if f.Length == 0 {
		return 0, -1
	}
	return int(f.Offset / info.PieceLength), int((f.Offset + f.Length - 1) / info.PieceLength)
}

// Piece is the priority of a piece.
func (p *Plan) Piece(piece int) Priority {
	if p.Pieces == nil {
		return Normal
	}
	return p.Pieces[piece]
}

// Touched reports whether a piece that is wanted has a part of the file, which
// may be a file that is not wanted itself.
func (p *Plan) Touched(file int) bool {
	first, last := pieces(p.info, file)
	// The pieces in between are this file's alone.
	return first <= last && (p.Piece(first) != Skip || p.Piece(last) != Skip)
}

// Complete reports whether all pieces are there that are wanted.
func (p *Plan) Complete(have *bitfield.Bitfield) bool {
	if p.Pieces == nil {
		return have.All()
	}
	for piece, priority := range p.Pieces {
		if priority != Skip && !have.Has(piece) {
			return false
		}
	}
	return true
}

// SkippedIn counts the payload bytes in pieces that are there and not wanted.
func (p *Plan) SkippedIn(have *bitfield.Bitfield) (n int64) {
	if p.Skipped == 0 {
		return 0
	}
	for piece := have.Next(0); piece >= 0; piece = have.Next(piece + 1) {
		if p.Pieces[piece] == Skip {
			n += p.info.PayloadSize(piece)
		}
	}
	return n
}
