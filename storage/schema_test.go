package storage

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// old makes a database as version 1 of the schema had it.
func old(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		return errors.Join(createBuckets(tx), meta.Put(keyVersion, []byte("1")))
	})
	if err = errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a torrent's choice of files is made of is kept, through every way of
// writing its record.
func TestSelectionIsStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := sample(7)
	want.Files, want.SkippedBytes = "0=skip,2-999999=skip", 0
	if err := db.AddTorrent(want, Metadata{}, Resume{}); err != nil {
		t.Fatal(err)
	}
	chosen := func(r *Torrent) { r.NumPieces, r.Files, r.SkippedBytes = 3, "0=skip", 123 }
	if err := db.SetInfo(want.InfoHash, Metadata{Info: []byte("d4:name1:ae")}, Resume{}, chosen); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveResume(want.InfoHash, Resume{Bitfield: []byte{0xc0}, VerifiedBytes: 50, SkippedVerifiedBytes: 20}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, problems := db.Torrents()
	if len(list) != 1 || len(problems) > 0 {
		t.Fatalf("%d torrents, %v", len(list), problems)
	}
	if got := list[0]; got.Files != "0=skip" || got.SkippedBytes != 123 || got.VerifiedBytes != 50 || got.SkippedVerifiedBytes != 20 {
		t.Errorf("%+v", got)
	}
	if r, err := db.Resume(want.InfoHash); err != nil || r.SkippedVerifiedBytes != 20 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A hybrid torrent that was stored as a v1 one is known by both hashes; nothing
// else about any torrent changes.
func TestMigrationToV2(t *testing.T) {
	path := old(t)
	hybrid := []byte("d9:file treed1:ad0:d6:lengthi1eeee12:meta versioni2e4:name1:ae")
	infos := map[int][]byte{1: []byte("d4:name1:ae"), 2: hybrid, 3: []byte("no bencode"), 4: []byte("d12:meta versioni1ee"), 5: nil}
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bolt.Tx) error {
		var errs []error
		for i, info := range infos {
			s := sample(i)
			errs = append(errs, putTorrent(tx, &s), tx.Bucket(bucketResume).Put(s.InfoHash[:], encodeResume(s.InfoHash, &Resume{Bitfield: []byte{byte(i)}})))
			if info != nil {
				errs = append(errs, tx.Bucket(bucketInfos).Put(s.InfoHash[:], info))
			}
		}
		stray := bytes.Repeat([]byte("x"), 20)
		errs = append(errs, tx.Bucket(bucketInfos).Put(stray, hybrid), tx.Bucket(bucketInfos).Put([]byte("short"), hybrid))
		return errors.Join(errs...)
	})
	if err = errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		list, problems := db.Torrents()
		if len(list) != len(infos) || len(problems) > 0 {
			t.Fatalf("%d torrents, %v", len(list), problems)
		}
		for k, got := range list {
			want := sample(k + 1)
			if k+1 == 2 {
				want.HashV2 = fmt.Sprintf("%x", sha256.Sum256(hybrid))
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			r, err := db.Resume(got.InfoHash)
			if err != nil || !bytes.Equal(r.Bitfield, []byte{byte(k + 1)}) {
				t.Errorf("resume of %d: %+v, %v", k+1, r, err)
			}
			if layers, err := db.Layers(got.InfoHash); layers != nil || err != nil {
				t.Errorf("layers of %d: %q, %v", k+1, layers, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLayers(t *testing.T) {
	db := openTest(t)
	hash, layers := sample(1).InfoHash, []byte("0123456789")
	if err := db.SetLayers(hash, layers); !errors.Is(err, ErrNotFound) {
		t.Errorf("layers of no torrent: %v", err)
	}
	if err := db.AddTorrent(sample(1), Metadata{}, Resume{}); err != nil {
		t.Fatal(err)
	}
	if err := db.SetLayers(hash, layers); !errors.Is(err, ErrNotFound) {
		t.Errorf("layers without an info dict: %v", err)
	}
	if err := db.SetInfo(hash, Metadata{Info: []byte("de"), Layers: layers}, Resume{}, func(*Torrent) {}); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Layers(hash); err != nil || !bytes.Equal(got, layers) {
		t.Errorf("layers %q, %v", got, err)
	}
	if err := db.SetLayers(hash, []byte("other")); err != nil {
		t.Fatal(err)
	}
	crash(t, db)
	db = reopen(t, db.path)
	if got, err := db.Layers(hash); err != nil || string(got) != "other" {
		t.Errorf("layers %q, %v", got, err)
	}
	if err := db.RemoveTorrent(hash); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Layers(hash); got != nil || err != nil {
		t.Errorf("layers of a removed torrent: %q, %v", got, err)
	}
}
