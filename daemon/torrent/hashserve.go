package torrent

import (
	"errors"
	"sync"

	"lorrent/daemon/torrent/hashtree"
	"lorrent/daemon/torrent/metainfo"
	"lorrent/daemon/torrent/peerwire"
)

const (
	maxHashAsks   = 64        // answers a peer may wait for
	hashBacklog   = 256 << 10 // bytes a peer has not read yet, before it is given more
	hashJobs      = 2         // answers of a torrent that are computed at a time
	hashesPerTick = 2048      // answers a torrent gives in a second
)

// trees are the hash trees of a torrent's files above its pieces, made when
// somebody first asks about them. They are safe for concurrent use.
type trees struct {
	mu    sync.Mutex
	info  *metainfo.Info
	files map[hashtree.Hash]*metainfo.File // by their roots
	above map[*metainfo.File]*hashtree.Tree
}

func newTrees(info *metainfo.Info) *trees {
	return &trees{info: info, above: make(map[*metainfo.File]*hashtree.Tree)}
}

// with takes over the piece layers that were missing.
func (t *trees) with(info *metainfo.Info) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.info = info
	clear(t.above)
}

// file returns the file with this root, the first of them where several are the
// same, nil when there is none.
func (t *trees) file(root hashtree.Hash) *metainfo.File {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == nil {
		t.files = make(map[hashtree.Hash]*metainfo.File)
		for i := range t.info.Files {
			f := &t.info.Files[i]
			if _, ok := t.files[f.Root]; !ok && f.Length > 0 && !f.Pad {
				t.files[f.Root] = f
			}
		}
	}
	return t.files[root]
}

// of returns the tree of a file from its pieces upwards, nil when its layer is
// not known. A file of one piece has a tree of its root alone.
func (t *trees) of(f *metainfo.File) *hashtree.Tree {
	t.mu.Lock()
	defer t.mu.Unlock()
	tree := t.above[f]
	if tree == nil {
		if f.Length <= t.info.PieceLength {
			tree = hashtree.New([]hashtree.Hash{f.Root}, hashtree.Height(hashtree.Blocks(f.Length)))
		} else if layer := t.info.Layer(f); layer != nil {
			tree = hashtree.New(layer, t.info.PieceLayer())
		} else {
			return nil
		}
		t.above[f] = tree
	}
	return tree
}

// hashServe is the state of giving hashes to one peer.
type hashServe struct {
	asks []hashtree.Request
	busy bool // an answer is being computed
}

// hashesAsked answers a hash request, or puts it off. It reports false when the
// peer was dropped.
func (s *session) hashesAsked(r *remote, q hashtree.Request) bool {
	if r.early != nil || s.content == nil || !s.content.info.IsV2() || len(r.hashes.asks) >= maxHashAsks || s.fileOf(q) == nil {
		if r.excess++; r.excess > maxExcess {
			s.drop(r, "%d requests for hashes beyond what there is", r.excess)
			return false
		}
		r.sayHash(peerwire.HashReject, q.Bytes())
		return true
	}
	r.hashes.asks = append(r.hashes.asks, q)
	s.giveHashes(r)
	return true
}

// fileOf returns the file a request is about, nil when it makes no sense, or
// takes blocks we do not have.
func (s *session) fileOf(q hashtree.Request) *metainfo.File {
	f := s.content.trees.file(q.Root)
	if f == nil || q.Check(hashtree.Blocks(f.Length)) != nil || !s.hasLeaves(f, q) {
		return nil
	}
	return f
}

// hasLeaves reports whether every piece is there that a request below the piece
// layer is about.
func (s *session) hasLeaves(f *metainfo.File, q hashtree.Request) bool {
	first, last, ok := s.content.piecesOf(f, q)
	for p := first; ok && p <= last; p++ {
		if !s.content.picker.Have().Has(p) {
			return false
		}
	}
	return true
}

