package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Peer is another LoRa node whose key is known.
type Peer struct {
	Key [32]byte `json:"-"` // Ed25519

	// What the node says of itself.
	Name         string    `json:"name,omitempty"`
	Issued       time.Time `json:"issued,omitzero"`
	Capabilities uint8     `json:"capabilities,omitempty"`

	// What our user says of it. A contact has been added; the others are known
	// because we wrote to each other.
	Contact  bool   `json:"contact,omitempty"`
	Nick     string `json:"nick,omitempty"`
	Verified bool   `json:"verified,omitempty"` // the fingerprint was compared
	Commands bool   `json:"commands,omitempty"` // it may command this daemon

	AddedAt time.Time `json:"addedAt,omitzero"`
}

// Channel is a LoRa channel that the user has joined.
type Channel struct {
	ID       string    `json:"-"`
	Name     string    `json:"name"`
	Secret   []byte    `json:"secret"`
	JoinedAt time.Time `json:"joinedAt,omitzero"`
}

// PutPeer stores what is known of a node.
func (db *DB) PutPeer(p Peer) error {
	return db.putJSON(bucketLoRaPeers, p.Key[:], p, "store node")
}

// DeletePeer forgets a node. It is no error when there is none.
func (db *DB) DeletePeer(key [32]byte) error {
	return db.deleteKey(bucketLoRaPeers, key[:], "forget node")
}

// Peers returns all nodes. When records are damaged it returns the others and
// an error that is ErrCorrupt.
func (db *DB) Peers() (peers []Peer, err error) {
	err = db.eachJSON(bucketLoRaPeers, func(key, value []byte) error {
		var p Peer
		if len(key) != len(p.Key) {
			return fmt.Errorf("%w: key of %d bytes", ErrCorrupt, len(key))
		}
		copy(p.Key[:], key)
		if err := json.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		peers = append(peers, p)
		return nil
	})
	return peers, err
}

// PutChannel stores a channel.
func (db *DB) PutChannel(c Channel) error {
	if c.ID == "" || len(c.ID) > maxMessageID {
		return fmt.Errorf("store channel: id of %d bytes", len(c.ID))
	}
	return db.putJSON(bucketChannels, []byte(c.ID), c, "store channel")
}

// DeleteChannel forgets a channel, and keeps its messages.
func (db *DB) DeleteChannel(id string) error {
	return db.deleteKey(bucketChannels, []byte(id), "forget channel")
}

// Channels returns all channels, and treats damaged ones like Peers does.
func (db *DB) Channels() (channels []Channel, err error) {
	err = db.eachJSON(bucketChannels, func(key, value []byte) error {
		c := Channel{ID: string(key)}
		if err := json.Unmarshal(value, &c); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		channels = append(channels, c)
		return nil
	})
	return channels, err
}

// Window returns the state kept under a name, nil when there is none.
func (db *DB) Window(name []byte) (state []byte, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		state = slices.Clone(tx.Bucket(bucketWindows).Get(name))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read replay window: %w", err)
	}
	return state, nil
}

// PutWindow stores the state of a replay window.
func (db *DB) PutWindow(w Window) error {
	err := db.update(func(tx *bolt.Tx) error { return tx.Bucket(bucketWindows).Put(w.Name, w.State) })
	if err != nil {
		return fmt.Errorf("store replay window: %w", err)
	}
	return nil
}

func (db *DB) putJSON(bucket, key []byte, value any, what string) error {
	b, err := json.Marshal(value)
	if err == nil {
		err = db.update(func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(key, b) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (db *DB) deleteKey(bucket, key []byte, what string) error {
	err := db.update(func(tx *bolt.Tx) error { return tx.Bucket(bucket).Delete(key) })
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// eachJSON calls fn with every record of a bucket and joins its errors.
func (db *DB) eachJSON(bucket []byte, fn func(key, value []byte) error) error {
	var problems []error
	err := db.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(key, value []byte) error {
			if err := fn(key, value); err != nil {
				problems = append(problems, fmt.Errorf("read record %q of %s: %w", key, bucket, err))
			}
			return nil
		})
	})
	return errors.Join(append(problems, err)...)
}
