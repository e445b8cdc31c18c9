// Package disk holds the payload files of torrents and is the only place that
// opens them. A Torrent maps the torrent's byte space (all files one behind the
// other, BEP 3) to files below one root folder.
//
// Rules:
//   - Every path is resolved by os.Root, below the root. A symbolic link in the
//     place of a payload file is refused, and one in the place of a folder may
//     not lead outside.
//   - Only CreateRoot creates a root, only Allocate (and AllocateFiles) creates folders and files,
//     only Remove deletes any, and nothing here ever shortens a file. What is on
//     the disk is reported by Stat; what to make of it is the engine's decision.
//   - Sync returning nil means that what WriteAt had written before is on stable
//     storage, names included. Nothing else makes that promise.
//   - Pad files (BEP 47) are never on disk: they read as zeros and swallow writes.
package disk

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Mode says how Allocate gives files their length.
type Mode int

const (
	Sparse Mode = iota // set the length only: instant, blocks are taken as data arrives
	Full               // reserve every block, so that the disk cannot fill up half-way
)

// defaultMaxOpen is the number of descriptors a torrent keeps when Config says 0.
const defaultMaxOpen = 32

// Config describes the files of one torrent.
type Config struct {
	Root    string // existing folder below which every path lies
	Files   []File // in torrent order
	Mode    Mode
	MaxOpen int // descriptors kept open, least recently used closed first; 0 means 32
}

// Torrent reads and writes the files of one torrent. Its methods are safe for
// concurrent use, except that nothing may write while Remove runs.
type Torrent struct {
	// immutable after Open
	root    *os.Root
	path    string // absolute path of root
	layout  layout
	mode    Mode
	maxOpen int
	sys     kernel

	// guarded by mu
	mu     sync.Mutex
	closed bool
	open   map[int]*handle // by file index
	lru    *list.List      // of *handle, most recently used first
	dirty  map[int]bool    // files written since the last Sync
	gained map[string]bool // folders that gained entries since the last Sync

	// guarded by syncMu
	syncMu  sync.Mutex
	settled map[string]bool // folders whose entries are on stable storage
	lost    error           // a failed fdatasync: see Sync
}

// Open opens the root and nothing else: it creates no file and looks at none.
// The error is ErrRootMissing when cfg.Root is not an existing folder.
func Open(cfg Config) (*Torrent, error) {
	l, err := newLayout(cfg.Files)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, fmt.Errorf("open download folder %s: %w", cfg.Root, err)
	}
	root, err := openRoot(path)
	if err != nil {
		return nil, err
	}
	if cfg.MaxOpen <= 0 {
		cfg.MaxOpen = defaultMaxOpen
	}
	return &Torrent{
		root: root, path: path, layout: l, mode: cfg.Mode, maxOpen: cfg.MaxOpen, sys: linux(),
		open: make(map[int]*handle), lru: list.New(),
		dirty: make(map[int]bool), gained: make(map[string]bool),
		settled: make(map[string]bool),
	}, nil
}

// Close closes the descriptors; calls under way finish first with theirs. It
// does not sync: what was written since the last Sync is not promised.
func (t *Torrent) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	idle := t.dropAll()
	t.mu.Unlock()
	return errors.Join(closeAll(idle), t.root.Close())
}

// name returns the absolute path of file i, for error texts.
func (t *Torrent) name(i int) string {
	return filepath.Join(t.path, t.layout.files[i].name)
}

// fail gives err the verb, the file, the offset in it (-1: none) and its class.
func (t *Torrent) fail(verb string, i int, off int64, err error) error {
	// The path in a PathError is relative to the root; ours is the whole one.
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	where := t.name(i)
	if off >= 0 {
		where = fmt.Sprintf("%s at offset %d", where, off)
	}
	err = fmt.Errorf("%s %s: %w", verb, where, err)
	if errors.Is(err, fs.ErrNotExist) {
		if gone := t.checkRoot(); gone != nil {
			return fmt.Errorf("%w: %w", err, gone)
		}
	}
	return classify(err)
}
