package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// MessageQuery selects messages. The zero query is all of them.
type MessageQuery struct {
	AfterSeq  uint64 // only newer ones, the oldest of these first to count; 0: no bound
	BeforeSeq uint64 // only older ones; 0: no bound
	Limit     int    // at most so many; 0: no limit

	// Peer, when set, selects what came from or went to this node. 0xFFFFFFFF
	// stands for what was sent to everyone, by us or by others.
	Peer *uint32
	// Channel, when set, selects the messages of a channel that is not the public
	// one.
	Channel string
	// Text selects what contains it, in either case of letters.
	Text string
	// Incoming or Outgoing alone selects a direction; both or neither mean both.
	Incoming, Outgoing bool
}

// Messages returns a page of messages, newest last. With AfterSeq the page
// begins right after it (to go forward, pass the last Seq of the page before);
// without, it ends at the newest message or right before BeforeSeq (to go back,
// pass the first Seq). Only the page is read, whatever the number of messages.
//
// When records are damaged, it returns the others and an error that is
// ErrCorrupt and names each.
func (db *DB) Messages(q MessageQuery) (messages []Message, err error) {
	var problems []error
	err = db.view(func(tx *bolt.Tx) error {
		return q.each(tx, func(key []byte) (more bool) {
			messages, problems = collect(tx, key, messages, problems)
			if n := len(messages); n > 0 && !q.matches(messages[n-1].Text) {
				messages = messages[:n-1]
			}
			return q.Limit <= 0 || len(messages) < q.Limit
		})
	})
	if q.AfterSeq == 0 {
		slices.Reverse(messages)
	}
	return messages, errors.Join(append(problems, err)...)
}

// Outbox returns the outgoing messages that are under way, oldest first,
// and treats damaged ones like Messages does.
func (db *DB) Outbox() (messages []Message, err error) {
	var problems []error
	err = db.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketOutbox).ForEach(func(key, _ []byte) error {
			messages, problems = collect(tx, key, messages, problems)
			return nil
		})
	})
	return messages, errors.Join(append(problems, err)...)
}

// collect appends the message of key, or why it cannot be read.
func collect(tx *bolt.Tx, key []byte, messages []Message, problems []error) ([]Message, []error) {
	m, err := getMessage(tx, key)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: the record of an index entry is missing", ErrCorrupt)
	}
	if err != nil {
		return messages, append(problems, fmt.Errorf("read message %d: %w", binary.BigEndian.Uint64(key), err))
	}
	return append(messages, m), problems
}

// each calls fn with the key of every selected message until fn wants no more:
// upwards from AfterSeq if there is one, otherwise downwards.
func (q *MessageQuery) each(tx *bolt.Tx, fn func(key []byte) (more bool)) error {
	bucket, prefix, direction := q.index()
	c := tx.Bucket(bucket).Cursor()
	before := q.BeforeSeq
	if before == 0 {
		before = math.MaxUint64
	}
	step := c.Next
	var key, value []byte
	if q.AfterSeq > 0 {
		if q.AfterSeq == math.MaxUint64 {
			return nil
		}
		key, value = c.Seek(append(prefix, seqKey(q.AfterSeq+1)...))
	} else {
		step = c.Prev
		if key, _ = c.Seek(append(prefix, seqKey(before)...)); key == nil {
			key, value = c.Last()
		} else {
			key, value = c.Prev()
		}
	}
	for ; hasPrefix(key, prefix); key, value = step() {
		if len(key) != len(prefix)+8 {
			return fmt.Errorf("%w: key %x in bucket %q", ErrCorrupt, key, bucket)
		}
		seq := key[len(prefix):]
		if binary.BigEndian.Uint64(seq) >= before {
			return nil
		}
		if direction != 0 && !bytes.Equal(value, []byte{direction}) {
			continue
		}
		if !fn(seq) {
			return nil
		}
	}
	return nil
}

// index returns the bucket whose keys under prefix, which end in a sequence
// number, are the selected messages. If direction is not 0, only those with this value are.
func (q *MessageQuery) index() (bucket, prefix []byte, direction byte) {
	if q.Incoming != q.Outgoing {
		direction = 'i'
		if q.Outgoing {
			direction = 'o'
		}
	}
	switch {
	case q.Channel != "":
		bucket, prefix = conversation(0, q.Channel)
		return bucket, prefix, direction
	case q.Peer != nil:
		bucket, prefix = conversation(*q.Peer, "")
		return bucket, prefix, direction
	case direction != 0:
		return bucketDirections, []byte{direction}, 0
	}
	return bucketMessages, nil, 0
}

// matches says whether a text has what is looked for.
func (q *MessageQuery) matches(text string) bool {
	return q.Text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(q.Text))
}

// hasPrefix is false for the nil key at the end of a bucket.
func hasPrefix(key, prefix []byte) bool { return key != nil && bytes.HasPrefix(key, prefix) }
