package storage

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// maxUnread is where Unread stops counting.
const maxUnread = 1000

// MarkRead notes that a conversation was read up to a message: that with a
// node, or that of a channel when one is given. A mark never goes back, nor ahead of
// the newest message there is. It returns where the mark was.
func (db *DB) MarkRead(node uint32, channel string, seq uint64) (before uint64, err error) {
	bucket, prefix := conversation(node, channel)
	key := append(bucket[:len(bucket):len(bucket)], prefix...)
	err = db.update(func(tx *bolt.Tx) error {
		reads := tx.Bucket(bucketReads)
		seq = min(seq, tx.Bucket(bucketMessages).Sequence())
		if before = readMark(reads, key); before >= seq {
			return nil
		}
		return reads.Put(key, seqKey(seq))
	})
	if err != nil {
		return 0, fmt.Errorf("mark as read: %w", err)
	}
	return before, nil
}

// Unread counts the incoming messages of a conversation after its mark, 1000 at
// most.
func (db *DB) Unread(node uint32, channel string) (unread int, err error) {
	bucket, prefix := conversation(node, channel)
	key := append(bucket[:len(bucket):len(bucket)], prefix...)
	err = db.view(func(tx *bolt.Tx) error {
		mark := readMark(tx.Bucket(bucketReads), key)
		c := tx.Bucket(bucket).Cursor()
		for k, v := c.Seek(append(prefix[:len(prefix):len(prefix)], seqKey(mark+1)...)); hasPrefix(k, prefix) && unread < maxUnread; k, v = c.Next() {
			if len(v) == 1 && v[0] == 'i' {
				unread++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count unread messages: %w", err)
	}
	return unread, nil
}

// readMark is the last message read, 0 when none was.
func readMark(reads *bolt.Bucket, key []byte) uint64 {
	if value := reads.Get(key); len(value) == 8 {
		return binary.BigEndian.Uint64(value)
	}
	return 0
}
