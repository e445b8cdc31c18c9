package storage

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Torrent is the small record of a torrent, from which a list is made without
// touching its info dict.
type Torrent struct {
	InfoHash    [20]byte   `json:"-"`               // the key: v1, or the v2 hash cut short
	HashV1      string     `json:"hashV1,omitzero"` // 40 hex digits, when known and not the key
	HashV2      string     `json:"hashV2,omitzero"` // 64 hex digits, when known
	Name        string     `json:"name"`
	Dir         string     `json:"dir"` // download root
	TotalBytes  int64      `json:"totalBytes"`
	PieceLength int64      `json:"pieceLength"`
	NumPieces   int        `json:"numPieces"`
	NumFiles    int        `json:"numFiles"`
	Private     bool       `json:"private,omitzero"`
	Trackers    [][]string `json:"trackers,omitempty"` // tiers
	WebSeeds    []string   `json:"webSeeds,omitempty"` // BEP 19
	AddedAt     time.Time  `json:"addedAt,omitzero"`
	CompletedAt time.Time  `json:"completedAt,omitzero"`
	Stopped     bool       `json:"stopped,omitzero"` // by the user
	Error       string     `json:"error,omitzero"`   // why its state is "error", "" otherwise
	Magnet      string     `json:"magnet,omitzero"`  // the link it was added by, if it was

	DownloadLimit int64 `json:"downloadLimit,omitzero"` // bytes per second, 0 is none
	UploadLimit   int64 `json:"uploadLimit,omitzero"`

	SuperSeed bool `json:"superSeed,omitzero"` // BEP 16

	// Which files are wanted, as package selection writes it, "" for all; and the
	// payload in pieces that are not. Version 4.
	Files        string `json:"files,omitzero"`
	SkippedBytes int64  `json:"skippedBytes,omitzero"`

	// Kept in step with the resume record by SaveResume.
	VerifiedBytes   int64 `json:"verifiedBytes,omitzero"`
	DownloadedBytes int64 `json:"downloadedBytes,omitzero"`
	UploadedBytes   int64 `json:"uploadedBytes,omitzero"`
	WastedBytes     int64 `json:"wastedBytes,omitzero"`

	SkippedVerifiedBytes int64 `json:"skippedVerifiedBytes,omitzero"` // of VerifiedBytes, in pieces that are not wanted
}

// follow takes over what the resume record says. A completion time stays until
// UpdateTorrent takes it away.
func (t *Torrent) follow(r *Resume) {
	t.VerifiedBytes, t.DownloadedBytes = r.VerifiedBytes, r.DownloadedBytes
	t.UploadedBytes, t.WastedBytes = r.UploadedBytes, r.WastedBytes
	t.SkippedVerifiedBytes = r.SkippedVerifiedBytes
	if !r.CompletedAt.IsZero() {
		t.CompletedAt = r.CompletedAt
	}
}

// Metadata is what a torrent is described by.
type Metadata struct {
	Info   []byte // info dict, verbatim
	Layers []byte // piece layers (BEP 52) of its files in torrent order; nil when there are none
}

// AddTorrent stores a torrent with its metadata and its first resume record, all
// or nothing. The metadata may be missing (zero, with NumPieces 0) until SetInfo.
// The error is ErrExists when the torrent is there.
func (db *DB) AddTorrent(t Torrent, m Metadata, r Resume) error {
	t.follow(&r)
	err := db.update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketTorrents).Get(t.InfoHash[:]) != nil {
			return ErrExists
		}
		if err := putTorrent(tx, &t); err != nil {
			return err
		}
		return putInfo(tx, t.InfoHash, m, &r)
	})
	return torrentError("add", t.InfoHash, err)
}

// SetInfo stores the metadata of a torrent that had none, with its first
// resume record and what fn changes in its record, all or nothing. fn must not
// call the DB. The errors are ErrNotFound, and ErrExists when it had one.
func (db *DB) SetInfo(hash [20]byte, m Metadata, r Resume, fn func(*Torrent)) error {
	err := db.update(func(tx *bolt.Tx) error {
		t, err := getTorrent(tx, hash)
		if err != nil {
			return err
		}
		if tx.Bucket(bucketInfos).Get(hash[:]) != nil {
			return ErrExists
		}
		fn(&t)
		t.InfoHash = hash
		t.follow(&r)
		if err := putTorrent(tx, &t); err != nil {
			return err
		}
		return putInfo(tx, hash, m, &r)
	})
	return torrentError("store info dict of", hash, err)
}

