package storage

import (
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Setting returns a small durable value, nil when there is none.
func (db *DB) Setting(key string) (value []byte, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		value = slices.Clone(tx.Bucket(bucketSettings).Get([]byte(key)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read setting %q: %w", key, err)
	}
	return value, nil
}

// SetSetting stores a small durable value; nil deletes it.
func (db *DB) SetSetting(key string, value []byte) error {
	err := db.update(func(tx *bolt.Tx) error {
		if value == nil {
			return tx.Bucket(bucketSettings).Delete([]byte(key))
		}
		return tx.Bucket(bucketSettings).Put([]byte(key), value)
	})
	if err != nil {
		return fmt.Errorf("store setting %q: %w", key, err)
	}
	return nil
}
