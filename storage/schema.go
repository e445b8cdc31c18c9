package storage

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/anacrolix/torrent/bencode"
	bolt "go.etcd.io/bbolt"
)

// Names of buckets and of the keys in meta; package storage describes them.
var (
	bucketMeta       = []byte("meta")
	bucketTorrents   = []byte("torrents")
	bucketInfos      = []byte("infos")
	bucketLayers     = []byte("layers")
	bucketResume     = []byte("resume")
	bucketMessages   = []byte("messages")
	bucketMessageIDs = []byte("message_ids")
	bucketDirections = []byte("message_dir")
	bucketPeers      = []byte("message_peer")
	bucketOutbox     = []byte("outbox")
	bucketSettings   = []byte("settings")
	bucketByChannel  = []byte("message_channel")
	bucketWindows    = []byte("windows")
	bucketLoRaPeers  = []byte("peers")
	bucketChannels   = []byte("channels")
	bucketReads      = []byte("reads")

	keyVersion = []byte("version")
	keyRunning = []byte("running")
)

// buckets are those of the newest version.
func buckets() [][]byte { return slices.Concat(buckets1(), [][]byte{bucketLayers}, buckets3()) }

func buckets1() [][]byte {
	return [][]byte{
		bucketTorrents, bucketInfos, bucketResume, bucketMessages, bucketMessageIDs,
		bucketDirections, bucketPeers, bucketOutbox, bucketSettings,
	}
}

func buckets3() [][]byte {
	return [][]byte{bucketByChannel, bucketWindows, bucketLoRaPeers, bucketChannels, bucketReads}
}

// A migration raises the schema by one version.
type migration func(*bolt.Tx) error

// ladder holds the migrations in order: the first makes version 1 of an empty
// file. To change the schema, append one; never edit one that was released.
func ladder() []migration {
	return []migration{createBuckets, addV2, addRadio, addSelections}
}

func createBuckets(tx *bolt.Tx) error {
	for _, name := range buckets1() {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return nil
}

// addV2 makes version 2: piece layers, and the v2 hash of torrents that turn out
// to have one. Until then such a torrent was known by its v1 hash alone.
func addV2(tx *bolt.Tx) error {
	if _, err := tx.CreateBucket(bucketLayers); err != nil {
		return err
	}
	infos := tx.Bucket(bucketInfos)
	if infos == nil || tx.Bucket(bucketTorrents) == nil {
		return nil // damaged; migrate says so
	}
	return infos.ForEach(func(key, info []byte) error {
		var fields struct {
			Version int `bencode:"meta version"`
		}
		if bencode.Unmarshal(info, &fields) != nil || fields.Version != 2 || len(key) != 20 {
			return nil // v1, or nothing to be made of it
		}
		t, err := getTorrent(tx, [20]byte(key))
		if err != nil {
			return nil // damaged or missing; Torrents reports it
		}
		t.HashV2 = fmt.Sprintf("%x", sha256.Sum256(info))
		return putTorrent(tx, &t)
	})
}

// addRadio makes version 3: keys, channels and what was read. Messages to everyone
// leave the conversations of those who claim to have written them.
func addRadio(tx *bolt.Tx) error {
	for _, name := range buckets3() {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return forgetClaims(tx)
}

// addSelections makes version 4: torrents of which not every file is wanted. The
// records stay as they are; a program that does not know of it would download all.
func addSelections(*bolt.Tx) error { return nil }

// prepare climbs the ladder, notes how the last process left the file and marks
// it as in use, all in one commit.
func (db *DB) prepare(steps []migration) error {
	return guard(anyPanic, func() error {
		return db.bolt.Update(func(tx *bolt.Tx) error {
			meta := tx.Bucket(bucketMeta)
			if meta == nil {
				if name, _ := tx.Cursor().First(); name != nil {
					return fmt.Errorf("a database of another program: it has a bucket %q and no %q", name, bucketMeta)
				}
				var err error
				if meta, err = tx.CreateBucket(bucketMeta); err != nil {
					return err
				}
			}
			if err := migrate(tx, meta, steps); err != nil {
				return err
			}
			db.clean = meta.Get(keyRunning) == nil
			return meta.Put(keyRunning, []byte(time.Now().UTC().Format(time.RFC3339)))
		})
	})
}

func migrate(tx *bolt.Tx, meta *bolt.Bucket, steps []migration) error {
	version := 0
	if text := meta.Get(keyVersion); text != nil {
		var err error
		if version, err = strconv.Atoi(string(text)); err != nil || version < 1 {
			return fmt.Errorf("%w: schema version %q", ErrCorrupt, text)
		}
	}
	if version > len(steps) {
		return fmt.Errorf("its schema version %d is newer than %d, the newest this program knows: use a newer program", version, len(steps))
	}
	for ; version < len(steps); version++ {
		if err := steps[version](tx); err != nil {
			return fmt.Errorf("migrate schema from version %d: %w", version, err)
		}
	}
	for _, name := range buckets() {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: bucket %q is missing", ErrCorrupt, name)
		}
	}
	return meta.Put(keyVersion, []byte(strconv.Itoa(version)))
}