func putInfo(tx *bolt.Tx, hash [20]byte, m Metadata, r *Resume) error {
	if m.Info != nil {
		if err := tx.Bucket(bucketInfos).Put(hash[:], m.Info); err != nil {
			return err
		}
	}
	if m.Layers != nil {
		if err := tx.Bucket(bucketLayers).Put(hash[:], m.Layers); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketResume).Put(hash[:], encodeResume(hash, r))
}

// UpdateTorrent changes a torrent's record by fn, which must not call the DB.
// The error is ErrNotFound when there is none.
func (db *DB) UpdateTorrent(hash [20]byte, fn func(*Torrent)) error {
	err := db.update(func(tx *bolt.Tx) error {
		t, err := getTorrent(tx, hash)
		if err != nil {
			return err
		}
		fn(&t)
		t.InfoHash = hash
		return putTorrent(tx, &t)
	})
	return torrentError("update", hash, err)
}

// SetLayers stores the piece layers of a torrent whose info dict is there. The
// error is ErrNotFound when it is not.
func (db *DB) SetLayers(hash [20]byte, layers []byte) error {
	err := db.update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketInfos).Get(hash[:]) == nil {
			return ErrNotFound
		}
		return tx.Bucket(bucketLayers).Put(hash[:], layers)
	})
	return torrentError("store piece layers of", hash, err)
}

// RemoveTorrent forgets a torrent, its metadata and its resume record, damaged
// ones too. The error is ErrNotFound when there is none of them.
func (db *DB) RemoveTorrent(hash [20]byte) error {
	err := db.update(func(tx *bolt.Tx) error {
		found := false
		for _, name := range [][]byte{bucketTorrents, bucketInfos, bucketLayers, bucketResume} {
			b := tx.Bucket(name)
			found = found || b.Get(hash[:]) != nil
			if err := b.Delete(hash[:]); err != nil {
				return err
			}
		}
		if !found {
			return ErrNotFound
		}
		return nil
	})
	return torrentError("remove", hash, err)
}

// Torrents returns every readable torrent record by ascending info hash, and an
// error (ErrCorrupt) naming the info hash for each other one.
func (db *DB) Torrents() (torrents []Torrent, problems []error) {
	err := db.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketTorrents).ForEach(func(key, value []byte) error {
			t, err := decodeTorrent(key, value)
			if err != nil {
				problems = append(problems, fmt.Errorf("read torrent %x: %w", key, err))
				return nil
			}
			torrents = append(torrents, t)
			return nil
		})
	})
	if err != nil {
		problems = append(problems, fmt.Errorf("read torrents: %w", err))
	}
	return torrents, problems
}

// Info returns the info dict of a torrent, verbatim, or ErrNotFound, also when
// it is not known yet.
func (db *DB) Info(hash [20]byte) (info []byte, err error) {
	if info, err = db.part(bucketInfos, hash); err == nil && info == nil {
		err = ErrNotFound
	}
	return info, torrentError("read info dict of", hash, err)
}

// Layers returns the piece layers of a torrent, nil when there are none.
func (db *DB) Layers(hash [20]byte) (layers []byte, err error) {
	layers, err = db.part(bucketLayers, hash)
	return layers, torrentError("read piece layers of", hash, err)
}

func (db *DB) part(bucket []byte, hash [20]byte) (value []byte, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		value = slices.Clone(tx.Bucket(bucket).Get(hash[:]))
		return nil
	})
	return value, err
}

func getTorrent(tx *bolt.Tx, hash [20]byte) (Torrent, error) {
	value := tx.Bucket(bucketTorrents).Get(hash[:])
	if value == nil {
		return Torrent{}, ErrNotFound
	}
	return decodeTorrent(hash[:], value)
}

func putTorrent(tx *bolt.Tx, t *Torrent) error {
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketTorrents).Put(t.InfoHash[:], value)
}

func decodeTorrent(key, value []byte) (t Torrent, err error) {
	if len(key) != len(t.InfoHash) {
		return Torrent{}, fmt.Errorf("%w: the key has %d bytes", ErrCorrupt, len(key))
	}
	if err := json.Unmarshal(value, &t); err != nil {
		return Torrent{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	t.InfoHash = [20]byte(key)
	return t, nil
}

func torrentError(verb string, hash [20]byte, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s torrent %x: %w", verb, hash, err)
}
