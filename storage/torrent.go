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
	InfoHash    [20]byte   `json:"-"` // the key
	Name        string     `json:"name"`
	Dir         string     `json:"dir"` // download root
	TotalBytes  int64      `json:"totalBytes"`
	PieceLength int64      `json:"pieceLength"`
	NumPieces   int        `json:"numPieces"`
	NumFiles    int        `json:"numFiles"`
	Private     bool       `json:"private,omitzero"`
	Trackers    [][]string `json:"trackers,omitempty"` // tiers
	AddedAt     time.Time  `json:"addedAt,omitzero"`
	CompletedAt time.Time  `json:"completedAt,omitzero"`
	Stopped     bool       `json:"stopped,omitzero"` // by the user
	Error       string     `json:"error,omitzero"`   // why its state is "error", "" otherwise
	Magnet      string     `json:"magnet,omitzero"`  // the link it was added by, if it was

	// Kept in step with the resume record by SaveResume.
	VerifiedBytes   int64 `json:"verifiedBytes,omitzero"`
	DownloadedBytes int64 `json:"downloadedBytes,omitzero"`
	UploadedBytes   int64 `json:"uploadedBytes,omitzero"`
	WastedBytes     int64 `json:"wastedBytes,omitzero"`
}

// follow takes over what the resume record says. A completion time stays until
// UpdateTorrent takes it away.
func (t *Torrent) follow(r *Resume) {
	t.VerifiedBytes, t.DownloadedBytes = r.VerifiedBytes, r.DownloadedBytes
	t.UploadedBytes, t.WastedBytes = r.UploadedBytes, r.WastedBytes
	if !r.CompletedAt.IsZero() {
		t.CompletedAt = r.CompletedAt
	}
}

// AddTorrent stores a torrent with its verbatim info dict and its first resume
// record, all or nothing. The info dict may be missing (nil, with NumPieces 0)
// until SetInfo. The error is ErrExists when the torrent is there.
func (db *DB) AddTorrent(t Torrent, info []byte, r Resume) error {
	t.follow(&r)
	err := db.update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketTorrents).Get(t.InfoHash[:]) != nil {
			return ErrExists
		}
		if err := putTorrent(tx, &t); err != nil {
			return err
		}
		return putInfo(tx, t.InfoHash, info, &r)
	})
	return torrentError("add", t.InfoHash, err)
}

// SetInfo stores the info dict of a torrent that had none, with its first
// resume record and what fn changes in its record, all or nothing. fn must not
// call the DB. The errors are ErrNotFound, and ErrExists when it had one.
func (db *DB) SetInfo(hash [20]byte, info []byte, r Resume, fn func(*Torrent)) error {
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
		return putInfo(tx, hash, info, &r)
	})
	return torrentError("store info dict of", hash, err)
}

func putInfo(tx *bolt.Tx, hash [20]byte, info []byte, r *Resume) error {
	if info != nil {
		if err := tx.Bucket(bucketInfos).Put(hash[:], info); err != nil {
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

// RemoveTorrent forgets a torrent, its info dict and its resume record, damaged
// ones too. The error is ErrNotFound when there is none of them.
func (db *DB) RemoveTorrent(hash [20]byte) error {
	err := db.update(func(tx *bolt.Tx) error {
		found := false
		for _, name := range [][]byte{bucketTorrents, bucketInfos, bucketResume} {
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
	err = db.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketInfos).Get(hash[:])
		if value == nil {
			return ErrNotFound
		}
		info = slices.Clone(value)
		return nil
	})
	return info, torrentError("read info dict of", hash, err)
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
