package disk

import (
	"container/list"
	"errors"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// handle is an open file. It is closed once it has left the cache and its last
// user released it, so nobody ever reads a descriptor that means another file.
type handle struct {
	// immutable
	file     *os.File
	index    int
	writable bool

	// writing is held during a write. The kernel lets one writer at a time
	// into a file and has the others spin, which costs a core; here they sleep.
	writing sync.Mutex

	// guarded by Torrent.mu
	refs    int
	evicted bool
	place   *list.Element
}

// acquire returns file i opened for reading, or for both. The caller releases it.
func (t *Torrent) acquire(i int, write bool) (*handle, error) {
	if h, err := t.cached(i, write); h != nil || err != nil {
		return h, err
	}
	// Opened without the lock: a slow disk must not hold up reads of other files.
	file, err := t.openFile(i, write)
	if err != nil {
		return nil, err
	}
	h, idle, err := t.cache(&handle{file: file, index: i, writable: write})
	return h, errors.Join(err, closeAll(idle))
}

func (t *Torrent) cached(i int, write bool) (*handle, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fs.ErrClosed
	}
	h := t.open[i]
	if h == nil || write && !h.writable {
		return nil, nil
	}
	h.refs++
	t.lru.MoveToFront(h.place)
	return h, nil
}

// cache keeps h, or what another goroutine cached meanwhile, and returns it
// acquired, with the handles that nobody needs any more.
func (t *Torrent) cache(h *handle) (kept *handle, idle []*handle, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, []*handle{h}, fs.ErrClosed
	}
	if other := t.open[h.index]; other != nil {
		if other.writable || !h.writable {
			other.refs++
			t.lru.MoveToFront(other.place)
			return other, []*handle{h}, nil
		}
		idle = t.drop(other, idle)
	}
	h.refs = 1
	h.place = t.lru.PushFront(h)
	t.open[h.index] = h
	for t.lru.Len() > t.maxOpen {
		idle = t.drop(t.lru.Back().Value.(*handle), idle)
	}
	return h, idle, nil
}

// drop takes h out of the cache and appends it to idle if nobody uses it. The
// caller holds mu and closes what is idle once it has let go of it.
func (t *Torrent) drop(h *handle, idle []*handle) []*handle {
	delete(t.open, h.index)
	t.lru.Remove(h.place)
	h.evicted = true
	if h.refs == 0 {
		idle = append(idle, h)
	}
	return idle
}

// dropAll empties the cache. The caller holds mu.
func (t *Torrent) dropAll() (idle []*handle) {
	for t.lru.Len() > 0 {
		idle = t.drop(t.lru.Back().Value.(*handle), idle)
	}
	return idle
}

func (t *Torrent) release(h *handle) {
	t.mu.Lock()
	h.refs--
	last := h.evicted && h.refs == 0
	t.mu.Unlock()
	if last {
		// A close error says nothing about the data: Sync asks for that.
		_ = h.file.Close()
	}
}

func closeAll(idle []*handle) error {
	var errs []error
	for _, h := range idle {
		errs = append(errs, h.file.Close())
	}
	return errors.Join(errs...)
}

// openFile opens an existing payload file. os.Root keeps it below the root but
// would follow a link to another file there, so the name itself is looked at
// first and compared with what was opened.
func (t *Torrent) openFile(i int, write bool) (*os.File, error) {
	name := t.layout.files[i].name
	want, err := t.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !want.Mode().IsRegular() {
		return nil, errNotRegular
	}
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	// O_NONBLOCK: should a pipe have taken the name just now, do not hang on it.
	file, err := t.root.OpenFile(name, flag|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	got, err := file.Stat()
	if err == nil && !os.SameFile(want, got) {
		err = errNotRegular
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
