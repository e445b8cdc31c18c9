package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// record replaces fdatasync by one that notes the files it was called for.
func record(tor *Torrent) *[]string {
	var synced []string
	real := tor.sys.fdatasync
	tor.sys.fdatasync = func(fd int) error {
		name, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		synced = append(synced, strings.TrimPrefix(name, tor.path+"/"))
		return real(fd)
	}
	return &synced
}

func write(t *testing.T, tor *Torrent, off, length int64) {
	t.Helper()
	if err := tor.WriteAt([][]byte{make([]byte, length)}, off); err != nil {
		t.Fatal(err)
	}
}

func TestSyncTakesOnlyWhatWasWritten(t *testing.T) {
	tor := allocate(t, Config{Files: mixed(), MaxOpen: 1})
	synced := record(tor)
	for _, c := range []struct {
		name        string
		off, length int64
		want        []string
	}{
		{"nothing", 0, 0, nil},
		{"one file", 5, 10, []string{"t/a"}},
		{"nothing again", 0, 0, nil},
		{"over borders, padding left out", 999, 100, []string{"t/a", "t/x/y/b", "t/x/c"}},
		{"padding only", 1001, 23, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			*synced = nil
			write(t, tor, c.off, c.length)
			if err := tor.Sync(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(*synced, c.want) {
				t.Errorf("synced %v, want %v", *synced, c.want)
			}
		})
	}
}

func TestSyncStoresNames(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	if err := tor.Sync(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "t", "t/x", "t/x/y"} {
		if !tor.settled[dir] {
			t.Errorf("names in %s are not stored", dir)
		}
	}
	// Another process's files: their folders are stored with the first data.
	later := open(t, Config{Root: tor.path, Files: mixed()})
	if err := later.Allocate(); err != nil {
		t.Fatal(err)
	}
	if err := later.Sync(); err != nil || len(later.settled) != 0 {
		t.Errorf("stored %v for nothing (%v)", later.settled, err)
	}
	write(t, later, 1000, 1)
	if err := later.Sync(); err != nil || len(later.settled) != 4 {
		t.Errorf("stored %v (%v)", later.settled, err)
	}
	// A file that comes back makes its folder unsettled again.
	if err := os.Remove(filepath.Join(tor.path, "t/x/empty")); err != nil {
		t.Fatal(err)
	}
	if err := later.Allocate(); err != nil {
		t.Fatal(err)
	}
	if !later.gained["t/x"] || len(later.gained) != 1 {
		t.Errorf("gained %v", later.gained)
	}
	if err := os.RemoveAll(filepath.Join(tor.path, "t/x")); err != nil {
		t.Fatal(err)
	}
	if err := later.Sync(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was not stored again: %v", err)
	}
}

func TestWriteDuringSyncStaysDirty(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	write(t, tor, 0, 10)
	raced := false
	tor.sys.fdatasync = func(fd int) error {
		err := unix.Fdatasync(fd)
		if !raced {
			raced = true
			write(t, tor, 20, 10) // the same file, after its data was stored
		}
		return err
	}
	if err := tor.Sync(); err != nil {
		t.Fatal(err)
	}
	if !tor.dirty[1] {
		t.Fatal("the write that came during Sync counts as stored")
	}
	if err := tor.Sync(); err != nil || len(tor.dirty) != 0 {
		t.Errorf("second sync: %v, dirty %v", err, tor.dirty)
	}
}

// The other way round: Sync runs while a write is under way.
func TestSyncDuringWriteLeavesItDirty(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	write(t, tor, 0, 10)
	real := tor.sys.pwritev
	tor.sys.pwritev = func(fd int, bufs [][]byte, off int64) (int, error) {
		if err := tor.Sync(); err != nil {
			t.Error(err)
		}
		return real(fd, bufs, off)
	}
	write(t, tor, 20, 10)
	if !tor.dirty[1] {
		t.Error("a write that ended after Sync counts as stored")
	}
}

func TestSecondSyncWaitsForTheFirst(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	write(t, tor, 0, 10)
	entered, proceed := make(chan struct{}), make(chan struct{})
	tor.sys.fdatasync = func(int) error { close(entered); <-proceed; return unix.EIO }
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- tor.Sync() }()
	<-entered
	go func() { second <- tor.Sync() }()
	select {
	case err := <-second:
		t.Errorf("the second returned before the first: %v", err)
		second <- err
	case <-time.After(50 * time.Millisecond): // time enough to return if it did not wait
	}
	close(proceed)
	if err := <-first; !errors.Is(err, unix.EIO) {
		t.Errorf("first: %v", err)
	}
	if err := <-second; !errors.Is(err, unix.EIO) {
		t.Errorf("the second promised what the first failed to store: %v", err)
	}
}

func TestFailedSyncIsNeverForgotten(t *testing.T) {
	tor := allocate(t, Config{Files: mixed()})
	write(t, tor, 0, 10)
	real := tor.sys.fdatasync
	tor.sys.fdatasync = func(int) error { return unix.ENOSPC }
	err := tor.Sync()
	if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), filepath.Join(tor.path, "t", "a")) {
		t.Fatalf("got %v", err)
	}
	// The kernel reports a loss once and then calls the pages clean.
	tor.sys.fdatasync = real
	if err := tor.Sync(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("a later sync promised lost data: %v", err)
	}
}

func TestSyncOfAVanishedFile(t *testing.T) {
	tor := allocate(t, Config{Files: mixed(), MaxOpen: 1})
	write(t, tor, 0, 10)
	write(t, tor, 1000, 1) // takes the only cached descriptor
	if err := os.Remove(filepath.Join(tor.path, "t", "a")); err != nil {
		t.Fatal(err)
	}
	if err := tor.Sync(); err == nil || !strings.Contains(err.Error(), filepath.Join(tor.path, "t", "a")) {
		t.Errorf("got %v", err)
	}
	if !tor.dirty[1] || !tor.dirty[2] {
		t.Errorf("dirty is now %v", tor.dirty)
	}
}
