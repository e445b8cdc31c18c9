package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// Remove deletes the torrent's files and then those of their folders that are
// empty, never the root. What is missing already is fine; what is not a regular
// file is not ours and stays. It goes on after an error and returns all.
func (t *Torrent) Remove() error {
	if err := t.checkRoot(); err != nil {
		return err
	}
	t.mu.Lock()
	idle := t.dropAll()
	clear(t.dirty)
	clear(t.gained)
	t.mu.Unlock()
	errs := []error{closeAll(idle)}
	for i := range t.layout.files {
		if !t.layout.files[i].pad {
			errs = append(errs, t.removeFile(i))
		}
	}
	for _, dir := range slices.Backward(t.layout.folders) {
		errs = append(errs, t.removeFolder(dir))
	}
	return errors.Join(errs...)
}

func (t *Torrent) removeFile(i int) error {
	name := t.layout.files[i].name
	info, err := t.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err == nil {
		err = t.root.Remove(name)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return t.fail("remove", i, -1, err)
}

func (t *Torrent) removeFolder(dir string) error {
	info, err := t.root.Lstat(dir)
	if err == nil && !info.IsDir() {
		return nil // a link or a file: not ours
	}
	if err == nil {
		err = t.root.Remove(dir)
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR),
		errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		return nil
	}
	return classify(fmt.Errorf("remove folder below %s: %w", t.path, err))
}
