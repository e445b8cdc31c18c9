package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// fallocateStep bounds one fallocate call: it starts over when a signal comes.
const fallocateStep = 256 << 20

// Want says what AllocateFiles makes of a file.
type Want uint8

const (
	Whole   Want = iota // it is there, with its length
	Touched             // it is there, and as long as what is written to it
	Absent              // it is not created
)

// Allocate creates what is missing of folders and files, those of no length
// too, and gives files that are too short their length by the mode of Config.
// Longer files are left as they are. When the file system has less space than
// the blocks still to come, it creates nothing and fails with ErrNoSpace. That
// counts holes as blocks to come, so a finished torrent should not be allocated
// again. It is for one caller at a time.
func (t *Torrent) Allocate() error { return t.AllocateFiles(func(int) Want { return Whole }) }

// AllocateFiles is Allocate for some of the files. No folder is created for
// nothing. Of the space that a Touched file will take nothing is known.
func (t *Torrent) AllocateFiles(want func(file int) Want) error {
	infos, err := t.look()
	if err != nil {
		return err
	}
	if err := t.checkSpace(infos, want); err != nil {
		return err
	}
	needed := t.foldersOf(want)
	for _, dir := range t.layout.folders {
		if !needed[dir] {
			continue
		}
		if err := t.createFolder(dir); err != nil {
			return err
		}
	}
	for i := range t.layout.files {
		w := want(i)
		if t.layout.files[i].pad || w == Absent || w == Touched && infos[i] != nil {
			continue
		}
		if err := t.allocateFile(i, infos[i], w); err != nil {
			return err
		}
	}
	return nil
}

// foldersOf are those of the files that are to be there.
func (t *Torrent) foldersOf(want func(file int) Want) map[string]bool {
	needed := map[string]bool{".": true}
	for i := range t.layout.files {
		if t.layout.files[i].pad || want(i) == Absent {
			continue
		}
		for dir := t.layout.files[i].folder; !needed[dir]; dir = filepath.Dir(dir) {
			needed[dir] = true
		}
	}
	return needed
}

// checkSpace compares what is free with what the files will still take.
func (t *Torrent) checkSpace(infos []fs.FileInfo, want func(file int) Want) error {
	var needed int64
	for i, info := range infos {
		if f := &t.layout.files[i]; !f.pad && want(i) == Whole {
			needed += f.length - min(allocated(info), f.length)
		}
	}
	if needed == 0 {
		return nil
	}
	free, err := t.sys.free(t.path)
	if err != nil {
		return err
	}
	if needed > free {
		return fmt.Errorf("allocate below %s: %w: needed %d bytes, free %d bytes", t.path, ErrNoSpace, needed, free)
	}
	return nil
}

// allocated returns the bytes that the file system has given to a file.
func allocated(info fs.FileInfo) int64 {
	if info == nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}

func (t *Torrent) createFolder(dir string) error {
	err := t.root.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil // should it not be a folder, creating files in it says so
	}
	if err != nil {
		return classify(fmt.Errorf("create folder below %s: %w", t.path, err))
	}
	t.markGained(filepath.Dir(dir))
	return nil
}

func (t *Torrent) allocateFile(i int, info fs.FileInfo, want Want) (err error) {
	f := &t.layout.files[i]
	switch {
	case info == nil:
	case info.Size() > f.length, info.Size() == f.length && (t.mode == Sparse || allocated(info) >= f.length):
		return nil
	}
	file, err := t.openOrCreate(i, info == nil)
	if err != nil {
		return t.fail("create", i, -1, err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = t.fail("allocate", i, -1, closeErr)
		}
	}()
	if want == Whole {
		err = t.extend(file, f.length)
	}
	if err != nil {
		return t.fail("allocate", i, -1, err)
	}
	return nil
}

func (t *Torrent) openOrCreate(i int, create bool) (*os.File, error) {
	if !create {
		return t.openFile(i, true)
	}
	f := &t.layout.files[i]
	// O_EXCL never follows a link, not even one that came a moment ago.
	file, err := t.root.OpenFile(f.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		t.markGained(f.folder)
	}
	return file, err
}

// extend gives a file that is not longer than length its length.
func (t *Torrent) extend(file *os.File, length int64) error {
	if t.mode == Full {
		err := t.reserve(int(file.Fd()), length)
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
			return err
		}
	}
	return file.Truncate(length)
}

// reserve takes the blocks of a whole file.
func (t *Torrent) reserve(fd int, length int64) error {
	for off := int64(0); off < length; off += fallocateStep {
		if err := t.sys.fallocate(fd, off, min(fallocateStep, length-off)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Torrent) markGained(dir string) {
	t.mu.Lock()
	t.gained[dir] = true
	t.mu.Unlock()
}
