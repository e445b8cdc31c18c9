package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func sample(i int) Torrent {
	t := Torrent{
		Name: fmt.Sprintf("torrent %d", i), Dir: "/srv/downloads", TotalBytes: 1 << 30, PieceLength: 1 << 18,
		NumPieces: 4096, NumFiles: 3, Private: i%2 == 0,
		Trackers: [][]string{{"http://a.example/announce", "udp://b.example:6969"}, {"http://c.example/announce"}},
		AddedAt:  time.Date(2026, 11, 22, 10, 0, i%60, 5, time.UTC), Stopped: i%3 == 0, Error: "",
	}
	binary.BigEndian.PutUint32(t.InfoHash[:], uint32(i))
	t.InfoHash[19] = 7
	return t
}

func sampleResume(i int) Resume {
	return Resume{
		Bitfield: bytes.Repeat([]byte{byte(i)}, 512),
		Files:    []FileStamp{{Size: 5, ModTime: 1_790_000_000_000_000_000, Exists: true}, {}, {Size: 9, ModTime: 1_790_000_000_123_456_789, Exists: true}},
		Writing:  i%2 == 1, VerifiedBytes: int64(i), DownloadedBytes: int64(2 * i), UploadedBytes: int64(3 * i), WastedBytes: int64(4 * i),
	}
}

func TestTorrentRoundTrip(t *testing.T) {
	db := openTest(t)
	want, info, resume := sample(5), bytes.Repeat([]byte("d4:name1:xe\x00\xff"), 1000), sampleResume(5)
	if err := db.AddTorrent(want, Metadata{Info: info}, resume); err != nil {
		t.Fatal(err)
	}
	if err := db.AddTorrent(want, Metadata{Info: []byte("other")}, Resume{}); !errors.Is(err, ErrExists) {
		t.Errorf("second add: %v", err)
	}
	want.VerifiedBytes, want.DownloadedBytes, want.UploadedBytes, want.WastedBytes = 5, 10, 15, 20
	crash(t, db)
	db = reopen(t, db.path)
	got, problems := db.Torrents()
	if len(problems) > 0 || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v (%v)", got, want, problems)
	}
	gotInfo, err := db.Info(want.InfoHash)
	if err != nil || !bytes.Equal(gotInfo, info) {
		t.Errorf("info dict %q, %v", gotInfo, err)
	}
	gotInfo[0] = 'X' // a copy: this must not fault
	gotResume, err := db.Resume(want.InfoHash)
	if err != nil || !reflect.DeepEqual(gotResume, resume) {
		t.Errorf("resume %+v, %v", gotResume, err)
	}
}

func TestUpdateTorrent(t *testing.T) {
	db := openTest(t)
	hash := sample(5).InfoHash
	if err := db.AddTorrent(sample(5), Metadata{Info: []byte("d")}, Resume{}); err != nil {
		t.Fatal(err)
	}
	err := db.UpdateTorrent(hash, func(t *Torrent) { t.Stopped, t.Error, t.InfoHash = true, "broken", [20]byte{1} })
	if err != nil {
		t.Fatal(err)
	}
	got, problems := db.Torrents()
	if len(got) != 1 || len(problems) > 0 || !got[0].Stopped || got[0].Error != "broken" || got[0].InfoHash != hash {
		t.Errorf("%+v, %v", got, problems)
	}
}

