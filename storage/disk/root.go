package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CreateRoot creates the folder at path and its parents where missing (0755),
// on stable storage when it returns. It is for the download folder of the
// configuration; for any other torrent a missing root is an error.
func CreateRoot(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("create download folder %s: %w", path, err)
	}
	var gained []string // folders that get an entry
	for dir := abs; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		gained = append(gained, filepath.Dir(dir))
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return classify(fmt.Errorf("create download folder: %w", err))
	}
	for _, dir := range gained {
		if err := syncFolder(os.Open(dir)); err != nil {
			return fmt.Errorf("create download folder %s: sync %s: %w", abs, dir, err)
		}
	}
	return nil
}

// openRoot opens the root, which must be there.
func openRoot(path string) (*os.Root, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		info, statErr := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || statErr == nil && !info.IsDir() {
			return nil, fmt.Errorf("%w: %w", ErrRootMissing, err)
		}
		return nil, classify(fmt.Errorf("open download folder: %w", err))
	}
	return root, nil
}

// checkRoot fails with ErrRootMissing when the folder that Open opened is not at
// its path any more: deleted, moved, or a disk mounted over it.
func (t *Torrent) checkRoot() error {
	now, err := os.Stat(t.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRootMissing, err)
	}
	then, err := t.root.Stat(".")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRootMissing, err)
	}
	if !os.SameFile(now, then) {
		return fmt.Errorf("%w: %s is another folder now", ErrRootMissing, t.path)
	}
	return nil
}

// FreeBytes returns the bytes that a file system has left for this user.
func FreeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := uninterrupted(func() error { return unix.Statfs(dir, &s) }); err != nil {
		return 0, fmt.Errorf("read free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// syncFolder makes the entries of an opened folder last and closes it.
func syncFolder(dir *os.File, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
