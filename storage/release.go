package storage

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Release takes the pages of the database that were read out of the process's
// memory. Nothing is lost: the file is mapped, and a page that is wanted again
// is there again, from the kernel's cache or the disk.
func (db *DB) Release() error {
	err := db.view(func(tx *bolt.Tx) error { // while it lasts, the map stays where it is
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, db.bolt.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release pages of %s: %w", db.path, err)
	}
	return nil
}