// piecesOf are the pieces whose blocks must be read for an answer; ok is false
// when there are none: the answer is above them, or past the end of the file.
func (c *content) piecesOf(f *metainfo.File, q hashtree.Request) (first, last int, ok bool) {
	layer := c.pieceLayer(f)
	if int(q.Base) >= layer {
		return 0, 0, false
	}
	begin := int(f.Offset / c.info.PieceLength)
	end := begin + int((f.Length-1)/c.info.PieceLength)
	rise := layer - int(q.Base)
	first, last = begin+int(q.Index>>rise), begin+int((q.Index+q.Length-1)>>rise)
	return first, min(last, end), first <= end
}

// pieceLayer is the layer whose nodes are pieces of a file: its root, when it
// has only one.
func (c *content) pieceLayer(f *metainfo.File) int {
	return min(c.info.PieceLayer(), hashtree.Height(hashtree.Blocks(f.Length)))
}

// giveHashes computes the next answer for a peer, outside the actor: it may take
// reading the blocks.
func (s *session) giveHashes(r *remote) {
	h := &r.hashes
	if h.busy || len(h.asks) == 0 || s.draining || s.serve.hashJobs >= hashJobs || s.serve.hashes >= hashesPerTick || r.conn.Backlog() >= hashBacklog {
		return
	}
	q := h.asks[0]
	h.asks = h.asks[1:]
	h.busy = true
	s.serve.hashJobs++
	s.serve.hashes++
	s.fetch.writing++ // the content must stay
	c, f := s.content, s.fileOf(q)
	s.submit(s.e.disk, func() func() {
		var hashes []hashtree.Hash
		err := errors.New("not there")
		if f != nil {
			hashes, err = c.hashes(f, q)
		}
		return func() {
			h.busy = false
			s.serve.hashJobs--
			s.fetch.writing--
			if err != nil {
				r.sayHash(peerwire.HashReject, q.Bytes())
			} else {
				r.sayHash(peerwire.Hashes, hashtree.Append(q.Bytes(), hashes))
			}
			s.hashesTick()
		}
	})
}

// hashesTick goes on with those who wait.
func (s *session) hashesTick() {
	for _, r := range s.swarm.peers {
		s.giveHashes(r)
	}
}

// hashes is the answer to a request, which Check has passed.
func (c *content) hashes(f *metainfo.File, q hashtree.Request) ([]hashtree.Hash, error) {
	above := c.trees.of(f)
	if above == nil && int(q.Base)+int(q.Proof) >= c.pieceLayer(f) {
		return nil, errors.New("the piece layer is not known")
	}
	below := make(map[int]*hashtree.Tree) // of each piece, by its index in the piece layer
	if first, last, ok := c.piecesOf(f, q); ok {
		begin := int(f.Offset / c.info.PieceLength)
		for p := first; p <= last; p++ {
			check, err := c.readPiece(p)
			if err != nil {
				return nil, err
			}
			below[p-begin] = hashtree.New(check.padded(), 0)
		}
	}
	layer := c.pieceLayer(f)
	return q.Answer(func(l, index int) hashtree.Hash {
		if l >= layer {
			if above == nil {
				return hashtree.Hash{}
			}
			return above.At(l, index)
		}
		rise := layer - l
		tree := below[index>>rise]
		if tree == nil {
			return hashtree.Pad(l) // past the end of the file
		}
		return tree.At(l, index&(1<<rise-1))
	}), nil
}

// padded are the leaves of a piece with the padding up to where its own node is
// the root of them.
func (c *pieceCheck) padded() []hashtree.Hash {
	rise := c.info.PieceTree(c.piece).Layer
	leaves := make([]hashtree.Hash, 1<<rise)
	copy(leaves, c.leaves)
	return leaves
}

// readPiece hashes a piece that is there.
func (c *content) readPiece(p int) (*pieceCheck, error) {
	check, err := c.hashPiece(p)
	if err == nil && check == nil {
		err = errors.New("the files are gone")
	}
	return check, err
}
