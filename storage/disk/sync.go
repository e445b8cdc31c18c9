package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Sync returns nil once everything that WriteAt had written when Sync was
// called is on stable storage, with the names of files and folders on the way.
// Only files written since the last Sync cost anything.
//
// When the system says that it could not store a file (fdatasync failed), it
// may have dropped the data and would call the next attempt a success. So that
// error stays: every later Sync returns it too. What was written since the last
// good Sync has to count as lost, and the torrent be opened anew.
func (t *Torrent) Sync() error {
	// One at a time: a second caller must not return before the first has
	// finished with the files it took from dirty.
	t.syncMu.Lock()
	defer t.syncMu.Unlock()
	if t.lost != nil {
		return t.lost
	}
	t.mu.Lock()
	dirty, gained := t.dirty, t.gained
	t.dirty, t.gained = make(map[int]bool), make(map[string]bool)
	t.mu.Unlock()

	err := t.syncFiles(dirty)
	if err == nil {
		err = t.syncFolders(dirty, gained)
	}
	if err != nil {
		t.mu.Lock()
		maps.Copy(t.dirty, dirty)
		maps.Copy(t.gained, gained)
		t.mu.Unlock()
	}
	return err
}

func (t *Torrent) syncFiles(dirty map[int]bool) error {
	files := slices.Sorted(maps.Keys(dirty))
	if len(files) > 1 {
		// Start the writing of all before waiting for one: the file system then
		// commits its journal once for many files rather than once for each.
		for _, i := range files {
			if err := t.startWriting(i); err != nil {
				return t.fail("sync", i, -1, err)
			}
		}
	}
	for _, i := range files {
		if err := t.syncFile(i); err != nil {
			return err
		}
	}
	return nil
}

func (t *Torrent) startWriting(i int) error {
	h, err := t.acquire(i, false)
	if err != nil {
		return err
	}
	defer t.release(h)
	// A hint only: file systems without it are none the worse.
	_ = unix.SyncFileRange(int(h.file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	return nil
}

func (t *Torrent) syncFile(i int) error {
	h, err := t.acquire(i, false)
	if err != nil {
		return t.fail("sync", i, -1, err)
	}
	defer t.release(h)
	if err := t.sys.fdatasync(int(h.file.Fd())); err != nil {
		t.lost = t.fail("sync", i, -1, err)
		return t.lost
	}
	return nil
}

// syncFolders stores the names: of the folders that gained some, and once of
// all on the way to a dirty file, which an earlier process may have created
// without living to its first Sync.
func (t *Torrent) syncFolders(dirty map[int]bool, gained map[string]bool) error {
	for dir := range gained {
		delete(t.settled, dir)
	}
	want := maps.Clone(gained)
	for i := range dirty {
		want[t.layout.files[i].folder] = true
	}
	for dir := range want {
		for ; !t.settled[dir]; dir = filepath.Dir(dir) {
			if err := t.syncFolder(dir); err != nil {
				return err
			}
			t.settled[dir] = true
		}
	}
	return nil
}

func (t *Torrent) syncFolder(dir string) error {
	err := syncFolder(t.root.Open(dir))
	// Some network file systems have no such thing.
	if err == nil || errors.Is(err, unix.EINVAL) {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return classify(fmt.Errorf("sync folder %s: %w", filepath.Join(t.path, dir), err))
}
