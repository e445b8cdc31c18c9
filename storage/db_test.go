package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func openTest(t *testing.T) *DB {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "test.db"))
}

func reopen(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// crash leaves the file as a killed process would: closed without Close.
func crash(t *testing.T, db *DB) {
	t.Helper()
	if err := db.bolt.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenCreatesAPrivateFile(t *testing.T) {
	db := openTest(t)
	info, err := os.Stat(db.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if db.bolt.NoSync || !db.bolt.NoFreelistSync || db.bolt.FreelistType != bolt.FreelistMapType {
		t.Errorf("bbolt runs with the wrong options: %v", db.bolt)
	}
	_, err = Open(filepath.Join(t.TempDir(), "missing", "x.db"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "missing/x.db") {
		t.Errorf("missing folder: %v", err)
	}
}

func TestSecondOpenIsLocked(t *testing.T) {
	db := openTest(t)
	start := time.Now()
	_, err := Open(db.path)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another process uses "+db.path) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took < lockTimeout/2 {
		t.Errorf("it took %v", took)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	reopen(t, db.path)
}

func TestUncleanMarker(t *testing.T) {
	db := openTest(t)
	path := db.path
	for i, step := range []struct {
		name  string
		clean bool
		end   func(*DB) error // nil is a crash
	}{
		{"new", true, (*DB).Close}, {"after a close", true, (*DB).Abandon}, {"after giving up a clean one", true, nil},
		{"after a crash", false, nil}, {"after two", false, (*DB).Abandon}, {"after giving up", false, (*DB).Close},
		{"after a close again", true, (*DB).Close},
	} {
		if i > 0 {
			db = reopen(t, path)
		}
		if db.WasClean() != step.clean {
			t.Errorf("%s: clean is %v", step.name, db.WasClean())
		}
		if step.end == nil {
			crash(t, db)
			continue
		}
		for range 2 {
			if err := step.end(db); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.SetSetting("k", nil); err == nil {
		t.Error("a write to a closed database succeeded")
	}
}

func TestSchemaLadder(t *testing.T) {
	db := openTest(t)
	path := db.path
	if err := errors.Join(db.SetSetting("k", []byte("old")), db.Close()); err != nil {
		t.Fatal(err)
	}
	ran := 0
	longer := append(ladder(), func(tx *bolt.Tx) error {
		ran++
		return tx.Bucket(bucketSettings).Put([]byte("k"), []byte("new"))
	})
	for range 2 {
		db, err := open(path, longer)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := db.Setting("k"); err != nil || string(v) != "new" {
			t.Errorf("after the migration: %q, %v", v, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if ran != 1 {
		t.Errorf("the migration ran %d times", ran)
	}
	before, _ := os.ReadFile(path)
	_, err := Open(path)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("schema version %d is newer than %d", len(ladder())+1, len(ladder()))) || !strings.Contains(err.Error(), path) {
		t.Errorf("newer schema: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("a newer program's database was changed")
	}

	failing := append(longer, func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket(bucketSettings), errors.New("no way"))
	})
	if _, err := open(path, failing); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("migrate schema from version %d: no way", len(ladder())+1)) {
		t.Errorf("failing migration: %v", err)
	}
	again, err := open(path, longer)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if v, err := again.Setting("k"); err != nil || string(v) != "new" || !again.WasClean() {
		t.Errorf("a failed migration left %q, %v, clean %v", v, err, again.WasClean())
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	other := func(buckets ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.Update(func(tx *bolt.Tx) error {
				for _, name := range buckets {
					b, err := tx.CreateBucket([]byte(name))
					if err != nil {
						return err
					}
					if err := b.Put(keyVersion, []byte("1")); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	content := func(b []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(*testing.T, string)
		want string
	}{
		{"text", content([]byte("hello")), "damaged"},
		{"long text", content(bytes.Repeat([]byte("hello "), 10000)), "damaged"},
		{"zeros", content(make([]byte, 65536)), "damaged"},
		{"another program's", other("users"), "another program"},
		{"buckets missing", other("meta"), `bucket "torrents" is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			c.make(t, path)
			_, err := Open(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

// filled returns the bytes of a closed database with some of everything.
func filled(t *testing.T) []byte {
	t.Helper()
	db := openTest(t)
	for i := range 60 {
		if err := db.AddTorrent(sample(i), Metadata{Info: bytes.Repeat([]byte{byte(i)}, 100*i)}, sampleResume(i)); err != nil {
			t.Fatal(err)
		}
		m := Message{ID: fmt.Sprintf("%016x", i), From: uint32(i), Text: "hello", State: "received"}
		if err := db.AddMessage(&m); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(db.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// No damage to the file may end the process: Open, or what is called after it,
// returns errors. (A panic or a memory fault would fail the whole test run.)
func TestDamagedFiles(t *testing.T) {
	good := filled(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for name, damage := range map[string]func(b []byte) []byte{
		"cut off": func(b []byte) []byte { return b[:rng.IntN(len(b))] },
		"a page of zeros": func(b []byte) []byte {
			page := rng.IntN(len(b)/4096) * 4096
			clear(b[page : page+4096])
			return b
		},
		"a page of noise": func(b []byte) []byte {
			page := rng.IntN(len(b)/4096) * 4096
			for i := range 4096 {
				b[page+i] = byte(rng.Uint32())
			}
			return b
		},
		"flipped bits": func(b []byte) []byte {
			for range 20 {
				b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			}
			return b
		},
		"a damaged page header": func(b []byte) []byte {
			b[rng.IntN(len(b)/4096)*4096+rng.IntN(16)] ^= 1 << rng.IntN(8)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			refused := 0
			for range 60 {
				if err := os.WriteFile(path, damage(bytes.Clone(good)), 0o600); err != nil {
					t.Fatal(err)
				}
				db, err := Open(path)
				if err != nil {
					refused++
					if !strings.Contains(err.Error(), path) || errors.Is(err, ErrLocked) {
						t.Fatalf("error without the name of the file, or the lock was kept: %v", err)
					}
					continue
				}
				useAll(db)
				crash(t, db)
			}
			if refused == 0 {
				t.Error("nothing was refused: the damage does nothing")
			}
		})
	}
}

func useAll(db *DB) {
	torrents, _ := db.Torrents()
	for _, t := range torrents {
		_, _ = db.Info(t.InfoHash)
		_, _ = db.Resume(t.InfoHash)
	}
	_, _ = db.Messages(MessageQuery{})
	_, _ = db.Outbox()
	for i := range 60 {
		db.HasMessage(fmt.Sprintf("%016x", i))
	}
}

// A bug in a caller's function stays a panic and is not sold as damage.
func TestCallersPanicsPass(t *testing.T) {
	db := openTest(t)
	if err := db.AddTorrent(sample(1), Metadata{Info: []byte("d")}, Resume{}); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.UpdateTorrent(sample(1).InfoHash, func(*Torrent) { panic(errors.New("a bug")) })
	}()
	if err := db.SetSetting("k", []byte("v")); err != nil {
		t.Errorf("the database is stuck: %v", err)
	}
}

func TestSettings(t *testing.T) {
	db := openTest(t)
	if v, err := db.Setting("k"); v != nil || err != nil {
		t.Errorf("absent: %q, %v", v, err)
	}
	if err := db.SetSetting("k", []byte("value")); err != nil {
		t.Fatal(err)
	}
	crash(t, db)
	db = reopen(t, db.path)
	v, err := db.Setting("k")
	if string(v) != "value" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	v[0] = 'X' // a copy: this must not fault
	if err := db.SetSetting("k", nil); err != nil {
		t.Fatal(err)
	}
	if v, err := db.Setting("k"); v != nil || err != nil {
		t.Errorf("deleted: %q, %v", v, err)
	}
	if err := db.SetSetting("", []byte("x")); err == nil {
		t.Error("a setting without a key was stored")
	}
}