func TestMissingTorrent(t *testing.T) {
	db := openTest(t)
	hash := [20]byte{0xAB}
	_, infoErr := db.Info(hash)
	_, resumeErr := db.Resume(hash)
	for name, err := range map[string]error{
		"update": db.UpdateTorrent(hash, func(*Torrent) {}), "remove": db.RemoveTorrent(hash),
		"info": infoErr, "resume": resumeErr, "save resume": db.SaveResume(hash, Resume{}),
	} {
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "ab000000") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRemoveTorrentTakesEverything(t *testing.T) {
	db := openTest(t)
	for i := range 2 {
		if err := db.AddTorrent(sample(i), Metadata{Info: []byte("d")}, sampleResume(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.RemoveTorrent(sample(0).InfoHash); err != nil {
		t.Fatal(err)
	}
	err := db.view(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketTorrents, bucketInfos, bucketResume} {
			if n := tx.Bucket(name).Stats().KeyN; n != 1 {
				t.Errorf("bucket %s has %d records", name, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedTorrentCostsOnlyItself(t *testing.T) {
	db := openTest(t)
	for i := range 3 {
		if err := db.AddTorrent(sample(i), Metadata{Info: []byte("d")}, sampleResume(i)); err != nil {
			t.Fatal(err)
		}
	}
	bad := sample(1).InfoHash
	err := db.update(func(tx *bolt.Tx) error {
		return errors.Join(tx.Bucket(bucketTorrents).Put(bad[:], []byte(`{"name":`)),
			tx.Bucket(bucketTorrents).Put([]byte("short"), []byte(`{}`)),
			tx.Bucket(bucketResume).Put(bad[:], []byte("\x01\x00 not it")))
	})
	if err != nil {
		t.Fatal(err)
	}
	got, problems := db.Torrents()
	if len(got) != 2 || got[0].Name != "torrent 0" || got[1].Name != "torrent 2" {
		t.Errorf("readable: %+v", got)
	}
	if len(problems) != 2 || !errors.Is(problems[0], ErrCorrupt) || !strings.Contains(problems[0].Error(), fmt.Sprintf("%x", bad)) || !errors.Is(problems[1], ErrCorrupt) {
		t.Errorf("problems: %v", problems)
	}
	if _, err := db.Resume(bad); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprintf("%x", bad)) {
		t.Errorf("resume: %v", err)
	}
	if err := db.RemoveTorrent(bad); err != nil {
		t.Errorf("a damaged torrent cannot be removed: %v", err)
	}
}

func TestSaveResumeKeepsTheTorrentInStep(t *testing.T) {
	db := openTest(t)
	hash := sample(1).InfoHash
	if err := db.AddTorrent(sample(1), Metadata{Info: []byte("d")}, Resume{}); err != nil {
		t.Fatal(err)
	}
	done := time.Date(2026, 11, 22, 11, 0, 0, 42, time.UTC)
	r := sampleResume(9)
	r.CompletedAt = done
	if err := db.SaveResume(hash, r); err != nil {
		t.Fatal(err)
	}
	r.CompletedAt, r.UploadedBytes = time.Time{}, 99
	if err := db.SaveResume(hash, r); err != nil {
		t.Fatal(err)
	}
	got, problems := db.Torrents()
	if len(problems) > 0 || got[0].VerifiedBytes != 9 || got[0].DownloadedBytes != 18 || got[0].UploadedBytes != 99 || got[0].WastedBytes != 36 || !got[0].CompletedAt.Equal(done) || got[0].Name != "torrent 1" {
		t.Errorf("%+v, %v", got, problems)
	}
}

func TestConcurrentSavesShareCommits(t *testing.T) {
	db := openTest(t)
	const n = 200
	for i := range n {
		if err := db.AddTorrent(sample(i), Metadata{Info: []byte("d")}, Resume{}); err != nil {
			t.Fatal(err)
		}
	}
	before := txID(t, db)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := db.SaveResume(sample(i).InfoHash, sampleResume(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() { // one that fails must not take the others with it
		if err := db.SaveResume([20]byte{1}, Resume{}); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
	wg.Wait()
	if commits := txID(t, db) - before; commits > n/4 {
		t.Errorf("%d commits for %d saves", commits, n)
	}
	crash(t, db)
	db = reopen(t, db.path)
	for i := range n {
		if r, err := db.Resume(sample(i).InfoHash); err != nil || !reflect.DeepEqual(r, sampleResume(i)) {
			t.Errorf("torrent %d: %+v, %v", i, r, err)
		}
	}
}

// txID returns the number of the last commit.
func txID(t *testing.T, db *DB) (id int) {
	t.Helper()
	if err := db.view(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// A magnet link's torrent has no info dict at first.
func TestSetInfo(t *testing.T) {
	db := openTest(t)
	hash := [20]byte{7}
	link := Torrent{InfoHash: hash, Name: "linked", Magnet: "magnet:?x", Stopped: true}
	if err := db.AddTorrent(link, Metadata{}, Resume{}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Info(hash); !errors.Is(err, ErrNotFound) {
		t.Errorf("info before it is known: %v", err)
	}
	grow := func(r *Torrent) { r.Name, r.NumPieces = "real", 9 }
	if err := db.SetInfo([20]byte{8}, Metadata{Info: []byte("de")}, Resume{}, grow); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a torrent that is not there: %v", err)
	}
	if err := db.SetInfo(hash, Metadata{Info: []byte("de")}, Resume{Bitfield: []byte{0, 0}}, grow); err != nil {
		t.Fatal(err)
	}
	if err := db.SetInfo(hash, Metadata{Info: []byte("le")}, Resume{}, grow); !errors.Is(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	link.Name, link.NumPieces = "real", 9
	list, problems := db.Torrents()
	if len(problems) > 0 || len(list) != 1 || !reflect.DeepEqual(list[0], link) {
		t.Errorf("have %+v, %v", list, problems)
	}
	if info, err := db.Info(hash); err != nil || string(info) != "de" {
		t.Errorf("info %q, %v", info, err)
	}
	if r, err := db.Resume(hash); err != nil || len(r.Bitfield) != 2 {
		t.Errorf("resume %+v, %v", r, err)
	}
}
