package storage

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// freePages is how many pages of an open database may be written to.
func freePages(t *testing.T, db *DB) int {
	t.Helper()
	if _, err := db.Setting("none"); err != nil {
		t.Fatal(err)
	}
	s := db.bolt.Stats()
	return s.FreePageN + s.PendingPageN
}

// freeListAt is where the list of free pages is in the file, 0 when there is none.
func freeListAt(t *testing.T, path string) (at int64) {
	t.Helper()
	db, err := openBolt(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pageSize := int64(db.Info().PageSize)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		if id := binary.NativeEndian.Uint64(b[int64(tx.ID()%2)*pageSize+metaFreeList:]); id != noFreeList {
			at = int64(id) * pageSize
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// withFreePages is the path of a database that was closed after much was removed:
// more pages than a page has numbers of.
func withFreePages(t *testing.T) (path string) {
	t.Helper()
	db := openTest(t)
	if err := db.AddTorrent(sample(1), Metadata{Info: make([]byte, 4<<20)}, Resume{}); err != nil {
		t.Fatal(err)
	}
	if err := db.AddTorrent(sample(2), Metadata{Info: []byte("kept")}, Resume{}); err != nil {
		t.Fatal(err)
	}
	if err := db.RemoveTorrent(sample(1).InfoHash); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return db.path
}

// Close leaves the list of free pages, and a crash does not; either way, all of
// them are known again.
func TestFreeList(t *testing.T) {
	path := withFreePages(t)
	for _, closed := range []bool{true, false, true} {
		if listed := freeListAt(t, path) != 0; listed != closed {
			t.Fatalf("after a close: %v; there is a list: %v", closed, listed)
		}
		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := freePages(t, db); n < 1000 {
			t.Errorf("%d free pages", n)
		}
		if info, err := db.Info(sample(2).InfoHash); err != nil || string(info) != "kept" {
			t.Errorf("%q, %v", info, err)
		}
		if closed {
			crash(t, db)
		} else if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A list that offers pages which are in use, or no pages, would destroy what is
// there.
func TestDamagedFreeList(t *testing.T) {
	good := withFreePages(t)
	at := freeListAt(t, good)
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	order := binary.NativeEndian
	if n := order.Uint16(b[at+10:]); n < 1000 || n == manyFree {
		t.Fatalf("%d free pages", n)
	}
	put := func(off int64, v uint64) func([]byte) { return func(b []byte) { order.PutUint64(b[at+off:], v) } }
	for name, damage := range map[string]func(b []byte){
		"a page in use":     put(pageHeader, uint64(at)/4096),
		"a meta page":       put(pageHeader, 1),
		"no page":           put(pageHeader+8*900, 1<<40),
		"a page twice":      func(b []byte) { copy(b[at+pageHeader:], b[at+pageHeader+8:at+pageHeader+16]) },
		"another type":      func(b []byte) { order.PutUint16(b[at+8:], leafPage) },
		"too many":          func(b []byte) { order.PutUint16(b[at+10:], manyFree-1) },
		"far too many":      func(b []byte) { order.PutUint16(b[at+10:], manyFree); order.PutUint64(b[at+pageHeader:], 1<<61+1) },
		"another page":      func(b []byte) { order.PutUint64(b[at:], 2) },
		"pages without end": func(b []byte) { order.PutUint32(b[at+12:], 1<<31) },
	} {
		t.Run(name, func(t *testing.T) {
			bad := append([]byte(nil), b...)
			damage(bad)
			path := t.TempDir() + "/x.db"
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
}
