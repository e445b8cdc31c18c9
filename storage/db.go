// Package storage is the daemon's database, one bbolt file: torrents, their
// info dicts and resume data, LoRa messages and a few settings. It is the only
// importer of bbolt.
//
// Rules:
//   - What a method that writes has returned nil for is on stable storage and
//     survives kill -9 and power loss. Whether the payload a resume record speaks
//     of is there too is the caller's part: sync the files first, save then.
//   - Values that come out are copies; values that go in are not kept.
//   - One damaged record costs that record: it is reported, the others are
//     returned. A damaged file is an error from Open that names it, not a panic.
//   - One process at a time: see ErrLocked.
//   - Functions given to UpdateTorrent and UpdateMessage run inside the write
//     transaction: they compute, and must not call the DB.
//
// Buckets, version 4 (integers in keys are big-endian, so that keys sort):
//
//	meta        version → decimal, running → when the process that has not closed it started
//	torrents    info hash → JSON of Torrent; version 4: which of its files are wanted
//	infos       info hash → info dict, verbatim
//	layers      info hash → piece layers of v2 torrents, hashes one after the other; version 2
//	resume      info hash → see encodeResume
//	messages    sequence → JSON of Message
//	message_ids length of ID, ID, sender → sequence; messages there are already
//	message_dir 'i' or 'o', sequence → nothing; messages by direction
//	message_peer node, sequence → 'i' or 'o'; direct messages by the other end, 0xFFFFFFFF for those to everyone
//	message_channel length of channel, channel, sequence → 'i' or 'o'; messages by channel; this and what follows: version 3
//	windows     name → replay window
//	peers       public key → JSON of Peer
//	channels    id → JSON of Channel
//	reads       as message_peer or message_channel without sequence → sequence of the last message read
//	outbox      sequence → nothing; outgoing messages under way
//	settings    key → value
package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrLocked means that another process has the database open.
	ErrLocked = errors.New("database is locked")
	// ErrExists means that a record of this key is there already.
	ErrExists = errors.New("exists already")
	// ErrNotFound means that there is no record of this key.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt means that a record, or the whole file, is damaged.
	ErrCorrupt = errors.New("damaged")
)

const (
	lockTimeout = time.Second
	// batchDelay is how long a SaveResume waits for others to share its commit.
	// A commit takes about as long, so a lone caller hardly notices.
	batchDelay = 2 * time.Millisecond
)

// DB is an open database. Its methods are safe for concurrent use.
type DB struct {
	bolt  *bolt.DB
	path  string
	clean bool
}

// Open opens the database at path, which it creates when missing (0600; the
// folder must exist), brings its schema up to date and marks it as in use. It
// fails with ErrLocked after a second when another process has it, with
// ErrCorrupt when the file is damaged, and when a newer program wrote it.
func Open(path string) (*DB, error) {
	return open(path, ladder())
}

func open(path string, steps []migration) (*DB, error) {
	info, err := os.Stat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err == nil && info.Size() > 0 {
		if err := probe(path, info.Size()); err != nil {
			return nil, openError(path, err)
		}
	}
	db := &DB{path: path}
	db.bolt, err = openBolt(path, false)
	if err != nil {
		return nil, openError(path, err)
	}
	if err := db.prepare(steps); err != nil {
		return nil, openError(path, errors.Join(err, db.bolt.Close()))
	}
	if isNew {
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return nil, openError(path, errors.Join(err, db.bolt.Close()))
		}
	}
	return db, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("open database: another process uses %s: %w", path, ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("open database %s: not a database, or %w: %w", path, ErrCorrupt, err)
	}
	return fmt.Errorf("open database %s: %w", path, err)
}

// openBolt opens the file with our options. bbolt panics over some kinds of
// damage; the file it had open by then is closed here, which frees its lock.
func openBolt(path string, readOnly bool) (db *bolt.DB, err error) {
	var file *os.File
	err = guard(anyPanic, func() error {
		var err error
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:  lockTimeout,
			ReadOnly: readOnly,
			// The free list is not rewritten by every commit: Close leaves
			// one, and after a crash it is found by a scan. The map finds a
			// free page at once.
			FreelistType:   bolt.FreelistMapType,
			NoFreelistSync: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				var err error
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			},
		})
		return err
	})
	if err != nil {
		if file != nil {
			_ = file.Close() // bbolt may have closed it
		}
		return nil, err
	}
	db.MaxBatchDelay = batchDelay
	return db, nil
}

// Close marks the database as closed in good order, as the last thing written,
// and closes it. Calls that come later fail. The list of free pages goes along, so
// that the next Open need not walk all of them a second time, in the map.
func (db *DB) Close() error {
	err := db.update(func(tx *bolt.Tx) error {
		db.bolt.NoFreelistSync = false // the writer's lock is ours
		return tx.Bucket(bucketMeta).Delete(keyRunning)
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil // closed already
	}
	if err := errors.Join(err, db.bolt.Close()); err != nil {
		return fmt.Errorf("close database %s: %w", db.path, err)
	}
	return nil
}

// Abandon closes the database of a process that did no work, and leaves the
// marker as the previous process left it.
func (db *DB) Abandon() error {
	if db.clean {
		return db.Close()
	}
	if err := db.bolt.Close(); err != nil {
		return fmt.Errorf("close database %s: %w", db.path, err)
	}
	return nil
}

// WasClean reports whether the previous process closed the database. False
// means that it crashed, and that payload files may be ahead of the records.
func (db *DB) WasClean() bool { return db.clean }

// view, update and batch run fn in a transaction. Damage that bbolt meets comes
// back as ErrCorrupt; with batch, concurrent callers share one commit and fn may
// run more than once.
func (db *DB) view(fn func(*bolt.Tx) error) error {
	return db.guard(func() error { return db.bolt.View(fn) })
}

func (db *DB) update(fn func(*bolt.Tx) error) error {
	return db.guard(func() error { return db.bolt.Update(fn) })
}

func (db *DB) batch(fn func(*bolt.Tx) error) error {
	return db.guard(func() error {
		return db.bolt.Batch(func(tx *bolt.Tx) error {
			// Again inside: bbolt calls it from a goroutine of its own.
			return db.guard(func() error { return fn(tx) })
		})
	})
}

func (db *DB) guard(fn func() error) error {
	err := guard(damagePanic, fn)
	if errors.Is(err, errPanic) {
		return fmt.Errorf("use database %s: %w", db.path, err)
	}
	return err
}

var errPanic = fmt.Errorf("%w file", ErrCorrupt)

// guard turns the panics that match into errors, and memory faults into panics:
// the file is mapped, and reading where it was cut off is a fault.
func guard(match func(p any) bool, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if !match(p) {
				panic(p)
			}
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return fn()
}

func anyPanic(any) bool { return true }

// damagePanic tells bbolt's own panics (texts) and memory faults from the bugs
// of a caller's function.
func damagePanic(p any) bool {
	switch p.(type) {
	case string, interface{ Addr() uintptr }:
		return true
	}
	return false
}

// syncFolder makes the name of a new file in dir last.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
