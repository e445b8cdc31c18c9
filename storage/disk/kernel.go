package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// kernel is the handful of system calls whose failures cannot be had on demand.
type kernel struct {
	pwritev   func(fd int, bufs [][]byte, off int64) (int, error)
	fdatasync func(fd int) error
	fallocate func(fd int, off, length int64) error
	free      func(dir string) (int64, error)
}

func linux() kernel {
	return kernel{
		pwritev: func(fd int, bufs [][]byte, off int64) (n int, err error) {
			err = uninterrupted(func() error {
				if len(bufs) == 1 { // as nearly always, and a good deal cheaper
					n, err = unix.Pwrite(fd, bufs[0], off)
				} else {
					n, err = unix.Pwritev(fd, bufs, off)
				}
				return err
			})
			return n, err
		},
		fdatasync: func(fd int) error {
			return uninterrupted(func() error { return unix.Fdatasync(fd) })
		},
		fallocate: func(fd int, off, length int64) error {
			return uninterrupted(func() error { return unix.Fallocate(fd, 0, off, length) })
		},
		free: FreeBytes,
	}
}

// uninterrupted repeats call while a signal interrupts it.
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
