package disk

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Stamp is what the disk says about one file. A pad file is always there, with
// its own length and no time.
type Stamp struct {
	Size    int64
	ModTime int64 // Unix nanoseconds
	Exists  bool
}

// Stat returns a stamp for each file. A missing file is a stamp, a missing root
// is ErrRootMissing, and a link or folder in the place of a file is an error.
func (t *Torrent) Stat() ([]Stamp, error) {
	infos, err := t.look()
	if err != nil {
		return nil, err
	}
	stamps := make([]Stamp, len(infos))
	for i, info := range infos {
		switch {
		case t.layout.files[i].pad:
			stamps[i] = Stamp{Size: t.layout.files[i].length, Exists: true}
		case info != nil:
			stamps[i] = Stamp{Size: info.Size(), ModTime: info.ModTime().UnixNano(), Exists: true}
		}
	}
	return stamps, nil
}

// look returns what is at each file's path, nil where nothing is and for pad files.
func (t *Torrent) look() ([]fs.FileInfo, error) {
	if err := t.checkRoot(); err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, len(t.layout.files))
	for i := range infos {
		if t.layout.files[i].pad {
			continue
		}
		info, err := t.root.Lstat(t.layout.files[i].name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
			continue
		case err != nil:
			return nil, t.fail("look at", i, -1, err)
		case !info.Mode().IsRegular():
			return nil, t.fail("look at", i, -1, errNotRegular)
		}
		infos[i] = info
	}
	return infos, nil
}
