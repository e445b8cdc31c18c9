package disk

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Classes of errors, found with errors.Is. The error itself says what was done
// to which file; the system's own error stays reachable too.
var (
	// ErrNoSpace means that the file system, the quota or the largest file size
	// is used up: ENOSPC, EDQUOT, EFBIG, or Allocate's own look at the free space.
	ErrNoSpace = errors.New("disk full")
	// ErrRootMissing means that the root is not there, as when its disk is not
	// mounted. Nothing may be downloaded into such a place.
	ErrRootMissing = errors.New("download folder is missing")
	// ErrReadOnly means that writing or opening is not permitted: EROFS, EACCES, EPERM.
	ErrReadOnly = errors.New("not permitted")
)

// errNotRegular refuses symbolic links, devices, pipes and folders where a
// payload file should be.
var errNotRegular = errors.New("not a regular file")

// IsDiskFull reports whether err, from here or from any other write, means that
// there is no space left.
func IsDiskFull(err error) bool {
	return errors.Is(err, ErrNoSpace) || classOf(err) == ErrNoSpace
}

// classError adds a class to an error without changing its text.
type classError struct{ class, err error }

func (e *classError) Error() string   { return e.err.Error() }
func (e *classError) Unwrap() []error { return []error{e.err, e.class} }

func classify(err error) error {
	if class := classOf(err); class != nil {
		return &classError{class: class, err: err}
	}
	return err
}

func classOf(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return nil
	}
	switch errno {
	case unix.ENOSPC, unix.EDQUOT, unix.EFBIG:
		return ErrNoSpace
	case unix.EROFS, unix.EACCES, unix.EPERM:
		return ErrReadOnly
	}
	return nil
}
